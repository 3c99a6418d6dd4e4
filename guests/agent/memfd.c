// SPDX-License-Identifier: GPL-2.0-only
/* memfds and what an fd knows about its file. */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fds.h"
#include "ops.h"

/* Linux 6.3; older headers do not have them. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#define MFD_EXEC 16U
#endif

static const struct flag memfd_flags[] = {
	{ "allow_sealing", MFD_ALLOW_SEALING },
	{ "cloexec", MFD_CLOEXEC },
	{ "noexec_seal", MFD_NOEXEC_SEAL },
	{ "exec", MFD_EXEC },
	{ "hugetlb", MFD_HUGETLB },
	{ NULL, 0 }
};

int op_memfd(struct request *rq)
{
	const char *name = "";
	u64 flags = MFD_ALLOW_SEALING, size = 0;
	int fd;

	if (fds_check_free(rq, &held, "fd") || arg_string(rq, "fd", &name) ||
	    arg_u64(rq, "size", &size) || arg_flags(rq, "flags", memfd_flags, &flags))
		return -1;
	fd = memfd_create(name, flags);
	if (fd < 0)
		return fail(rq, "memfd_create");
	if (ftruncate(fd, size)) {
		fail(rq, "ftruncate");
		close(fd);
		return -1;
	}
	return fds_add(rq, &held, "fd", fd);
}

int op_stat(struct request *rq)
{
	char link[64], target[512] = "";
	struct buf *out = rq->out;
	int fd, flags, fdflags, seals;
	struct stat st;

	fd = fds_find(rq, &held, "fd");
	if (fd < 0)
		return -1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st))
		return fail(rq, "fstat");
	flags = fcntl(fd, F_GETFL);
	fdflags = fcntl(fd, F_GETFD);
	if (flags < 0 || fdflags < 0)
		return fail(rq, "fcntl");
	if (readlink(link, target, sizeof(target) - 1) < 0)
		return fail(rq, "readlink");
	buf_member_u64(out, "size", st.st_size);
	buf_member_u64(out, "blocks", st.st_blocks);
	buf_member_u64(out, "mode", st.st_mode);
	buf_member_u64(out, "uid", st.st_uid);
	buf_member_u64(out, "gid", st.st_gid);
	buf_member_u64(out, "ino", st.st_ino);
	buf_member_u64(out, "dev", st.st_dev);
	buf_key(out, "pos");
	buf_s64(out, lseek(fd, 0, SEEK_CUR));	/* -1: has none */
	buf_member_u64(out, "flags", flags);
	buf_key(out, "cloexec");
	buf_bool(out, fdflags & FD_CLOEXEC);
	buf_key(out, "seals");
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		buf_null(out);
	else
		buf_u64(out, seals);
	buf_member_string(out, "link", target);
	return 0;
}

int op_seek(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd");
	u64 pos = 0;

	if (fd < 0 || arg_u64(rq, "pos", &pos))
		return -1;
	return lseek(fd, pos, SEEK_SET) < 0 ? fail(rq, "lseek") : 0;
}

int op_truncate(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd");
	u64 size = 0;

	if (fd < 0 || arg_u64(rq, "size", &size))
		return -1;
	return ftruncate(fd, size) ? fail(rq, "ftruncate") : 0;
}

int op_seal_add(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd"), seals = 0;

	if (fd < 0 || arg_int(rq, "seals", &seals))
		return -1;
	return fcntl(fd, F_ADD_SEALS, seals) ? fail(rq, "F_ADD_SEALS") : 0;
}

int op_chmod(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd"), mode = 0;

	if (fd < 0 || arg_int(rq, "mode", &mode))
		return -1;
	return fchmod(fd, mode) ? fail(rq, "fchmod") : 0;
}

int op_chown(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd"), uid = -1, gid = -1;

	if (fd < 0 || arg_int(rq, "uid", &uid) || arg_int(rq, "gid", &gid))
		return -1;
	return fchown(fd, uid, gid) ? fail(rq, "fchown") : 0;
}

int op_punch(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd");
	u64 offset = 0, length = 0;

	if (fd < 0 || arg_u64(rq, "offset", &offset) || arg_u64(rq, "length", &length))
		return -1;
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length))
		return fail(rq, "fallocate");
	return 0;
}
