/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a file has data, found out without changing that. */
#ifndef AGENT_HOLES_H
#define AGENT_HOLES_H

#include "types.h"

/*
 * Is it a guest_memfd? That has neither read() nor lseek(), and to look at a hole through a mapping
 * fills it.
 */
bool is_guest_memfd(int fd);
/*
 * The next extent at or after *offset: 1, or 0 when there is none, or -1 with errno. May move the
 * file's position.
 */
int next_extent(int fd, u64 *offset, u64 *length);

#endif
