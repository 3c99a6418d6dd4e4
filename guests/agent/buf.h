/* SPDX-License-Identifier: GPL-2.0-only */
/* A buffer that grows, and JSON written into it. */
#ifndef AGENT_BUF_H
#define AGENT_BUF_H

#include "types.h"

struct buf {
	char *data;
	size_t len;
	size_t room;
	bool failed;	/* memory ran out: what is in the buffer is not whole */
};

void buf_add(struct buf *b, const void *data, size_t len);
void buf_free(struct buf *b);

/* JSON values. Each puts the comma that it needs in front of itself. */
void buf_open(struct buf *b, char bracket);
void buf_close(struct buf *b, char bracket);
void buf_key(struct buf *b, const char *key);
void buf_u64(struct buf *b, u64 value);
void buf_s64(struct buf *b, s64 value);
void buf_bool(struct buf *b, bool value);
void buf_null(struct buf *b);
void buf_text(struct buf *b, const char *text, size_t len);
void buf_string(struct buf *b, const char *text);
void buf_hex(struct buf *b, const void *data, size_t len);

/* Members of an object. */
void buf_member_u64(struct buf *b, const char *key, u64 value);
void buf_member_string(struct buf *b, const char *key, const char *text);

#endif
