// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pattern: one splitmix64 stream per seed, and every page a window into it that depends on
 * the page's index, behind the index and the seed in clear. So a page in the wrong place, or of
 * another fd, is recognised by itself, and a page costs one memcpy. The machine is little-endian.
 */
#include <string.h>

#include "pattern.h"

static u32 crc_table[8][256];

void pattern_init(struct pattern *p, u64 seed)
{
	u64 state = seed, z;
	size_t i;

	p->seed = seed;
	for (i = 0; i < PATTERN_WORDS; i++) {
		state += 0x9E3779B97F4A7C15;
		z = state;
		z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
		z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
		p->stream[i] = z ^ (z >> 31);
	}
}

static void fill_page(const struct pattern *p, unsigned char *to, u64 index)
{
	size_t start = ((u32)index * 2654435761u) & 0xfff8;

	memcpy(to, &index, 8);
	memcpy(to + 8, &p->seed, 8);
	memcpy(to + 16, (const unsigned char *)p->stream + start + 16, PATTERN_PAGE - 16);
}

void pattern_copy(const struct pattern *p, void *to, u64 offset, size_t len)
{
	unsigned char page[PATTERN_PAGE];
	size_t skip, step;

	for (; len; to = (char *)to + step, offset += step, len -= step) {
		skip = offset % PATTERN_PAGE;
		step = len < PATTERN_PAGE - skip ? len : PATTERN_PAGE - skip;
		if (step == PATTERN_PAGE) {
			fill_page(p, to, offset / PATTERN_PAGE);
		} else {
			fill_page(p, page, offset / PATTERN_PAGE);
			memcpy(to, page + skip, step);
		}
	}
}

void crc32_init(void)
{
	u32 crc;
	int i, j;

	for (i = 0; i < 256; i++) {
		crc = i;
		for (j = 0; j < 8; j++)
			crc = crc & 1 ? crc >> 1 ^ 0xEDB88320 : crc >> 1;
		crc_table[0][i] = crc;
	}
	for (i = 0; i < 256; i++) {
		for (j = 1; j < 8; j++) {
			crc = crc_table[j - 1][i];
			crc_table[j][i] = crc >> 8 ^ crc_table[0][crc & 255];
		}
	}
}

/* Eight bytes a step ("slicing by 8"). */
u32 crc32_update(u32 crc, const void *data, size_t len)
{
	const unsigned char *p = data;
	u64 word;

	crc = ~crc;
	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		word ^= crc;
		crc = crc_table[7][word & 255] ^ crc_table[6][word >> 8 & 255] ^
		      crc_table[5][word >> 16 & 255] ^ crc_table[4][word >> 24 & 255] ^
		      crc_table[3][word >> 32 & 255] ^ crc_table[2][word >> 40 & 255] ^
		      crc_table[1][word >> 48 & 255] ^ crc_table[0][word >> 56];
	}
	for (; len; p++, len--)
		crc = crc >> 8 ^ crc_table[0][(crc ^ *p) & 255];
	return ~crc;
}
