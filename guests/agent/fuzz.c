// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fuzzer of the ioctls of FDBox: numbers, pointers and structures that are right, nearly right
 * or nothing of the kind, on its devices, in several processes. A seed makes each of them do the
 * same again; what the others do meanwhile is another matter.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fdbox.h>

#include "ops.h"
#include "workers.h"

#define CONTROL "/dev/fdbox/fdbox"
#define FDS_MAX 64		/* of a process: GET must meet EMFILE too */
#define FIRST_FD 4
#define BOXES 8
#define REOPEN 512		/* so many calls with the same fds */
#define BATCH 4096		/* boxes that can be cleaned up at once */

/* By number; and all that have none. */
enum { KNOWN = 8, OTHER };

static const char *const names[] = {
	"create", "delete", "put", "get", "seal", "unseal", "list", "prepare", "other", NULL
};

/* For any of the requests, on any of the devices. */
static const int allowed[] = {
	EBADF, EBUSY, EEXIST, EFAULT, EINVAL, EMFILE, ENODEV, ENOENT, ENOTTY, EOPNOTSUPP
};

struct fuzz {
	u64 seed, calls, processes;
};

/*
 * Memory for arguments: one page that can be used, one that can only be read, and nothing.
 * Structures lie in one of them, or begin in one and end in the next.
 */
struct arena {
	unsigned char *page;
	unsigned char *readonly;
	unsigned char *nothing;
};

/* The largest structure is the one that is filled; the kernel takes what it needs. */
union args {
	struct fdbox_create_box create;
	struct fdbox_put_fd put;
	struct fdbox_get_fd get;
	struct fdbox_list list;
	unsigned char bytes[512];
};

static int make_arena(struct worker *worker, struct arena *arena)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	arena->page = mmap(NULL, 3 * SZ_4K, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (arena->page == MAP_FAILED) {
		worker_failed(worker, "mmap");
		return -1;
	}
	arena->readonly = arena->page + SZ_4K;
	arena->nothing = arena->page + 2 * SZ_4K;
	memset(arena->readonly, 0, SZ_4K);
	mprotect(arena->readonly, SZ_4K, PROT_READ);
	munmap(arena->nothing, SZ_4K);
	return 0;
}

/* Mostly one of a few names, so that calls meet. */
static void make_name(struct worker *worker, u8 *name)
{
	static const char odd[] = "\n\x01\x7f\xff %!\\";
	unsigned int i;

	memset(name, 0, FDBOX_NAME_LEN);
	switch (worker_pick(worker, 16)) {
	case 0:
		break;
	case 1:
		memset(name, 'x', FDBOX_NAME_LEN);
		break;
	case 2:
		for (i = 0; i < FDBOX_NAME_LEN; i++)
			name[i] = worker_random(worker) | 1;
		break;
	case 3:
		memcpy(name, worker_pick(worker, 2) ? "..\0" : "a/b", 4);
		break;
	case 4:
		memset(name, 'y', FDBOX_NAME_LEN - 1);
		memcpy(name, "fuzz", 4);
		break;
	case 5:
		snprintf((char *)name, FDBOX_NAME_LEN, "fuzz%c",
			 odd[worker_pick(worker, sizeof(odd) - 1)]);
		break;
	default:
		snprintf((char *)name, FDBOX_NAME_LEN, "fuzz%u", worker_pick(worker, 4));
	}
}

static u64 make_pointer(struct worker *worker, const struct arena *arena)
{
	switch (worker_pick(worker, 8)) {
	case 0:
		return 0;
	case 1:
		return worker_random(worker);
	case 2:
		return 0xffff888000000000 + worker_pick(worker, 1 << 30);
	case 3:
		return (unsigned long)arena->readonly;
	case 4:
		return (unsigned long)arena->nothing - 1 - worker_pick(worker, 600);
	default:
		return (unsigned long)arena->page + worker_pick(worker, 2048);
	}
}

static u32 make_fd(struct worker *worker)
{
	return worker_pick(worker, 16) ? worker_pick(worker, FDS_MAX) : worker_random(worker);
}

/* A structure that the request could be about, but for a field here and there. */
static void make_args(struct worker *worker, union args *args, unsigned int number,
		      const struct arena *arena)
{
	unsigned int i;

	memset(args, 0, sizeof(*args));
	switch (number) {
	case 2:
		args->put.fd = make_fd(worker);
		make_name(worker, args->put.name);
		break;
	case 3:
		make_name(worker, args->get.name);
		break;
	case 6:
		args->list.entry_size = sizeof(struct fdbox_entry);
		args->list.count = worker_pick(worker, 4);
		break;
	default:
		make_name(worker, args->create.name);
	}
	for (i = worker_pick(worker, 8) ? 0 : 1 + worker_pick(worker, 4); i; i--)
		args->bytes[worker_pick(worker, sizeof(*args))] = worker_random(worker);
	/* Boxes that are made must be found again. */
	if (number == 0 && args->create.name[0] && args->create.name[0] != '.')
		memcpy(args->create.name, "fuzz", 4);
	/* LIST writes there: somewhere else in our own memory would be our own end. */
	if (number == 6)
		args->list.entries = make_pointer(worker, arena);
}

static unsigned int make_number(struct worker *worker)
{
	/* SEAL, UNSEAL and PREPARE are work, and SEAL keeps others out: not too often. */
	static const unsigned char numbers[] = {
		0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2,
		2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3,
		3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
		4, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6, 6, 7, 8, 8, 8,
	};

	return numbers[worker_pick(worker, sizeof(numbers))];
}

static unsigned int make_request(struct worker *worker, unsigned int number)
{
	switch (worker_pick(worker, 32)) {
	case 0:
		return worker_random(worker);
	case 1:
		return _IOC(worker_pick(worker, 4), FDBOX_TYPE, number, worker_pick(worker, 600));
	default:
		return _IO(FDBOX_TYPE, number);
	}
}

/* The control device at number 4, boxes behind it, anything that can be put, and what cannot. */
static void open_fds(struct worker *worker)
{
	struct fdbox_create_box create = { 0 };
	int i, fd, ends[2];
	char path[32];

	syscall(SYS_close_range, FIRST_FD, ~0U, 0);
	open(CONTROL, O_RDWR);
	for (i = 0; i < BOXES; i++) {
		snprintf((char *)create.name, sizeof(create.name), "fuzz%d", i % 4);
		ioctl(FIRST_FD, FDBOX_CREATE_BOX, &create);
		snprintf(path, sizeof(path), "/dev/fdbox/fuzz%d", i % 4);
		open(path, O_RDWR);
	}
	for (i = 0; i < 16; i++) {
		fd = memfd_create("fuzz", worker_pick(worker, 2) ? MFD_ALLOW_SEALING : 0);
		if (fd >= 0 && ftruncate(fd, worker_pick(worker, 3 * SZ_4K)))
			worker_failed(worker, "ftruncate");
		if (fd >= 0 && i % 2)
			pwrite(fd, "x", 1, 1);
	}
	for (i = 0; i < 4; i++)
		dup(FIRST_FD + worker_pick(worker, 40));
	open("/dev/null", O_RDWR);
	open("/", O_RDONLY);
	open("/init", O_PATH);
	if (pipe(ends))
		worker_failed(worker, "pipe");
}

static void judge(struct worker *worker, unsigned int request, int ret)
{
	bool ours = request <= _IO(FDBOX_TYPE, KNOWN - 1) && request >= _IO(FDBOX_TYPE, 0);
	unsigned int op = ours ? request & 0xff : OTHER;
	int error = ret < 0 ? errno : 0;
	size_t i;

	worker->result->calls[op][error]++;
	for (i = 0; error && i < ARRAY_SIZE(allowed); i++)
		if (allowed[i] == error)
			return;
	if (error)
		worker_wrong(worker, "request %#x: %s is not documented", request,
			     errno_name(error));
}

/* Mostly a device that has such a request. */
static int make_device(struct worker *worker, unsigned int number)
{
	if (!worker_pick(worker, 16))
		return FIRST_FD + worker_pick(worker, FDS_MAX);
	if (number < 2 || (number == 6 && worker_pick(worker, 2)))
		return FIRST_FD;
	return FIRST_FD + 1 + worker_pick(worker, BOXES);
}

static void call(struct worker *worker, const struct arena *arena)
{
	unsigned int number = make_number(worker), request = make_request(worker, number);
	u64 pointer = make_pointer(worker, arena);
	int device = make_device(worker, number);
	union args args;

	make_args(worker, &args, number, arena);
	/* More often than not all of the structure is there. */
	if (worker_pick(worker, 2))
		pointer = (unsigned long)arena->page + worker_pick(worker, 1024);
	if (pointer >= (unsigned long)arena->page &&
	    pointer + sizeof(args) <= (unsigned long)arena->readonly)
		memcpy((void *)(unsigned long)pointer, &args, sizeof(args));
	judge(worker, request, syscall(SYS_ioctl, device, (unsigned long)request, pointer));
}

static void fuzz_process(struct worker *worker)
{
	struct rlimit limit = { FDS_MAX, FDS_MAX };
	const struct fuzz *fuzz = worker->context;
	struct arena arena;
	u64 i;

	if (make_arena(worker, &arena))
		return;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (i = 0; i < fuzz->calls / fuzz->processes && !*worker->result->wrong; i++) {
		if (i % REOPEN == 0)
			open_fds(worker);
		call(worker, &arena);
	}
}

/* The boxes that are left have names that no request of ours could have: by what LIST says. */
static int delete_boxes(struct request *rq)
{
	static struct fdbox_entry entries[BATCH];
	struct fdbox_list list = {
		.entries = (unsigned long)entries,
		.entry_size = sizeof(entries[0]),
		.count = BATCH,
	};
	struct fdbox_delete_box arg = { 0 };
	int control = open(CONTROL, O_RDWR | O_CLOEXEC);
	u32 i;

	if (control < 0 || ioctl(control, FDBOX_LIST, &list))
		fail(rq, "FDBOX_LIST");
	for (i = 0; i < list.count && i < BATCH && !rq->error; i++) {
		if (memcmp(entries[i].name, "fuzz", 4))
			continue;
		memcpy(arg.name, entries[i].name, sizeof(arg.name));
		if (ioctl(control, FDBOX_DELETE_BOX, &arg))
			fail(rq, "FDBOX_DELETE_BOX");
	}
	close(control);
	return rq->error ? -1 : 0;
}

int op_fuzz(struct request *rq)
{
	struct fuzz fuzz = { .calls = 10000, .processes = 4 };
	struct workers workers = { 0 };

	if (arg_u64(rq, "seed", &fuzz.seed) || arg_u64(rq, "calls", &fuzz.calls) ||
	    arg_u64(rq, "processes", &fuzz.processes) ||
	    workers_start(rq, &workers, fuzz.processes, fuzz.seed, fuzz_process, &fuzz) ||
	    workers_wait(rq, &workers) || delete_boxes(rq))
		return -1;
	return workers_report(rq, &workers, names, KNOWN);
}
