// SPDX-License-Identifier: GPL-2.0-only
/* memfds that say themselves what must be in them. */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stamp.h"

#define WORDS (SZ_4K / sizeof(u64))

/* Page by page: the id, the page's index, and what follows from both. */
static void make_page(u64 page[WORDS], u64 id, u64 index)
{
	u64 value = id ^ (index + 1) * 0x9E3779B97F4A7C15;
	size_t i;

	page[0] = id;
	page[1] = index;
	for (i = 2; i < WORDS; i++)
		page[i] = value += 0xD1B54A32D192ED03;
}

static size_t pages_of(u64 id)
{
	return 1 + (id >> 8) % 4;
}

unsigned int stamp_name(u64 id)
{
	return id % STAMP_NAMES;
}

int stamp_create(u64 id)
{
	int fd = memfd_create("stamp", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	u64 page[WORDS];
	size_t index;

	for (index = 0; fd >= 0 && index < pages_of(id); index++) {
		make_page(page, id, index);
		if (pwrite(fd, page, SZ_4K, index * SZ_4K) != (ssize_t)SZ_4K) {
			close(fd);
			fd = -1;
		}
	}
	return fd;
}

const char *stamp_check(int fd, unsigned int name)
{
	u64 page[WORDS], expected[WORDS], id;
	struct stat st;
	size_t index;

	if (pread(fd, &id, sizeof(id), 0) != sizeof(id) || fstat(fd, &st))
		return "cannot be read";
	if (st.st_size != (off_t)(pages_of(id) * SZ_4K))
		return "has another size";
	if (!(id & STAMP_LOOSE) && stamp_name(id) != name)
		return "was put under another name";
	for (index = 0; index < pages_of(id); index++) {
		make_page(expected, id, index);
		if (pread(fd, page, SZ_4K, index * SZ_4K) != (ssize_t)SZ_4K)
			return "cannot be read";
		if (memcmp(page, expected, SZ_4K))
			return "has other contents";
	}
	return NULL;
}
