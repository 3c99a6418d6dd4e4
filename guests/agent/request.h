/* SPDX-License-Identifier: GPL-2.0-only */
/* One request on its way through an operation: arguments, result, failure. */
#ifndef AGENT_REQUEST_H
#define AGENT_REQUEST_H

#include "buf.h"
#include "json.h"

struct request {
	const struct json *args;	/* the whole request object */
	struct buf *out;		/* an object is open in it: members of the result go here */
	int error;			/* errno of the call that failed */
	const char *call;		/* that call, NULL when the agent itself refused */
	char text[256];
};

/*
 * An operation adds members to out and returns 0, or returns what one of the fail functions
 * returned. What it has added by then is dropped.
 */
typedef int op_fn(struct request *rq);

struct op {
	const char *name;
	op_fn *run;
	const char *args;	/* names, separated by spaces; "?" after one that may be absent */
};

extern const struct op ops[];

struct flag {
	const char *name;
	u64 bit;
};

/* A system call failed with errno. */
int fail(struct request *rq, const char *call);
/* The agent refuses: EPROTO and a text. */
__printf(2, 3)
int refuse(struct request *rq, const char *format, ...);
/* The kernel did something that it must not do: EUCLEAN and a text. */
__printf(2, 3)
int broken(struct request *rq, const char *format, ...);

/*
 * Arguments. Each returns 0, or -1 after it has failed the request; an absent one leaves *value
 * as it is.
 */
int arg_string(struct request *rq, const char *name, const char **value);
int arg_u64(struct request *rq, const char *name, u64 *value);
/* An int of a system call; negative ones are allowed. */
int arg_int(struct request *rq, const char *name, int *value);
int arg_bool(struct request *rq, const char *name, bool *value);
/* Bytes, in hex; must be there. The caller frees *data. */
int arg_hex(struct request *rq, const char *name, unsigned char **data, size_t *length);
/* An array of names of known flags, which ends with one without a name. */
int arg_flags(struct request *rq, const char *name, const struct flag *known, u64 *flags);

/* Handle one line and append the reply, newline included. */
void request_handle(const char *line, struct buf *reply);
/* Append the reply to a line that cannot be handled. */
void request_refuse(const char *why, struct buf *reply);

const char *errno_name(int error);

#endif
