// SPDX-License-Identifier: GPL-2.0-only
/* Mappings that stay, with nothing else to keep the file open. */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fds.h"
#include "ops.h"

/* One is enough to be in the way. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *base;
static size_t size;

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
