// SPDX-License-Identifier: GPL-2.0-only
/* Where a file has data, found out without changing that. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "holes.h"
#include "gmem.h"

#define WINDOW (4 * SZ_1M)

bool is_guest_memfd(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == GUEST_MEMFD_MAGIC;
}

static int seek_extent(int fd, u64 *offset, u64 *length)
{
	off_t data, hole;

	data = lseek(fd, *offset, SEEK_DATA);
	if (data < 0)
		return errno == ENXIO ? 0 : -1;
	hole = lseek(fd, data, SEEK_HOLE);
	if (hole < 0)
		return -1;
	*offset = data;
	*length = hole - data;
	return 1;
}

/* For each page of a window: is it there? */
static int look(int fd, u64 offset, size_t length, unsigned char *present)
{
	void *base = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, offset);
	int ret;

	if (base == MAP_FAILED)
		return -1;
	ret = mincore(base, length, present);
	munmap(base, length);
	return ret;
}

/* Move *offset on to the first page that is there, or is not; at most to end. */
static int skip(int fd, u64 *offset, u64 end, bool until)
{
	unsigned char present[WINDOW / SZ_4K];
	size_t length, i;

	for (; *offset < end; *offset += length) {
		length = end - *offset < WINDOW ? end - *offset : WINDOW;
		if (look(fd, *offset, length, present))
			return -1;
		for (i = 0; i < length / SZ_4K; i++) {
			if ((present[i] & 1) != until)
				continue;
			*offset += i * SZ_4K;
			return 0;
		}
	}
	return 0;
}

/* The size of a guest_memfd is a multiple of the page size. */
static int resident_extent(int fd, u64 *offset, u64 *length)
{
	u64 start = *offset & -SZ_4K, end;
	struct stat st;

	if (fstat(fd, &st) || skip(fd, &start, st.st_size, true))
		return -1;
	if (start >= (u64)st.st_size)
		return 0;
	end = start;
	if (skip(fd, &end, st.st_size, false))
		return -1;
	*offset = start > *offset ? start : *offset;
	*length = end - *offset;
	return 1;
}

int next_extent(int fd, u64 *offset, u64 *length)
{
	return is_guest_memfd(fd) ? resident_extent(fd, offset, length) :
				    seek_extent(fd, offset, length);
}
