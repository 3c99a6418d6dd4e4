// SPDX-License-Identifier: GPL-2.0-only
/* Files of other kinds, and what else can be changed about a file that is open. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fds.h"
#include "ops.h"

static const struct {
	const char *name;
	int flag;
} accesses[] = {
	{ "O_RDONLY", O_RDONLY },
	{ "O_WRONLY", O_WRONLY },
	{ "O_RDWR", O_RDWR },
};

static int arg_access(struct request *rq, int *access)
{
	const char *name = "O_RDWR";
	size_t i;

	if (arg_string(rq, "access", &name))
		return -1;
	for (i = 0; i < ARRAY_SIZE(accesses); i++) {
		if (!strcmp(name, accesses[i].name)) {
			*access = accesses[i].flag;
			return 0;
		}
	}
	return refuse(rq, "'access' cannot be '%.64s'", name);
}

int op_open(struct request *rq)
{
	const char *path = "";
	int access = O_RDWR, fd;

	if (fds_check_free(rq, &held, "fd") || arg_string(rq, "path", &path) ||
	    arg_access(rq, &access))
		return -1;
	fd = open(path, access | O_CLOEXEC);
	return fd < 0 ? fail(rq, "open") : fds_add(rq, &held, "fd", fd);
}

/* The end to read from: who wants to know whether a pipe is refused needs no other. */
int op_pipe(struct request *rq)
{
	int ends[2];

	if (fds_check_free(rq, &held, "fd"))
		return -1;
	if (pipe2(ends, O_CLOEXEC))
		return fail(rq, "pipe2");
	close(ends[1]);
	return fds_add(rq, &held, "fd", ends[0]);
}

int op_socket(struct request *rq)
{
	int fd;

	if (fds_check_free(rq, &held, "fd"))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? fail(rq, "socket") : fds_add(rq, &held, "fd", fd);
}

/* The same file by another open(): with another access mode, and without the old status flags. */
int op_reopen(struct request *rq)
{
	int old = fds_find(rq, &held, "fd"), access = O_RDWR, fd;
	char path[32];

	if (old < 0 || arg_access(rq, &access))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", old);
	fd = open(path, access | O_CLOEXEC);
	if (fd < 0)
		return fail(rq, "open");
	fds_forget(rq, &held, "fd");
	close(old);
	return fds_add(rq, &held, "fd", fd);
}

/* F_SETFL leaves the access mode alone, and all that was set when the file was opened. */
int op_status(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd"), flags = 0;

	if (fd < 0 || arg_int(rq, "flags", &flags))
		return -1;
	return fcntl(fd, F_SETFL, flags) ? fail(rq, "F_SETFL") : 0;
}

int op_allocate(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd");
	u64 offset = 0, length = 0;

	if (fd < 0 || arg_u64(rq, "offset", &offset) || arg_u64(rq, "length", &length))
		return -1;
	return fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length) ? fail(rq, "fallocate") : 0;
}
