// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each request of FDBox again and again, with its first allocation failing, then its second, and
 * so on, until all succeed. After each failure everything must be as before.
 *
 * A box is filled with the fds of a stock (stock.h). PUT is of the last one, and so is GET.
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
#include "stock.h"

#define CONTROL "/dev/fdbox/fdbox"
#define BOX "nth"
#define NTH_MAX 2000

enum { CREATE, PUT, PREPARE, SEAL, UNSEAL, GET, DELETE, REQUESTS };

static const char *const names[] = {
	"create", "put", "prepare", "seal", "unseal", "get", "delete"
};

struct nth {
	struct request *rq;
	const struct stock *stock;
	int control;
	int box;
	int fail_nth;		/* our thread's */
};

static unsigned int last_of(const struct nth *nth)
{
	return nth->stock->count - 1;
}

static void name_fd(__u8 *name, unsigned int i)
{
	snprintf((char *)name, FDBOX_NAME_LEN, "fd%u", i);
}

static int put_fd(struct nth *nth, unsigned int i, int fd)
{
	struct fdbox_put_fd put = { .fd = fd };

	name_fd(put.name, i);
	return ioctl(nth->box, FDBOX_PUT_FD, &put);
}

static int get_fd(struct nth *nth, unsigned int i)
{
	struct fdbox_get_fd get = { 0 };

	name_fd(get.name, i);
	return ioctl(nth->box, FDBOX_GET_FD, &get);
}

static int call(struct nth *nth, int request, int fd)
{
	struct fdbox_create_box box = { .name = BOX };

	switch (request) {
	case CREATE:
		return ioctl(nth->control, FDBOX_CREATE_BOX, &box);
	case DELETE:
		return ioctl(nth->control, FDBOX_DELETE_BOX, &box);
	case PUT:
		return put_fd(nth, last_of(nth), fd);
	case GET:
		return get_fd(nth, last_of(nth));
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

/* A box with all fds, or with all but the last, which is *@left then. */
static int make_box(struct nth *nth, int *left)
{
	struct stock_item item = { .rq = nth->rq };
	unsigned int i;

	if (call(nth, CREATE, -1) || open_box(nth))
		return fail(nth->rq, "FDBOX_CREATE_BOX");
	for (item.i = 0; item.i < nth->stock->count; item.i++) {
		item.earlier[item.i] = nth->stock->make(&item);
		if (item.earlier[item.i] < 0)
			return -1;
	}
	if (left)
		*left = item.earlier[last_of(nth)];
	for (i = 0; i < nth->stock->count - !!left; i++)
		if (put_fd(nth, i, item.earlier[i]))
			return fail(nth->rq, "FDBOX_PUT_FD");
	return 0;
}

/* How many fds the box has; all must be held. */
static int count_fds(struct nth *nth)
{
	struct fdbox_entry entries[STOCK_MOST + 1];
	struct fdbox_list list = {
		.entries = (unsigned long)entries,
		.entry_size = sizeof(entries[0]),
		.count = STOCK_MOST + 1,
	};
	u32 i;

	if (ioctl(nth->box, FDBOX_LIST, &list))
		return fail(nth->rq, "FDBOX_LIST");
	for (i = 0; i < list.count && i <= STOCK_MOST; i++)
		if (entries[i].state == FDBOX_FD_PENDING || entries[i].state == FDBOX_FD_LOST)
			return broken(nth->rq, "an fd is not held any more");
	return list.count;
}

/* An fd that must be number @i of the stock, as it was made. */
static int check_fd(struct nth *nth, unsigned int i, int fd)
{
	struct stock_item item = { .rq = nth->rq, .i = i };
	const char *why = nth->stock->check(&item, fd);

	return why ? broken(nth->rq, "fd%u %s", i, why) : 0;
}

/* The first @count fds of the box, each as it was made; -1: one is not. */
static int take_out(struct nth *nth, unsigned int count, int *fds)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		fds[i] = get_fd(nth, i);
		if (fds[i] < 0)
			return broken(nth->rq, "fd%u does not come out: %s", i, errno_name(errno));
		if (check_fd(nth, i, fds[i]))
			return -1;
	}
	return 0;
}

/* Every fd of the box is as it was made. Afterwards they are in it again, in the same order. */
static int look_inside(struct nth *nth)
{
	int fds[STOCK_MOST];
	unsigned int i;

	if (take_out(nth, nth->stock->count, fds))
		return -1;
	for (i = 0; i < nth->stock->count; i++)
		if (put_fd(nth, i, fds[i]))
			return fail(nth->rq, "FDBOX_PUT_FD");
	return 0;
}

/* Of @count fds every one comes out, whole. */
static int check_contents(struct nth *nth, unsigned int count)
{
	int fds[STOCK_MOST];
	unsigned int i;

	if (take_out(nth, count, fds))
		return -1;
	for (i = 0; i < count; i++)
		close(fds[i]);
	return 0;
}

/* After a failure: what was there is there, as it was, and can be used. */
static int unchanged(struct nth *nth, int request, int fd)
{
	const int count = nth->stock->count;

	switch (request) {
	case CREATE:
		return expect(nth, access("/dev/fdbox/" BOX, F_OK), "a device without a box");
	case PUT:
		return check_fd(nth, last_of(nth), fd) ?:
		       expect(nth, count_fds(nth) == count - 1, "an fd that was not put");
	case PREPARE:
	case SEAL:
		return expect(nth, count_fds(nth) == count, "fds of the box are missing") ?:
		       expect(nth, call(nth, UNSEAL, -1) && errno == EBUSY, "it is sealed") ?:
		       look_inside(nth);
	case GET:
		return expect(nth, count_fds(nth) == count, "fds of the box are missing");
	default:
		return broken(nth->rq, "%s may not fail", names[request]);
	}
}

static int prepare_round(struct nth *nth, int request, int *fd)
{
	*fd = -1;
	nth->box = -1;
	if (request == CREATE)
		return 0;
	if (make_box(nth, request == PUT ? fd : NULL))
		return -1;
	if (request == UNSEAL && call(nth, SEAL, -1))
		return fail(nth->rq, "FDBOX_SEAL");
	return 0;
}

/* What is left of a round that succeeded is still good, and goes. */
static int end_round(struct nth *nth, int request, int ret)
{
	unsigned int count = nth->stock->count;

	if (request == CREATE && open_box(nth))
		return -1;
	if (request == SEAL && call(nth, UNSEAL, -1))
		return broken(nth->rq, "what was sealed cannot be unsealed");
	if (request == GET) {
		if (check_fd(nth, last_of(nth), ret))
			return -1;
		close(ret);
		count--;
	}
	if (request != CREATE && request != DELETE && check_contents(nth, count))
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
	if (!ret)
		return refuse(nth->rq, "%s has more than %d allocations", names[request], NTH_MAX);
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
	struct nth nth = { .rq = rq, .stock = stock_find(rq) };
	int request;

	if (!nth.stock || allow_faults(rq))
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
