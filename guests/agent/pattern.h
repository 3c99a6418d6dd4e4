/* SPDX-License-Identifier: GPL-2.0-only */
/* Contents that the host can recompute from a seed (harness/pattern.py), and their checksum. */
#ifndef AGENT_PATTERN_H
#define AGENT_PATTERN_H

#include "types.h"

#define PATTERN_PAGE 4096
#define PATTERN_WORDS 8704	/* the stream: 64 KiB to start in, one page more to run into */

struct pattern {
	u64 seed;
	u64 stream[PATTERN_WORDS];
};

void pattern_init(struct pattern *p, u64 seed);
/* The bytes of the file from offset to offset + len. */
void pattern_copy(const struct pattern *p, void *to, u64 offset, size_t len);

/* zlib's CRC-32 of data, continued from crc (0 at the start). */
void crc32_init(void);
u32 crc32_update(u32 crc, const void *data, size_t len);

#endif
