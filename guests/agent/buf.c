// SPDX-License-Identifier: GPL-2.0-only
/* A buffer that grows, and JSON written into it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

static char *reserve(struct buf *b, size_t len)
{
	size_t room = b->room ? b->room : 4096;
	char *data;

	if (b->failed)
		return NULL;
	while (room - b->len < len)
		room *= 2;
	if (room != b->room) {
		data = realloc(b->data, room);
		if (!data) {
			b->failed = true;
			return NULL;
		}
		b->data = data;
		b->room = room;
	}
	return b->data + b->len;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	char *to = reserve(b, len);

	if (!to)
		return;
	memcpy(to, data, len);
	b->len += len;
}

void buf_free(struct buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

/* A value needs a comma unless it is the first of its object or array, or follows its key. */
static void separate(struct buf *b)
{
	if (b->len && !strchr("{[:\n", b->data[b->len - 1]))
		buf_add(b, ",", 1);
}

void buf_open(struct buf *b, char bracket)
{
	separate(b);
	buf_add(b, &bracket, 1);
}

void buf_close(struct buf *b, char bracket)
{
	buf_add(b, &bracket, 1);
}

void buf_key(struct buf *b, const char *key)
{
	buf_string(b, key);
	buf_add(b, ":", 1);
}

void buf_u64(struct buf *b, u64 value)
{
	char text[24];

	separate(b);
	buf_add(b, text, snprintf(text, sizeof(text), "%llu", value));
}

void buf_s64(struct buf *b, s64 value)
{
	char text[24];

	separate(b);
	buf_add(b, text, snprintf(text, sizeof(text), "%lld", value));
}

void buf_bool(struct buf *b, bool value)
{
	separate(b);
	buf_add(b, value ? "true" : "false", value ? 4 : 5);
}

void buf_null(struct buf *b)
{
	separate(b);
	buf_add(b, "null", 4);
}

/* Length of the UTF-8 character at p, 0 if it is not one. */
static size_t utf8_len(const unsigned char *p, size_t left)
{
	size_t len, i;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (left < len)
		return 0;
	for (i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

/*
 * Bytes that are not UTF-8 (the kernel log may hold any) become the code point of the same
 * number.
 */
void buf_text(struct buf *b, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t i = 0, step;
	char escape[8];

	separate(b);
	buf_add(b, "\"", 1);
	while (i < len) {
		step = utf8_len(p + i, len - i);
		if (!step || p[i] < 0x20 || p[i] == 0x7f) {
			buf_add(b, escape, snprintf(escape, sizeof(escape), "\\u%04x", p[i]));
			step = 1;
		} else {
			if (p[i] == '"' || p[i] == '\\')
				buf_add(b, "\\", 1);
			buf_add(b, p + i, step);
		}
		i += step;
	}
	buf_add(b, "\"", 1);
}

void buf_string(struct buf *b, const char *text)
{
	buf_text(b, text, strlen(text));
}

void buf_hex(struct buf *b, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;
	char *to;
	size_t i;

	separate(b);
	to = reserve(b, 2 * len + 2);
	if (!to)
		return;
	*to++ = '"';
	for (i = 0; i < len; i++) {
		*to++ = digits[p[i] >> 4];
		*to++ = digits[p[i] & 15];
	}
	*to = '"';
	b->len += 2 * len + 2;
}

void buf_member_u64(struct buf *b, const char *key, u64 value)
{
	buf_key(b, key);
	buf_u64(b, value);
}

void buf_member_string(struct buf *b, const char *key, const char *text)
{
	buf_key(b, key);
	buf_string(b, text);
}
