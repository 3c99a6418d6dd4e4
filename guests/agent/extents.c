// SPDX-License-Identifier: GPL-2.0-only
/* Where a file has data, and in which page frames. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fds.h"
#include "holes.h"
#include "mapping.h"
#include "ops.h"

#define BATCH 4096UL			/* entries of pagemap read at once: 16 MiB */
#define PAGEMAP_PRESENT BIT_ULL(63)
#define PAGEMAP_PFN (BIT_ULL(55) - 1)

typedef int extent_fn(struct request *rq, int fd, u64 offset, u64 length, void *context);

/* Call extent for each; the file's position, if it has one, is put back afterwards. */
static int for_extents(struct request *rq, int fd, extent_fn *extent, void *context)
{
	off_t pos = lseek(fd, 0, SEEK_CUR);
	u64 offset = 0, length;
	int ret = 0, more;

	do {
		more = next_extent(fd, &offset, &length);
		if (more < 0)
			ret = fail(rq, "SEEK_DATA or mincore");
		else if (more)
			ret = extent(rq, fd, offset, length, context);
		offset += length;
	} while (more > 0 && !ret);
	if (pos >= 0 && lseek(fd, pos, SEEK_SET) < 0 && !ret)
		ret = fail(rq, "lseek");
	return ret;
}

static int put_extent(struct request *rq, int fd, u64 offset, u64 length, void *context)
{
	(void)fd;
	(void)context;
	buf_open(rq->out, '[');
	buf_u64(rq->out, offset);
	buf_u64(rq->out, length);
	buf_close(rq->out, ']');
	return 0;
}

int op_extents(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd"), ret;

	if (fd < 0)
		return -1;
	buf_key(rq->out, "data");
	buf_open(rq->out, '[');
	ret = for_extents(rq, fd, put_extent, NULL);
	buf_close(rq->out, ']');
	return ret;
}

struct pages {
	struct request *rq;
	int pagemap;
	u64 *entries;
	u64 index, pfn, count;	/* the run that is being collected */
};

static void put_run(struct pages *p)
{
	struct buf *out = p->rq->out;

	if (p->count) {
		buf_open(out, '[');
		buf_u64(out, p->index);
		buf_u64(out, p->pfn);
		buf_u64(out, p->count);
		buf_close(out, ']');
	}
	p->count = 0;
}

static int add_page(struct pages *p, u64 index, u64 entry)
{
	u64 pfn = entry & PAGEMAP_PFN;

	/* Without CAP_SYS_ADMIN the kernel shows every frame as 0. */
	if (!(entry & PAGEMAP_PRESENT) || !pfn) {
		errno = ENXIO;
		return -1;
	}
	if (p->count && index == p->index + p->count && pfn == p->pfn + p->count) {
		p->count++;
		return 0;
	}
	put_run(p);
	p->index = index;
	p->pfn = pfn;
	p->count = 1;
	return 0;
}

static int pages_piece(void *context, void *data, u64 offset, size_t length)
{
	u64 left = (offset % SZ_4K + length + SZ_4K - 1) / SZ_4K, index = offset / SZ_4K, i;
	off_t at = (unsigned long)data / SZ_4K * 8;
	struct pages *p = context;
	ssize_t got;

	while (left) {
		got = pread(p->pagemap, p->entries, (left < BATCH ? left : BATCH) * 8, at);
		if (!got)
			errno = ENODATA;
		if (got <= 0)
			return -1;
		for (i = 0; i < (u64)got / 8; i++)
			if (add_page(p, index + i, p->entries[i]))
				return -1;
		left -= got / 8;
		index += got / 8;
		at += got;
	}
	return 0;
}

static int put_pages(struct request *rq, int fd, u64 offset, u64 length, void *context)
{
	struct mapping m = {
		.fd = fd, .prot = PROT_READ, .offset = offset, .length = length,
		.piece = pages_piece, .context = context,
	};

	return mapping_walk(rq, &m);
}

int op_pages(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd"), ret;
	struct pages p = { .rq = rq };

	if (fd < 0)
		return -1;
	p.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (p.pagemap < 0)
		return fail(rq, "open of /proc/self/pagemap");
	p.entries = malloc(BATCH * 8);
	buf_key(rq->out, "runs");
	buf_open(rq->out, '[');
	ret = p.entries ? for_extents(rq, fd, put_pages, &p) : fail(rq, "malloc");
	put_run(&p);
	buf_close(rq->out, ']');
	free(p.entries);
	close(p.pagemap);
	return ret;
}
