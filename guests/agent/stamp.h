/* SPDX-License-Identifier: GPL-2.0-only */
/* memfds that say themselves what must be in them, so that whoever gets one can check it. */
#ifndef AGENT_STAMP_H
#define AGENT_STAMP_H

#include "types.h"

#define STAMP_NAMES 8U		/* under so many names they are put into a box */
#define STAMP_LOOSE BIT_ULL(63)	/* of an id: may be under any of these names */

/* A new memfd of 1 to 4 pages, or -1 with errno. */
int stamp_create(u64 id);
/* The name under which the memfd of that id is put. */
unsigned int stamp_name(u64 id);
/* Why the memfd, which was found under that name, is not as it was made; NULL: it is. */
const char *stamp_check(int fd, unsigned int name);

#endif
