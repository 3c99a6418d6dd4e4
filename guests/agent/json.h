/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests are small JSON objects: a strict reader for them. */
#ifndef AGENT_JSON_H
#define AGENT_JSON_H

#include "types.h"

enum json_kind { JSON_NULL, JSON_BOOL, JSON_INT, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_kind kind;
	bool negative;		/* of an integer */
	u64 number;	/* of an integer or boolean: its absolute value */
	char *text;		/* of a string: NUL-terminated, and no NUL inside */
	char *key;		/* of a member of an object */
	struct json *child;	/* of an array or object: its first element */
	struct json *next;	/* the next element of the same array or object */
};

/*
 * The value that text (NUL-terminated) is, or NULL, and then *error says why. Free it with
 * json_free().
 */
struct json *json_parse(const char *text, const char **error);
void json_free(struct json *value);
const struct json *json_get(const struct json *object, const char *key);

#endif
