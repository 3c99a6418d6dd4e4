// SPDX-License-Identifier: GPL-2.0-only
/* A range of a file through mmap(), window by window, safe against files that shrink meanwhile. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "holes.h"
#include "mapping.h"

/* A multiple of every huge page size but 1 GiB, so that windows suit hugetlb files too. */
#define WINDOW SZ_16M

/* Linux 5.14; the C library's header is older. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

static __thread sigjmp_buf bus_jump;
static __thread bool bus_armed;

static void on_bus(int signal)
{
	if (bus_armed)
		siglongjmp(bus_jump, 1);
	/* Not ours: the default action, when the instruction is run again. */
	sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
}

void mapping_init(void)
{
	sigaction(SIGBUS, &(struct sigaction){ .sa_handler = on_bus }, NULL);
}

static int call_piece(const struct mapping *m, char *data, u64 offset, size_t length)
{
	int ret = -1;

	if (sigsetjmp(bus_jump, 1)) {
		errno = EFAULT;
	} else {
		bus_armed = true;
		/* The compiler must not move it past the accesses that it guards. */
		atomic_signal_fence(memory_order_seq_cst);
		ret = m->piece(m->context, data, offset, length);
	}
	bus_armed = false;
	return ret;
}

/*
 * One window from start; the piece within it. hugetlb wants whole blocks, so the mapping is of
 * whole blocks.
 */
static int walk_window(struct request *rq, const struct mapping *m, u64 offset, size_t length,
		       size_t block)
{
	int advice = m->prot & PROT_WRITE ? MADV_POPULATE_WRITE : MADV_POPULATE_READ;
	u64 start = offset & -WINDOW, first = offset & -4096UL;
	size_t size = (offset + length - start + block - 1) / block * block;
	char *base;
	int ret = 0;

	base = mmap(NULL, size, m->prot, MAP_SHARED, m->fd, start);
	if (base == MAP_FAILED)
		return fail(rq, "mmap");
	/*
	 * One call instead of a fault for every page. Pages that cannot be had give an errno
	 * instead of SIGBUS.
	 */
	if (madvise(base + (first - start), offset + length - first, advice) && errno != EINVAL)
		ret = fail(rq, "MADV_POPULATE");
	else if (call_piece(m, base + (offset - start), offset, length))
		ret = fail(rq, "access to the mapping");
	munmap(base, size);
	return ret;
}

static int walk_windows(struct request *rq, const struct mapping *m, u64 offset, u64 end,
			size_t block)
{
	u64 step;

	for (; offset < end; offset += step) {
		step = WINDOW - offset % WINDOW;
		if (step > end - offset)
			step = end - offset;
		if (walk_window(rq, m, offset, step, block))
			return -1;
	}
	return 0;
}

static int walk_hole(struct request *rq, const struct mapping *m, u64 offset, u64 end)
{
	char zeroes[SZ_4K] = {};
	u64 step;

	for (; offset < end; offset += step) {
		step = end - offset < SZ_4K ? end - offset : SZ_4K;
		if (call_piece(m, zeroes, offset, step))
			return fail(rq, "access to a hole");
	}
	return 0;
}

/* To touch a hole would fill it: what is in one is known anyway. */
static int walk_sparse(struct request *rq, const struct mapping *m, u64 end, size_t block)
{
	u64 offset = m->offset, start, length;
	int more;

	while (offset < end) {
		start = offset;
		length = 0;
		more = next_extent(m->fd, &start, &length);
		if (more < 0)
			return fail(rq, "mincore");
		if (!more || start > end)
			start = end;
		if (length > end - start)
			length = end - start;
		if (walk_hole(rq, m, offset, start) ||
		    walk_windows(rq, m, start, start + length, block))
			return -1;
		offset = start + length;
	}
	return 0;
}

int mapping_walk(struct request *rq, const struct mapping *m)
{
	u64 end = m->offset + m->length;
	struct stat st;

	if (fstat(m->fd, &st))
		return fail(rq, "fstat");
	if (!(m->prot & PROT_WRITE) && is_guest_memfd(m->fd))
		return walk_sparse(rq, m, end, st.st_blksize);
	return walk_windows(rq, m, m->offset, end, st.st_blksize);
}

int arg_range(struct request *rq, int fd, u64 *offset, u64 *length, u64 *size)
{
	struct stat st;

	*offset = 0;
	if (fstat(fd, &st))
		return fail(rq, "fstat");
	*size = st.st_size;
	if (arg_u64(rq, "offset", offset))
		return -1;
	*length = *offset < *size ? *size - *offset : 0;
	if (arg_u64(rq, "length", length))
		return -1;
	if (*offset > *size || *length > *size - *offset)
		return refuse(rq, "the range leaves the file, which has %llu bytes", *size);
	return 0;
}
