// SPDX-License-Identifier: GPL-2.0-only
/* From a line to its reply: parse, check the arguments against the table, run, wrap the result. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "request.h"

int fail(struct request *rq, const char *call)
{
	/* What did less than it was asked to do sets no errno, and is no success. */
	rq->error = errno ?: EIO;
	rq->call = call;
	snprintf(rq->text, sizeof(rq->text), "%s: %s", call, strerror(rq->error));
	return -1;
}

int refuse(struct request *rq, const char *format, ...)
{
	va_list args;

	rq->error = EPROTO;
	rq->call = NULL;
	va_start(args, format);
	vsnprintf(rq->text, sizeof(rq->text), format, args);
	va_end(args);
	return -1;
}

int broken(struct request *rq, const char *format, ...)
{
	va_list args;

	rq->error = EUCLEAN;
	rq->call = "the kernel";
	va_start(args, format);
	vsnprintf(rq->text, sizeof(rq->text), format, args);
	va_end(args);
	return -1;
}

int arg_string(struct request *rq, const char *name, const char **value)
{
	const struct json *arg = json_get(rq->args, name);

	if (!arg)
		return 0;
	if (arg->kind != JSON_STRING)
		return refuse(rq, "'%s' is not a string", name);
	*value = arg->text;
	return 0;
}

int arg_u64(struct request *rq, const char *name, u64 *value)
{
	const struct json *arg = json_get(rq->args, name);

	if (!arg)
		return 0;
	if (arg->kind != JSON_INT || arg->negative)
		return refuse(rq, "'%s' is not an unsigned integer", name);
	*value = arg->number;
	return 0;
}

int arg_int(struct request *rq, const char *name, int *value)
{
	const struct json *arg = json_get(rq->args, name);

	if (!arg)
		return 0;
	/* uid_t and gid_t come through here too: the upper half of 32 bits is theirs. */
	if (arg->kind != JSON_INT || arg->number > (arg->negative ? INT_MAX : UINT_MAX))
		return refuse(rq, "'%s' is not an integer of 32 bits", name);
	*value = arg->negative ? -(int)arg->number : (int)(unsigned int)arg->number;
	return 0;
}

int arg_bool(struct request *rq, const char *name, bool *value)
{
	const struct json *arg = json_get(rq->args, name);

	if (!arg)
		return 0;
	if (arg->kind != JSON_BOOL)
		return refuse(rq, "'%s' is neither true nor false", name);
	*value = arg->number;
	return 0;
}

int arg_flags(struct request *rq, const char *name, const struct flag *known, u64 *flags)
{
	const struct json *list = json_get(rq->args, name), *word;
	const struct flag *flag;

	if (!list)
		return 0;
	if (list->kind != JSON_ARRAY)
		return refuse(rq, "'%s' is not an array", name);
	*flags = 0;
	for (word = list->child; word; word = word->next) {
		if (word->kind != JSON_STRING)
			return refuse(rq, "'%s' holds something that is not a string", name);
		for (flag = known; flag->name && strcmp(word->text, flag->name); flag++)
			;
		if (!flag->name)
			return refuse(rq, "'%s': unknown flag '%.64s'", name, word->text);
		*flags |= flag->bit;
	}
	return 0;
}

int arg_hex(struct request *rq, const char *name, unsigned char **data, size_t *length)
{
	static const char digits[] = "0123456789abcdef";
	const char *hex = "";
	size_t i;

	if (arg_string(rq, name, &hex))
		return -1;
	*length = strlen(hex) / 2;
	if (strlen(hex) % 2 || strspn(hex, digits) != 2 * *length)
		return refuse(rq, "'%s' is not an even number of lower-case hex digits", name);
	*data = malloc(*length + 1);
	if (!*data)
		return fail(rq, "malloc");
	for (i = 0; i < *length; i++)
		(*data)[i] = (strchr(digits, hex[2 * i]) - digits) << 4 |
			     (strchr(digits, hex[2 * i + 1]) - digits);
	return 0;
}

/* Is name one of the words of list, marked optional or not? */
static bool listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (; *list; list += strspn(list, " ")) {
		if (!strncmp(list, name, len) && strchr(" ?", list[len]))
			return true;
		list += strcspn(list, " ");
	}
	return false;
}

static int check_args(struct request *rq, const struct op *op)
{
	const struct json *arg;
	const char *word;
	char name[32];
	size_t len;

	for (arg = rq->args->child; arg; arg = arg->next)
		if (!listed("id op", arg->key) && !listed(op->args, arg->key))
			return refuse(rq, "%s: unknown argument '%.64s'", op->name, arg->key);
	for (word = op->args; *word; word += strspn(word, " ")) {
		len = strcspn(word, " ");
		snprintf(name, sizeof(name), "%.*s", (int)len, word);
		word += len;
		if (name[len - 1] != '?' && !json_get(rq->args, name))
			return refuse(rq, "%s: missing argument '%s'", op->name, name);
	}
	return 0;
}

static int dispatch(struct request *rq)
{
	const char *name = NULL;
	const struct op *op;

	if (arg_string(rq, "op", &name))
		return -1;
	if (!name)
		return refuse(rq, "missing 'op'");
	for (op = ops; op->name; op++)
		if (!strcmp(op->name, name))
			return check_args(rq, op) ?: op->run(rq);
	return refuse(rq, "unknown op '%.64s'", name);
}

static void put_id(const struct json *id, struct buf *reply)
{
	buf_key(reply, "id");
	if (id && id->kind == JSON_STRING)
		buf_string(reply, id->text);
	else if (id && id->kind == JSON_INT && !id->negative)
		buf_u64(reply, id->number);
	else
		buf_null(reply);
}

static void put_error(const struct request *rq, struct buf *reply)
{
	buf_key(reply, "error");
	buf_open(reply, '{');
	buf_member_string(reply, "errno", errno_name(rq->error));
	buf_key(reply, "call");
	if (rq->call)
		buf_string(reply, rq->call);
	else
		buf_null(reply);
	buf_member_string(reply, "text", rq->text);
	buf_close(reply, '}');
}

static u64 nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* The end of every reply: when it was made, on this boot's clock, and how long it took. */
static void put_end(struct buf *reply, u64 start)
{
	u64 now = nanoseconds();

	buf_member_u64(reply, "t", now);
	buf_member_u64(reply, "ns", now - start);
	buf_close(reply, '}');
	buf_add(reply, "\n", 1);
}

static void put_reply(struct request *rq, struct buf *reply)
{
	u64 began = nanoseconds();
	size_t start;

	buf_add(reply, "{", 1);
	put_id(rq->args ? json_get(rq->args, "id") : NULL, reply);
	start = reply->len;
	if (!rq->error) {
		buf_key(reply, "ok");
		buf_open(reply, '{');
		errno = 0;
		dispatch(rq);
		buf_close(reply, '}');
	}
	if (reply->failed) {
		buf_free(reply);
		buf_add(reply, "{", 1);
		put_id(json_get(rq->args, "id"), reply);
		start = reply->len;
		errno = ENOMEM;
		fail(rq, "malloc");
	}
	if (rq->error) {
		reply->len = start;
		put_error(rq, reply);
	}
	put_end(reply, began);
}

void request_handle(const char *line, struct buf *reply)
{
	struct request rq = { .out = reply };
	const char *error = NULL;
	struct json *args = json_parse(line, &error);

	if (!args)
		refuse(&rq, "bad JSON: %s", error);
	else if (args->kind != JSON_OBJECT)
		refuse(&rq, "a request is a JSON object");
	else
		rq.args = args;
	put_reply(&rq, reply);
	json_free(args);
}

void request_refuse(const char *why, struct buf *reply)
{
	struct request rq = { .out = reply };

	refuse(&rq, "%s", why);
	put_reply(&rq, reply);
}
