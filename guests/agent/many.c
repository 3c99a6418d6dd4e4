// SPDX-License-Identifier: GPL-2.0-only
/* Thousands of small memfds in a box: put there and taken out again by one request each. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fdbox.h>

#include "fds.h"
#include "ops.h"

struct many {
	int device;
	u64 count;
	u64 width;	/* of the names: the number, with zeroes before it */
};

static int many_begin(struct request *rq, struct many *many)
{
	const char *box = "";
	char path[512];

	many->width = 1;
	if (arg_string(rq, "box", &box) || arg_u64(rq, "count", &many->count) ||
	    arg_u64(rq, "width", &many->width))
		return -1;
	if (many->width >= FDBOX_NAME_LEN)
		return refuse(rq, "'width' is at most %d", FDBOX_NAME_LEN - 1);
	snprintf(path, sizeof(path), "/dev/fdbox/%s", box);
	many->device = open(path, O_RDWR | O_CLOEXEC);
	return many->device < 0 ? fail(rq, "open of the fdbox device") : 0;
}

/* Number @index has its own number in its first page. */
static int put_one(struct request *rq, const struct many *many, u64 index)
{
	struct fdbox_put_fd arg = { 0 };
	int fd = memfd_create("many", MFD_CLOEXEC);

	if (fd < 0)
		return fail(rq, "memfd_create");
	arg.fd = fd;
	snprintf((char *)arg.name, sizeof(arg.name), "%0*llu", (int)many->width, index);
	if (pwrite(fd, &index, sizeof(index), 0) != sizeof(index))
		fail(rq, "pwrite");
	else if (ioctl(many->device, FDBOX_PUT_FD, &arg))
		fail(rq, "FDBOX_PUT_FD");
	else
		return 0;
	close(fd);
	return -1;
}

static int get_one(struct request *rq, const struct many *many, u64 index)
{
	struct fdbox_get_fd arg = { 0 };
	u64 found = ~0ULL;
	ssize_t got;
	int fd;

	snprintf((char *)arg.name, sizeof(arg.name), "%0*llu", (int)many->width, index);
	fd = ioctl(many->device, FDBOX_GET_FD, &arg);
	if (fd < 0)
		return fail(rq, "FDBOX_GET_FD");
	got = pread(fd, &found, sizeof(found), 0);
	close(fd);
	if (got != sizeof(found) || found != index)
		return broken(rq, "fd %llu has %llu in it", index, found);
	return 0;
}

static int for_many(struct request *rq,
		    int (*one)(struct request *rq, const struct many *many, u64 index))
{
	struct many many = { 0 };
	int ret = 0;
	u64 i;

	if (many_begin(rq, &many))
		return -1;
	for (i = 0; i < many.count && !ret; i++)
		ret = one(rq, &many, i);
	close(many.device);
	return ret;
}

int op_many_put(struct request *rq)
{
	return for_many(rq, put_one);
}

int op_many_get(struct request *rq)
{
	return for_many(rq, get_one);
}
