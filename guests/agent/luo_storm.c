// SPDX-License-Identifier: GPL-2.0-only
/*
 * A storm on the Live Update Orchestrator: processes that fill the same sessions, make and close
 * others, and ask for what a session that has not travelled must refuse. Half of them share their
 * fds with another process that keeps replacing and closing them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "luo_storm.h"
#include "ops.h"

/* A process's own sessions, the memfds that it puts, and the one that it has put last. */
#define OWN_FD 64
#define OWN 4U
#define FILE_FD 80
#define FILES 8U
#define LAST_FD 96

enum { CREATE, CLOSE, PRESERVE, NAME, AGAIN, RETRIEVE, FINISH, CALLS };

/* A storm in the background is under way when so many puts are noted. */
#define UNDER_WAY 100U

/* What must have succeeded once. */
#define NEEDED (NAME + 1)

/* EBADF: only where the other process may have closed the fd. */
static const struct storm_call calls[] = {
	[CREATE]	= { "create", false, { EEXIST } },
	[CLOSE]		= { "close", false, { EBADF } },
	[PRESERVE]	= { "preserve", false, { EEXIST, EBUSY, EBADF } },
	[NAME]		= { "name", false, { EBADF } },
	[AGAIN]		= { "preserve again", true, { EBUSY, EEXIST } },
	[RETRIEVE]	= { "retrieve", true, { EINVAL, EBADF } },
	[FINISH]	= { "finish", true, { EINVAL, EBADF } },
	[CALLS]		= { NULL },
};

struct storm {
	u64 seed, seconds, processes, background;
	struct ledger *ledger;
};

struct actor {
	struct worker *worker;
	const struct storm *storm;
	bool shared;		/* another process has the same fd table */
	int last_own;		/* the session of its own that has the last memfd, or -1 */
	u64 last;		/* id of the last memfd */
};

/* Until they are taken away, or the jump. */
static int stormed[STORM_SESSIONS];
static unsigned int nr_stormed;

static int judge(struct actor *actor, int op, int ret)
{
	if (ret < 0 && errno == EBADF && !actor->shared)
		worker_wrong(actor->worker, "%s: EBADF for an open fd", calls[op].name);
	return storm_judge(actor->worker, calls, op, ret);
}

static void create(struct actor *actor, unsigned int own)
{
	unsigned int number = worker_pick(actor->worker, STORM_OWN);
	struct luo_session arg = storm_session("own", number);

	if (judge(actor, CREATE, ioctl(STORM_DEVICE, LUO_CREATE_SESSION, &arg)) < 0)
		return;
	dup2(arg.fd, OWN_FD + own);
	close(arg.fd);
}

/* What such a session had is as it was, and nothing holds it any more. */
static void close_own(struct actor *actor, unsigned int own)
{
	const char *why;

	judge(actor, CLOSE, close(OWN_FD + own));
	if (actor->last_own != (int)own)
		return;
	why = stamp_check(LAST_FD, stamp_name(actor->last));
	if (why)
		worker_wrong(actor->worker, "a memfd whose session was closed %s", why);
	if (ftruncate(LAST_FD, SZ_1M))
		worker_wrong(actor->worker, "a memfd whose session was closed: ftruncate: %s",
			     errno_name(errno));
	close(LAST_FD);
	actor->last_own = -1;
}

/* Under a token that fits the name by which the memfd knows itself. */
static int preserve(struct actor *actor, int op, unsigned int session, u64 id, int fd)
{
	unsigned int row = worker_pick(actor->worker, STORM_TOKENS / STAMP_NAMES);
	struct luo_fd arg = {
		.size = sizeof(arg),
		.fd = fd,
		.token = stamp_name(id) + STAMP_NAMES * row,
	};
	int at = session < STORM_SESSIONS ? (int)STORM_SESSION(session) :
					    (int)(OWN_FD + session - STORM_SESSIONS);
	int ret = judge(actor, op, ioctl(at, LUO_PRESERVE_FD, &arg));

	if (!ret && session < STORM_SESSIONS)
		actor->storm->ledger->put[session][arg.token] = true;
	return ret;
}

static void put(struct actor *actor, unsigned int session)
{
	struct worker *worker = actor->worker;
	int at = FILE_FD + worker_pick(worker, FILES), fd;
	u64 id = worker_random(worker);

	id = actor->shared ? id | STAMP_LOOSE : id & ~STAMP_LOOSE;
	fd = stamp_create(id);
	if (fd < 0 || dup2(fd, at) < 0)
		return worker_failed(worker, "memfd_create");
	if (preserve(actor, PRESERVE, session, id, at) || actor->shared) {
		close(fd);
		return;
	}
	dup2(fd, LAST_FD);
	close(fd);
	close(at);
	actor->last = id;
	actor->last_own = session < STORM_SESSIONS ? -1 : (int)(session - STORM_SESSIONS);
}

/* A file is in one session, whoever asks. */
static void again(struct actor *actor, unsigned int session)
{
	if (fcntl(LAST_FD, F_GETFD) >= 0)
		preserve(actor, AGAIN, session, actor->last, LAST_FD);
}

static void ask_name(struct actor *actor, unsigned int session)
{
	struct luo_session expected = storm_session("storm", session);
	struct luo_name arg = { .size = sizeof(arg) };

	if (judge(actor, NAME, ioctl(STORM_SESSION(session), LUO_GET_NAME, &arg)))
		return;
	if (memcmp(arg.name, expected.name, sizeof(arg.name)))
		worker_wrong(actor->worker, "a session has the name of another one");
}

static void act(struct actor *actor)
{
	unsigned int own = worker_pick(actor->worker, OWN);
	unsigned int session = worker_pick(actor->worker, STORM_SESSIONS);
	unsigned int any = worker_pick(actor->worker, 2) ? session : STORM_SESSIONS + own;
	struct luo_finish finish = { .size = sizeof(finish) };
	struct luo_fd retrieve = { .size = sizeof(retrieve) };
	unsigned int chance = worker_pick(actor->worker, 100);

	if (chance < 15) {
		if (fcntl(OWN_FD + own, F_GETFD) < 0)
			create(actor, own);
		else
			close_own(actor, own);
	} else if (any >= STORM_SESSIONS && fcntl(OWN_FD + own, F_GETFD) < 0) {
		return;
	} else if (chance < 60) {
		put(actor, any);
	} else if (chance < 75) {
		again(actor, any);
	} else if (chance < 83) {
		ask_name(actor, session);
	} else if (chance < 92) {
		judge(actor, RETRIEVE, ioctl(STORM_SESSION(session), LUO_RETRIEVE_FD, &retrieve));
	} else {
		judge(actor, FINISH, ioctl(STORM_SESSION(session), LUO_FINISH, &finish));
	}
}

/* The company: what is at the numbers that are used changes and goes away at any moment. */
static void disturb(struct worker *worker)
{
	int fd = stamp_create(worker_random(worker) | STAMP_LOOSE);

	for (;;) {
		dup2(fd, FILE_FD + worker_pick(worker, FILES));
		close(FILE_FD + worker_pick(worker, FILES));
		close(OWN_FD + worker_pick(worker, OWN));
	}
}

static void storm_process(struct worker *worker)
{
	const struct storm *storm = worker->context;
	struct actor actor = {
		.worker = worker,
		.storm = storm,
		.shared = worker->number % 2,
		.last_own = -1,
	};
	u64 end = now_ms() + storm->seconds * 1000;
	pid_t company = 0;

	if (actor.shared)
		company = worker_join(worker, disturb);
	while (worker_goes_on(worker, end, NEEDED))
		act(&actor);
	worker_part(company);
}

/* The ledger is the first that is preserved; its mapping stays when its fd is closed. */
static struct ledger *make_ledger(struct request *rq, int session)
{
	int memfd = memfd_create("ledger", MFD_CLOEXEC);
	struct luo_fd arg = { .size = sizeof(arg), .fd = memfd, .token = STORM_LEDGER };
	struct ledger *ledger = NULL;

	if (memfd < 0 || ftruncate(memfd, sizeof(*ledger)))
		fail(rq, "memfd of the ledger");
	else if (ioctl(session, LUO_PRESERVE_FD, &arg))
		fail(rq, "LIVEUPDATE_SESSION_PRESERVE_FD");
	else
		ledger = storm_map(rq, memfd);
	if (memfd >= 0)
		close(memfd);
	return ledger;
}

static void close_sessions(void)
{
	while (nr_stormed)
		close(stormed[--nr_stormed]);
}

static int open_sessions(struct request *rq, int device)
{
	struct luo_session arg;

	for (close_sessions(); nr_stormed < STORM_SESSIONS; nr_stormed++) {
		arg = storm_session("storm", nr_stormed);
		if (ioctl(device, LUO_CREATE_SESSION, &arg))
			return fail(rq, "LIVEUPDATE_IOCTL_CREATE_SESSION");
		stormed[nr_stormed] = arg.fd;
	}
	return 0;
}

static int wait_until_under_way(struct request *rq, const struct ledger *ledger)
{
	u64 end = now_ms() + PATIENCE_MS;
	unsigned int session, token, puts;

	do {
		usleep(10000);
		for (puts = session = 0; session < STORM_SESSIONS; session++)
			for (token = 0; token < STORM_TOKENS; token++)
				puts += ledger->put[session][token];
	} while (puts < UNDER_WAY && now_ms() < end);
	return puts < UNDER_WAY ? refuse(rq, "%u puts: that is no storm", puts) : 0;
}

int op_luo_storm(struct request *rq)
{
	struct storm storm = { .seconds = 3, .processes = 6 };
	struct workers workers = { .nr_kept = 1 + STORM_SESSIONS };
	int device = luo_device(rq), ret;

	if (device < 0 || arg_u64(rq, "seed", &storm.seed) ||
	    arg_u64(rq, "seconds", &storm.seconds) || arg_u64(rq, "processes", &storm.processes) ||
	    arg_u64(rq, "background", &storm.background) || open_sessions(rq, device))
		return -1;
	storm.ledger = make_ledger(rq, stormed[0]);
	if (!storm.ledger)
		return -1;
	workers.kept[0] = device;
	memcpy(workers.kept + 1, stormed, sizeof(stormed));
	ret = workers_start(rq, &workers, storm.processes, storm.seed, storm_process, &storm);
	if (!ret && storm.background)
		ret = wait_until_under_way(rq, storm.ledger);
	else if (!ret)
		ret = storm_end(rq, &workers, calls, NEEDED);
	munmap(storm.ledger, sizeof(*storm.ledger));
	return ret;
}

/* What the last storm has preserved is its files' own again. */
int op_luo_storm_close(struct request *rq)
{
	(void)rq;
	close_sessions();
	return 0;
}
