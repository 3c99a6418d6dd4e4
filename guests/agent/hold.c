// SPDX-License-Identifier: GPL-2.0-only
/* Mappings that stay, with nothing else to keep the file open; and what only a mapping can do. */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fds.h"
#include "mapping.h"
#include "ops.h"

/* One is enough to be in the way. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *base;
static size_t size;

static const struct {
	const char *name;
	int prot, flags;
	int later;	/* what mprotect() is asked for then */
} ways[] = {
	{ "read", PROT_READ, MAP_SHARED, 0 },
	{ "write", PROT_READ | PROT_WRITE, MAP_SHARED, 0 },
	{ "write later", PROT_READ, MAP_SHARED, PROT_READ | PROT_WRITE },
	{ "execute", PROT_READ | PROT_EXEC, MAP_SHARED, 0 },
	{ "private", PROT_READ | PROT_WRITE, MAP_PRIVATE, 0 },
};

/* What each way to map the file comes to. Nothing is touched, so that holes stay holes. */
int op_mappings(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd"), error;
	struct stat st;
	char *page;
	size_t i;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st))
		return fail(rq, "fstat");
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		/* A block: of hugetlb less cannot be had. */
		page = mmap(NULL, st.st_blksize, ways[i].prot, ways[i].flags, fd, 0);
		error = page == MAP_FAILED ? errno : 0;
		if (!error && ways[i].later && mprotect(page, st.st_blksize, ways[i].later))
			error = errno;
		if (page != MAP_FAILED)
			munmap(page, st.st_blksize);
		buf_member_string(rq->out, ways[i].name, error ? errno_name(error) : "ok");
	}
	return 0;
}

int op_mmap(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd"), ret = 0;
	struct stat st;
	void *new;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st))
		return fail(rq, "fstat");

	pthread_mutex_lock(&lock);
	if (base) {
		ret = refuse(rq, "there is a mapping already");
	} else {
		new = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
		if (new == MAP_FAILED) {
			ret = fail(rq, "mmap");
		} else {
			base = new;
			size = st.st_size;
		}
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

int op_munmap(struct request *rq)
{
	int ret;

	pthread_mutex_lock(&lock);
	ret = base ? munmap(base, size) : 0;
	base = NULL;
	pthread_mutex_unlock(&lock);
	return ret ? fail(rq, "munmap") : 0;
}

static int pageout_piece(void *context, void *data, u64 offset, size_t length)
{
	(void)context;
	(void)offset;
	return madvise(data, length, MADV_PAGEOUT);
}

static int poison_piece(void *context, void *data, u64 offset, size_t length)
{
	*(bool *)context = true;
	(void)offset;
	return madvise(data, length, MADV_HWPOISON);
}

/* To swap with it, as far as the kernel likes to. */
int op_pageout(struct request *rq)
{
	struct mapping m = { .prot = PROT_READ, .piece = pageout_piece };
	u64 size;

	m.fd = fds_find(rq, &held, "fd");
	if (m.fd < 0 || arg_range(rq, m.fd, &m.offset, &m.length, &size))
		return -1;
	return mapping_walk(rq, &m);
}

/*
 * A page, as if its memory were broken, for good. Where the kernel cannot repair that, as with
 * guest_memfd, it sends a SIGBUS: the memory is in use. CONFIG_MEMORY_FAILURE.
 */
int op_poison(struct request *rq)
{
	bool tried = false;
	/* To be written: so that there is a page, also where a hole was. */
	struct mapping m = {
		.prot = PROT_READ | PROT_WRITE,
		.piece = poison_piece,
		.context = &tried,
	};
	u64 size;

	m.fd = fds_find(rq, &held, "fd");
	if (m.fd < 0 || arg_range(rq, m.fd, &m.offset, &m.length, &size))
		return -1;
	if (!m.length)
		return refuse(rq, "there is no page at %llu, in %llu bytes", m.offset, size);
	m.length = SZ_4K;
	if (mapping_walk(rq, &m) && !(tried && rq->error == EFAULT))
		return -1;
	rq->error = 0;
	rq->call = NULL;
	return 0;
}
