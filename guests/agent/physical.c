// SPDX-License-Identifier: GPL-2.0-only
/* Physical memory, for tests that damage on purpose what one kernel hands to the next. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "ops.h"

#define MEMORY "/dev/mem"
#define PEEK_MAX SZ_64K

static int open_memory(struct request *rq, int flags)
{
	int fd = open(MEMORY, flags | O_CLOEXEC);

	return fd < 0 ? fail(rq, "open of " MEMORY) : fd;
}

int op_peek(struct request *rq)
{
	u64 phys = 0, length = 0;
	ssize_t got;
	char *data;
	int fd;

	if (arg_u64(rq, "phys", &phys) || arg_u64(rq, "length", &length))
		return -1;
	if (length > PEEK_MAX)
		return refuse(rq, "'length' is at most %lu", PEEK_MAX);
	fd = open_memory(rq, O_RDONLY);
	if (fd < 0)
		return -1;
	data = malloc(length + 1);
	got = data ? pread(fd, data, length, phys) : -1;
	if (got >= 0) {
		buf_key(rq->out, "hex");
		buf_hex(rq->out, data, got);
	} else {
		fail(rq, "pread of " MEMORY);
	}
	free(data);
	close(fd);
	return rq->error ? -1 : 0;
}

int op_poke(struct request *rq)
{
	unsigned char *data;
	size_t length;
	u64 phys = 0;
	ssize_t put;
	int fd;

	if (arg_u64(rq, "phys", &phys) || arg_hex(rq, "hex", &data, &length))
		return -1;
	fd = open_memory(rq, O_WRONLY);
	if (fd >= 0) {
		put = pwrite(fd, data, length, phys);
		if (put < 0)
			fail(rq, "pwrite of " MEMORY);
		else if ((size_t)put != length)
			refuse(rq, "only %zd of %zu bytes were written", put, length);
		close(fd);
	}
	free(data);
	return rq->error ? -1 : 0;
}
