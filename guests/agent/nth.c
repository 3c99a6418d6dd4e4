// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each request of FDBox again and again, with its first allocation failing, then its second, and
 * so on, until all succeed. After each failure everything must be as before.
 *
 * Needs FAULT_INJECTION with FAILSLAB, FAIL_PAGE_ALLOC and their debugfs files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fdbox.h>

#include "faulty.h"
#include "ops.h"
#include "stamp.h"

#define CONTROL "/dev/fdbox/fdbox"
#define BOX "nth"
#define FDS 3U
/* A blob of more than one page, and tables of KHO that are not there yet. */
#define BIG_PAGES 600U
#define NTH_MAX 2000

enum { CREATE, PUT, PREPARE, SEAL, UNSEAL, GET, DELETE, REQUESTS };

static const char *const names[] = {
	"create", "put", "prepare", "seal", "unseal", "get", "delete"
};

struct nth {
	struct request *rq;
	int control;
	int box;
	int fail_nth;		/* our thread's */
};

static int call(struct nth *nth, int request, int fd)
{
	struct fdbox_create_box create = { .name = BOX };
	struct fdbox_put_fd put = { .fd = fd, .name = "fd0" };
	struct fdbox_get_fd get = { .name = "fd0" };

	switch (request) {
	case CREATE:
		return ioctl(nth->control, FDBOX_CREATE_BOX, &create);
	case DELETE:
		return ioctl(nth->control, FDBOX_DELETE_BOX, &create);
	case PUT:
		return ioctl(nth->box, FDBOX_PUT_FD, &put);
	case GET:
		return ioctl(nth->box, FDBOX_GET_FD, &get);
	case PREPARE:
		return ioctl(nth->box, FDBOX_PREPARE, NULL);
	case SEAL:
		return ioctl(nth->box, FDBOX_SEAL, NULL);
	default:
		return ioctl(nth->box, FDBOX_UNSEAL, NULL);
	}
}

/* With the n-th allocation failing; *injected says whether there was one. */
static int call_nth(struct nth *nth, int request, int fd, unsigned int n, bool *injected)
{
	int ret;

	if (fail_from_now_on(nth->rq, nth->fail_nth, n))
		return -1;
	ret = call(nth, request, fd);
	return has_failed(nth->rq, nth->fail_nth, injected) ?: ret;
}

static int expect(struct nth *nth, bool good, const char *what)
{
	return good ? 0 : broken(nth->rq, "%s", what);
}

static int open_box(struct nth *nth)
{
	nth->box = open("/dev/fdbox/" BOX, O_RDWR | O_CLOEXEC);
	return expect(nth, nth->box >= 0, "a box that was made cannot be opened");
}

static int make_memfd(unsigned int name, bool big)
{
	int fd = stamp_create(name);

	/* Behind what the stamp is about; a hole in between. */
	if (fd >= 0 && big && posix_fallocate(fd, 8 * SZ_4K, BIG_PAGES * SZ_4K)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A box that holds "fd0" to "fd2", or nothing. */
static int make_box(struct nth *nth, bool full)
{
	struct fdbox_put_fd put = { 0 };
	unsigned int i;
	int fd;

	if (call(nth, CREATE, -1) || open_box(nth))
		return fail(nth->rq, "FDBOX_CREATE_BOX");
	for (i = 0; full && i < FDS; i++) {
		fd = make_memfd(i, i == 1);
		put.fd = fd;
		snprintf((char *)put.name, sizeof(put.name), "fd%u", i);
		if (fd < 0 || ioctl(nth->box, FDBOX_PUT_FD, &put))
			return fail(nth->rq, "FDBOX_PUT_FD");
	}
	return 0;
}

/* How many fds the box has; all must be held. */
static int count_fds(struct nth *nth)
{
	struct fdbox_entry entries[FDS + 1];
	struct fdbox_list list = {
		.entries = (unsigned long)entries,
		.entry_size = sizeof(entries[0]),
		.count = FDS + 1,
	};
	u32 i;

	if (ioctl(nth->box, FDBOX_LIST, &list))
		return fail(nth->rq, "FDBOX_LIST");
	for (i = 0; i < list.count && i <= FDS; i++)
		if (entries[i].state == FDBOX_FD_PENDING || entries[i].state == FDBOX_FD_LOST)
			return broken(nth->rq, "an fd is not held any more");
	return list.count;
}

/* After a failure: what was there is there, as it was, and can be used. */
static int unchanged(struct nth *nth, int request, int fd)
{
	switch (request) {
	case CREATE:
		return expect(nth, access("/dev/fdbox/" BOX, F_OK), "a device without a box");
	case PUT:
		return expect(nth, !stamp_check(fd, 0), "the caller's fd is not as before") ?:
		       expect(nth, !count_fds(nth), "an fd in the box that was not put");
	case PREPARE:
	case SEAL:
		return expect(nth, count_fds(nth) == FDS, "fds of the box are missing") ?:
		       expect(nth, call(nth, UNSEAL, -1) && errno == EBUSY, "it is sealed");
	case GET:
		return expect(nth, count_fds(nth) == FDS, "fds of the box are missing");
	default:
		return broken(nth->rq, "%s may not fail", names[request]);
	}
}

/* Every fd comes out, whole. */
static int check_contents(struct nth *nth, unsigned int first)
{
	struct fdbox_get_fd get = { 0 };
	unsigned int i;
	bool good;
	int fd;

	for (i = first; i < FDS; i++) {
		snprintf((char *)get.name, sizeof(get.name), "fd%u", i);
		fd = ioctl(nth->box, FDBOX_GET_FD, &get);
		if (fd < 0)
			return broken(nth->rq, "fd%u does not come out: %s", i, errno_name(errno));
		/* The big one is longer than its stamp says. */
		good = i == 1 ? !ftruncate(fd, SZ_4K) && !stamp_check(fd, i) : !stamp_check(fd, i);
		close(fd);
		if (!good)
			return broken(nth->rq, "fd%u is not as it was", i);
	}
	return 0;
}

static int prepare_round(struct nth *nth, int request, int *fd)
{
	*fd = -1;
	nth->box = -1;
	if (request == CREATE)
		return 0;
	if (make_box(nth, request != PUT))
		return -1;
	if (request == UNSEAL && call(nth, SEAL, -1))
		return fail(nth->rq, "FDBOX_SEAL");
	if (request == PUT)
		*fd = make_memfd(0, false);
	return 0;
}

/* What is left of a round that succeeded is still good, and goes. */
static int end_round(struct nth *nth, int request, int ret)
{
	unsigned int first = 0;

	if (request == CREATE && open_box(nth))
		return -1;
	if (request == SEAL && call(nth, UNSEAL, -1))
		return broken(nth->rq, "what was sealed cannot be unsealed");
	if (request == GET) {
		if (stamp_check(ret, 0))
			return broken(nth->rq, "what came out is not what went in");
		close(ret);
		first = 1;
	}
	if (request != CREATE && request != PUT && request != DELETE && check_contents(nth, first))
		return -1;
	if (request != DELETE && call(nth, DELETE, -1))
		return broken(nth->rq, "the box cannot be deleted");
	close(nth->box);
	return 0;
}

/* The n-th allocation fails: 1 when there was none any more, 0, or -1. */
static int round_of(struct nth *nth, int request, unsigned int n, u64 *failed)
{
	bool injected = false;
	int fd, ret;

	if (prepare_round(nth, request, &fd))
		return -1;
	ret = call_nth(nth, request, fd, n, &injected);
	if (nth->rq->error)
		return -1;
	if (ret < 0) {
		if (!injected || errno != ENOMEM)
			return broken(nth->rq, "%s with allocation %u failing: %s", names[request],
				      n, errno_name(errno));
		++*failed;
		if (unchanged(nth, request, fd))
			return -1;
		ret = call(nth, request, fd);
		if (ret < 0)
			return broken(nth->rq, "%s fails for good after allocation %u: %s",
				      names[request], n, errno_name(errno));
	}
	return end_round(nth, request, ret) ?: !injected;
}

static int all_rounds(struct nth *nth, int request)
{
	u64 failed = 0;
	unsigned int n;
	int ret = 0;

	for (n = 1; n < NTH_MAX && !ret; n++)
		ret = round_of(nth, request, n, &failed);
	if (ret < 0)
		return -1;
	buf_key(nth->rq->out, names[request]);
	buf_open(nth->rq->out, '{');
	buf_member_u64(nth->rq->out, "allocations", n - 2);
	buf_member_u64(nth->rq->out, "failed", failed);
	buf_close(nth->rq->out, '}');
	if (!failed && request <= SEAL && request != PREPARE)
		return refuse(nth->rq, "%s did not fail once: that was no test", names[request]);
	return 0;
}

int op_nth(struct request *rq)
{
	struct nth nth = { .rq = rq };
	int request;

	if (allow_faults(rq))
		return -1;
	nth.control = open(CONTROL, O_RDWR | O_CLOEXEC);
	if (nth.control < 0)
		return fail(rq, "open of " CONTROL);
	nth.fail_nth = open_fail_nth(rq);
	for (request = 0; request < REQUESTS && !rq->error; request++)
		all_rounds(&nth, request);
	close(nth.fail_nth);
	close(nth.control);
	return rq->error ? -1 : 0;
}
