// SPDX-License-Identifier: GPL-2.0-only
/*
 * A strict JSON reader. Left out on purpose, because no request needs it: fractions, \u0000, and
 * more than MAX_DEPTH levels.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define MAX_DEPTH 8

struct reader {
	const char *at;
	const char *error;
};

static struct json *read_value(struct reader *r, int depth);

static void *refuse(struct reader *r, const char *error)
{
	if (!r->error)
		r->error = error;
	return NULL;
}

static void skip_space(struct reader *r)
{
	r->at += strspn(r->at, " \t\r\n");
}

static bool accept(struct reader *r, char c)
{
	skip_space(r);
	if (*r->at != c)
		return false;
	r->at++;
	return true;
}

static char *put_utf8(char *to, unsigned int c)
{
	if (c < 0x80) {
		*to++ = c;
	} else if (c < 0x800) {
		*to++ = 0xc0 | c >> 6;
		*to++ = 0x80 | (c & 0x3f);
	} else if (c < 0x10000) {
		*to++ = 0xe0 | c >> 12;
		*to++ = 0x80 | (c >> 6 & 0x3f);
		*to++ = 0x80 | (c & 0x3f);
	} else {
		*to++ = 0xf0 | c >> 18;
		*to++ = 0x80 | (c >> 12 & 0x3f);
		*to++ = 0x80 | (c >> 6 & 0x3f);
		*to++ = 0x80 | (c & 0x3f);
	}
	return to;
}

/* The four digits after \u; 0, which no request needs, if they are none. */
static unsigned int read_hex4(struct reader *r)
{
	char digits[5] = "";

	if (strspn(r->at, "0123456789abcdefABCDEF") < 4)
		return 0;
	memcpy(digits, r->at, 4);
	r->at += 4;
	return strtoul(digits, NULL, 16);
}

static char *read_escape(struct reader *r, char *to)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	unsigned int c, low;
	const char *name;

	c = *r->at;
	r->at += !!c;
	name = c ? strchr(names, c) : NULL;
	if (name) {
		*to++ = values[name - names];
		return to;
	}
	if (c != 'u')
		return refuse(r, "unknown escape");
	c = read_hex4(r);
	if (c >= 0xd800 && c < 0xdc00 && r->at[0] == '\\' && r->at[1] == 'u') {
		r->at += 2;
		low = read_hex4(r);
		if (low < 0xdc00 || low > 0xdfff)
			return refuse(r, "lone surrogate");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	if (!c || (c >= 0xd800 && c < 0xe000))
		return refuse(r, "bad \\u escape");
	return put_utf8(to, c);
}

/* The opening quote has been read. What is decoded is never longer than what was written. */
static char *read_string(struct reader *r)
{
	const char *end = r->at;
	char *text, *to;

	while (*end && *end != '"')
		end += *end == '\\' && end[1] ? 2 : 1;
	text = malloc(end - r->at + 1);
	if (!text)
		return refuse(r, "out of memory");
	to = text;
	while (to && *r->at != '"') {
		if ((unsigned char)*r->at < 0x20) {
			to = refuse(r, "unterminated string");
		} else if (*r->at == '\\') {
			r->at++;
			to = read_escape(r, to);
		} else {
			*to++ = *r->at++;
		}
	}
	if (!to) {
		free(text);
		return NULL;
	}
	*to = '\0';
	r->at++;
	return text;
}

static bool read_number(struct reader *r, struct json *value)
{
	int digit;

	value->kind = JSON_INT;
	value->negative = *r->at == '-';
	r->at += value->negative;
	if (*r->at < '0' || *r->at > '9' || (r->at[0] == '0' && r->at[1] >= '0' && r->at[1] <= '9'))
		return refuse(r, "bad number");
	while (*r->at >= '0' && *r->at <= '9') {
		digit = *r->at++ - '0';
		if (__builtin_mul_overflow(value->number, 10, &value->number) ||
		    __builtin_add_overflow(value->number, digit, &value->number))
			return refuse(r, "number does not fit into 64 bits");
	}
	if (*r->at && strchr(".eE", *r->at))
		return refuse(r, "not an integer");
	return true;
}

static bool read_word(struct reader *r, struct json *value)
{
	static const struct {
		const char *text;
		enum json_kind kind;
		int number;
	} words[] = {
		{ "null", JSON_NULL, 0 },
		{ "true", JSON_BOOL, 1 },
		{ "false", JSON_BOOL, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (strncmp(r->at, words[i].text, strlen(words[i].text)))
			continue;
		r->at += strlen(words[i].text);
		value->kind = words[i].kind;
		value->number = words[i].number;
		return true;
	}
	return refuse(r, "unexpected character");
}

static struct json *read_element(struct reader *r, bool member, int depth)
{
	struct json *value;
	char *key = NULL;

	if (member) {
		if (!accept(r, '"'))
			return refuse(r, "expected a key");
		key = read_string(r);
		if (key && !accept(r, ':'))
			refuse(r, "expected ':'");
	}
	value = r->error ? NULL : read_value(r, depth);
	if (value)
		value->key = key;
	else
		free(key);
	return value;
}

static bool read_elements(struct reader *r, struct json *value, char close, int depth)
{
	struct json **tail = &value->child;

	value->kind = close == '}' ? JSON_OBJECT : JSON_ARRAY;
	if (accept(r, close))
		return true;
	do {
		*tail = read_element(r, close == '}', depth);
		if (!*tail)
			return false;
		if ((*tail)->key && json_get(value, (*tail)->key) != *tail)
			return refuse(r, "duplicate key");
		tail = &(*tail)->next;
	} while (accept(r, ','));
	return accept(r, close) || refuse(r, "expected ',' or a closing bracket");
}

static struct json *read_value(struct reader *r, int depth)
{
	struct json *value;
	bool ok;

	if (depth > MAX_DEPTH)
		return refuse(r, "too deep");
	value = calloc(1, sizeof(*value));
	if (!value)
		return refuse(r, "out of memory");
	if (accept(r, '{')) {
		ok = read_elements(r, value, '}', depth + 1);
	} else if (accept(r, '[')) {
		ok = read_elements(r, value, ']', depth + 1);
	} else if (accept(r, '"')) {
		value->kind = JSON_STRING;
		value->text = read_string(r);
		ok = value->text;
	} else if (*r->at == '-' || (*r->at >= '0' && *r->at <= '9')) {
		ok = read_number(r, value);
	} else {
		ok = read_word(r, value);
	}
	if (ok)
		return value;
	json_free(value);
	return NULL;
}

struct json *json_parse(const char *text, const char **error)
{
	struct reader r = { .at = text };
	struct json *value = read_value(&r, 0);

	skip_space(&r);
	if (value && *r.at) {
		refuse(&r, "something follows the value");
		json_free(value);
		value = NULL;
	}
	*error = r.error;
	return value;
}

void json_free(struct json *value)
{
	struct json *next;

	for (; value; value = next) {
		next = value->next;
		json_free(value->child);
		free(value->text);
		free(value->key);
		free(value);
	}
}

const struct json *json_get(const struct json *object, const char *key)
{
	const struct json *member;

	for (member = object->child; member; member = member->next)
		if (member->key && !strcmp(member->key, key))
			return member;
	return NULL;
}
