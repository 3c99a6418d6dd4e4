// SPDX-License-Identifier: GPL-2.0-only
/*
 * A storm: processes that do at random what can be done with boxes, all on the same few, and
 * check each result. Half of them share their fds with another process that keeps replacing
 * and closing those that they put.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fdbox.h>

#include "ops.h"
#include "stamp.h"
#include "workers.h"

#define CONTROL "/dev/fdbox/fdbox"
#define BOXES_MAX 48U
#define LIST_MAX 64
/* The memfds to be put are at these numbers; what GET returns is below. */
#define FIRST_FD 64
#define FDS 16U

enum { CREATE, DELETE, OPEN, PUT, GET, SEAL, UNSEAL, PREPARE, LIST, LIST_BOXES };

static const char *const names[] = {
	"create", "delete", "open", "put", "get", "seal", "unseal", "prepare", "list", "list_boxes",
	NULL
};

/* What docs/fdbox.md says that each may return, in the circumstances of a storm. */
static const int allowed[][6] = {
	[CREATE]	= { EEXIST },
	[DELETE]	= { ENOENT },
	[OPEN]		= { ENOENT, ENODEV },
	[PUT]		= { EBUSY, EEXIST, ENODEV, EBADF },
	[GET]		= { EBUSY, ENOENT, ENODEV },
	[SEAL]		= { EBUSY, ENODEV },
	[UNSEAL]	= { EBUSY, ENODEV },
	[PREPARE]	= { EBUSY, ENODEV },
	[LIST]		= { ENODEV },
	[LIST_BOXES]	= { 0 },
};

struct storm {
	u64 seed, seconds, boxes, processes, faults, background;
};

struct actor {
	struct worker *worker;
	const struct storm *storm;
	bool shared;			/* another process has the same fd table */
	int control;
	int devices[BOXES_MAX];		/* of the boxes; some are of boxes that were deleted */
};

/* What each may return besides, in a storm that a reboot ends: nobody is to stop for that. */
static bool leaving(const struct storm *storm, int op, int error)
{
	return storm->background && error == ESHUTDOWN &&
	       (op == DELETE || op == SEAL || op == UNSEAL || op == PREPARE);
}

static int judge(struct actor *actor, int op, int ret)
{
	struct worker *worker = actor->worker;
	int error = ret < 0 ? errno : 0;
	size_t i;

	worker->result->calls[op][error]++;
	if (!error || (error == ENOMEM && actor->storm->faults) ||
	    leaving(actor->storm, op, error))
		return ret;
	/* Only who has company can find a number empty that he has just filled. */
	if (error == EBADF && !actor->shared)
		worker_wrong(worker, "%s: EBADF for an open fd", names[op]);
	for (i = 0; i < ARRAY_SIZE(allowed[op]); i++)
		if (allowed[op][i] == error)
			return ret;
	worker_wrong(worker, "%s: %s is not documented", names[op], errno_name(error));
	return ret;
}

static void create_box(struct actor *actor, unsigned int box)
{
	struct fdbox_create_box arg = { 0 };

	snprintf((char *)arg.name, sizeof(arg.name), "storm%u", box);
	judge(actor, CREATE, ioctl(actor->control, FDBOX_CREATE_BOX, &arg));
}

static void delete_box(struct actor *actor, unsigned int box)
{
	struct fdbox_delete_box arg = { 0 };

	snprintf((char *)arg.name, sizeof(arg.name), "storm%u", box);
	judge(actor, DELETE, ioctl(actor->control, FDBOX_DELETE_BOX, &arg));
}

/* Now and then a device is opened anew; in between it may be that of a box that is gone. */
static int device(struct actor *actor, unsigned int box)
{
	char path[64];
	int *fd = &actor->devices[box];

	if (*fd >= 0 && worker_pick(actor->worker, 16))
		return *fd;
	if (*fd >= 0)
		close(*fd);
	snprintf(path, sizeof(path), "/dev/fdbox/storm%u", box);
	*fd = judge(actor, OPEN, open(path, O_RDWR | O_CLOEXEC));
	return *fd;
}

static void put(struct actor *actor, int box)
{
	struct worker *worker = actor->worker;
	struct fdbox_put_fd arg = { .fd = FIRST_FD + worker_pick(worker, FDS) };
	u64 id = worker_random(worker);
	int fd;

	id = actor->shared ? id | STAMP_LOOSE : id & ~STAMP_LOOSE;
	fd = stamp_create(id);
	if (fd < 0 || dup2(fd, arg.fd) < 0) {
		if (!actor->storm->faults)
			worker_failed(worker, "memfd_create");
		close(fd);
		return;
	}
	/* A copy that stays open: the box cannot be sealed until it is closed. */
	if (!worker_pick(worker, 16))
		dup2(fd, FIRST_FD + FDS + worker_pick(worker, 4));
	close(fd);
	snprintf((char *)arg.name, sizeof(arg.name), "fd%u", stamp_name(id));
	if (judge(actor, PUT, ioctl(box, FDBOX_PUT_FD, &arg)) || actor->shared)
		return;
	if (fcntl(arg.fd, F_GETFD) != -1)
		worker_wrong(worker, "the caller still has an fd that is in a box now");
}

static void get(struct actor *actor, int box)
{
	unsigned int name = worker_pick(actor->worker, STAMP_NAMES);
	struct fdbox_get_fd arg = { 0 };
	const char *why;
	int fd;

	snprintf((char *)arg.name, sizeof(arg.name), "fd%u", name);
	fd = judge(actor, GET, ioctl(box, FDBOX_GET_FD, &arg));
	if (fd < 0)
		return;
	why = stamp_check(fd, name);
	if (why)
		worker_wrong(actor->worker, "a memfd that came out %s", why);
	close(fd);
}

static int list(struct actor *actor, int op, int fd, struct fdbox_list *arg)
{
	return judge(actor, op, ioctl(fd, FDBOX_LIST, arg));
}

static void list_fds(struct actor *actor, int box)
{
	struct fdbox_entry entries[LIST_MAX];
	struct fdbox_list arg = {
		.entries = (unsigned long)entries,
		.entry_size = sizeof(entries[0]),
		.count = LIST_MAX,
	};
	u32 i;

	if (list(actor, LIST, box, &arg))
		return;
	if (arg.count > STAMP_NAMES)
		worker_wrong(actor->worker, "list: %u fds in a box", arg.count);
	for (i = 0; i < arg.count && i < LIST_MAX; i++)
		if (entries[i].state == FDBOX_FD_PENDING || entries[i].state == FDBOX_FD_LOST)
			worker_wrong(actor->worker, "list: an fd that is not held");
}

static void list_boxes(struct actor *actor)
{
	struct fdbox_entry entries[LIST_MAX];
	struct fdbox_list arg = {
		.entries = (unsigned long)entries,
		.entry_size = sizeof(entries[0]),
		.count = LIST_MAX,
	};

	list(actor, LIST_BOXES, actor->control, &arg);
}

static void on_box(struct actor *actor, unsigned int chance, int box)
{
	if (chance < 35)
		put(actor, box);
	else if (chance < 60)
		get(actor, box);
	else if (chance < 75)
		judge(actor, SEAL, ioctl(box, FDBOX_SEAL, NULL));
	else if (chance < 88)
		judge(actor, UNSEAL, ioctl(box, FDBOX_UNSEAL, NULL));
	else if (chance < 92)
		judge(actor, PREPARE, ioctl(box, FDBOX_PREPARE, NULL));
	else
		list_fds(actor, box);
}

static void act(struct actor *actor)
{
	unsigned int box = worker_pick(actor->worker, actor->storm->boxes);
	unsigned int chance = worker_pick(actor->worker, 100);
	int fd;

	if (chance < 4)
		return create_box(actor, box);
	if (chance < 5)
		return delete_box(actor, box);
	if (chance < 7)
		return list_boxes(actor);
	if (chance < 10) {
		close(FIRST_FD + worker_pick(actor->worker, FDS + 4));
		return;
	}
	fd = device(actor, box);
	if (fd >= 0)
		on_box(actor, worker_pick(actor->worker, 100), fd);
}

/* The company: what is at the numbers that are put changes and goes away at any moment. */
static void disturb(struct worker *worker)
{
	int fd = stamp_create(worker_random(worker) | STAMP_LOOSE);

	for (;;) {
		dup2(fd, FIRST_FD + worker_pick(worker, FDS));
		close(FIRST_FD + worker_pick(worker, FDS + 4));
	}
}

static void storm_process(struct worker *worker)
{
	const struct storm *storm = worker->context;
	struct actor actor = { .worker = worker, .storm = storm, .shared = worker->number % 2 };
	u64 end = now_ms() + storm->seconds * 1000;
	pid_t company = 0;
	unsigned int i;

	actor.control = open(CONTROL, O_RDWR | O_CLOEXEC);
	if (actor.control < 0)
		return worker_wrong(worker, CONTROL ": %s", strerror(errno));
	for (i = 0; i < BOXES_MAX; i++)
		actor.devices[i] = -1;
	if (actor.shared)
		company = worker_join(worker, disturb);
	/* Not before it has what it cannot do without. */
	if (storm->faults)
		worker_let_fail(worker);
	while (worker_goes_on(worker, end, LIST_BOXES + 1))
		act(&actor);
	worker_part(company);
}

static int arg_storm(struct request *rq, struct storm *storm)
{
	if (arg_u64(rq, "seed", &storm->seed) || arg_u64(rq, "seconds", &storm->seconds) ||
	    arg_u64(rq, "boxes", &storm->boxes) || arg_u64(rq, "processes", &storm->processes) ||
	    arg_u64(rq, "faults", &storm->faults) ||
	    arg_u64(rq, "background", &storm->background))
		return -1;
	if (!storm->boxes || storm->boxes > BOXES_MAX)
		return refuse(rq, "'boxes' is 1 to %u", BOXES_MAX);
	return 0;
}

int op_storm(struct request *rq)
{
	struct storm storm = { .seconds = 3, .boxes = 3, .processes = 4 };
	struct workers workers = { 0 };

	if (arg_storm(rq, &storm) ||
	    workers_start(rq, &workers, storm.processes, storm.seed, storm_process, &storm))
		return -1;
	if (storm.background)
		return 0;
	return workers_wait(rq, &workers) ?: workers_report(rq, &workers, names, LIST_BOXES + 1);
}

/* One box that a storm has left: every fd in it must be whole. */
static int collect_box(struct request *rq, const struct fdbox_entry *entry, int control, u64 *fds)
{
	const char *name = (const char *)entry->name;
	struct fdbox_delete_box arg = { 0 };
	struct fdbox_get_fd get_arg;
	const char *why;
	char path[64];
	int box, fd;
	unsigned int i, came = 0;

	snprintf((char *)arg.name, sizeof(arg.name), "%.32s", name);
	snprintf(path, sizeof(path), "/dev/fdbox/%.32s", name);
	box = open(path, O_RDWR | O_CLOEXEC);
	if (box < 0)
		return fail(rq, "open of the box");
	if (ioctl(box, FDBOX_UNSEAL, NULL) && errno != EBUSY) {
		close(box);
		return fail(rq, "FDBOX_UNSEAL");
	}
	for (i = 0; i < STAMP_NAMES && !rq->error; i++) {
		memset(&get_arg, 0, sizeof(get_arg));
		snprintf((char *)get_arg.name, sizeof(get_arg.name), "fd%u", i);
		fd = ioctl(box, FDBOX_GET_FD, &get_arg);
		if (fd < 0 && errno != ENOENT)
			fail(rq, "FDBOX_GET_FD");
		if (fd < 0)
			continue;
		why = stamp_check(fd, i);
		if (why)
			broken(rq, "box %s: fd%u %s", name, i, why);
		close(fd);
		came++;
	}
	*fds += came;
	close(box);
	if (!rq->error && came != entry->nr_fds)
		broken(rq, "box %s: %u fds came out of it, and LIST says %u", name, came,
		       (unsigned int)entry->nr_fds);
	if (!rq->error && ioctl(control, FDBOX_DELETE_BOX, &arg))
		fail(rq, "FDBOX_DELETE_BOX");
	return rq->error ? -1 : 0;
}

/* What a storm has left, here or in the kernel before this one: look at it, and away with it. */
int op_storm_collect(struct request *rq)
{
	struct fdbox_entry entries[LIST_MAX];
	struct fdbox_list arg = {
		.entries = (unsigned long)entries,
		.entry_size = sizeof(entries[0]),
		.count = LIST_MAX,
	};
	int control = open(CONTROL, O_RDWR | O_CLOEXEC);
	u64 boxes = 0, fds = 0, least = 0;
	u32 i;

	if (control < 0)
		return fail(rq, "open of " CONTROL);
	arg_u64(rq, "least", &least);
	if (ioctl(control, FDBOX_LIST, &arg))
		fail(rq, "FDBOX_LIST");
	for (i = 0; i < arg.count && i < LIST_MAX && !rq->error; i++) {
		if (strncmp((char *)entries[i].name, "storm", strlen("storm")))
			continue;
		collect_box(rq, &entries[i], control, &fds);
		boxes++;
	}
	close(control);
	buf_member_u64(rq->out, "boxes", boxes);
	buf_member_u64(rq->out, "fds", fds);
	if (!rq->error && (boxes < least || fds < least))
		refuse(rq, "%llu boxes with %llu fds: that was no test", boxes, fds);
	return rq->error ? -1 : 0;
}
