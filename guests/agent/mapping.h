/* SPDX-License-Identifier: GPL-2.0-only */
/* A range of a file through mmap(), window by window, safe against files that shrink meanwhile. */
#ifndef AGENT_MAPPING_H
#define AGENT_MAPPING_H

#include "request.h"

struct mapping {
	int fd;
	int prot;			/* PROT_READ, or with PROT_WRITE */
	u64 offset;
	u64 length;
	/*
	 * Called for each piece of the range, in order; non-zero ends the walk. Must not leave by
	 * longjmp.
	 */
	int (*piece)(void *context, void *data, u64 offset, size_t length);
	void *context;
};

int mapping_walk(struct request *rq, const struct mapping *m);

/* SIGBUS within mapping_walk() becomes EFAULT; call once. */
void mapping_init(void);

/*
 * The arguments offset and length (default: the whole file) as a range within the file, and the
 * file's size. 0, or -1 after failing the request.
 */
int arg_range(struct request *rq, int fd, u64 *offset, u64 *length, u64 *size);

#endif
