// SPDX-License-Identifier: GPL-2.0-only
/*
 * After the jump: processes that take out, at the same time, what a storm has left in sessions of
 * LUO. The even sessions are retrieved by the agent, so that all processes take from the same one;
 * the others, and those that the processes of the storm made for themselves, are whose process
 * asks first.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "luo_storm.h"
#include "ops.h"

enum { TAKE, GET, FINISH, PUT, CALLS };

/* What must have succeeded once. */
#define NEEDED (FINISH + 1)

/* Whether an fd may be missing the ledger says. */
static const struct storm_call calls[] = {
	[TAKE]	= { "retrieve session", false, { EINVAL, ENOENT } },
	[GET]	= { "retrieve", false, { ENOENT } },
	[FINISH]	= { "finish", false, { 0 } },
	[PUT]	= { "preserve", true, { EINVAL } },
	[CALLS]	= { NULL },
};

/* What all processes know. */
struct taken {
	bool got[STORM_SESSIONS][STORM_TOKENS];
	bool finishing[STORM_SESSIONS];	/* before it is, so that what is missing then may be */
	bool finished[STORM_SESSIONS];
	u64 own;			/* fds from sessions of the processes of the storm */
};

struct collection {
	const struct ledger *ledger;
	struct taken *taken;
	u64 end;
};

struct taker {
	struct worker *worker;
	const struct collection *about;
	int fds[STORM_SESSIONS];	/* the sessions, or -1 */
};

struct luo_session storm_session(const char *kind, unsigned int number)
{
	struct luo_session arg = { .size = sizeof(arg) };

	snprintf((char *)arg.name, sizeof(arg.name), "%s%u", kind, number);
	return arg;
}

struct ledger *storm_map(struct request *rq, int memfd)
{
	void *at = mmap(NULL, sizeof(struct ledger), PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);

	if (at != MAP_FAILED)
		return at;
	fail(rq, "mmap");
	return NULL;
}

int storm_judge(struct worker *worker, const struct storm_call *of, int op, int ret)
{
	int error = ret < 0 ? errno : 0;
	size_t i;

	worker->result->calls[op][error]++;
	if (!error && !of[op].refused)
		return ret;
	for (i = 0; error && i < ARRAY_SIZE(of[op].errnos); i++)
		if (of[op].errnos[i] == error)
			return ret;
	worker_wrong(worker, "%s came to %s", of[op].name, error ? errno_name(error) : "ok");
	return ret;
}

int storm_end(struct request *rq, struct workers *workers, const struct storm_call *of,
	      unsigned int needed)
{
	const char *names[TALLY_OPS] = { 0 };
	unsigned int op;

	for (op = 0; of[op].name; op++)
		names[op] = of[op].name;
	return workers_wait(rq, workers) ?: workers_report(rq, workers, names, needed);
}

/* Take one fd out of a session and look at it. Whether it was there. */
static bool get(struct worker *worker, int session, u64 token)
{
	struct luo_fd arg = { .size = sizeof(arg), .token = token };
	const char *why;

	if (storm_judge(worker, calls, GET, ioctl(session, LUO_RETRIEVE_FD, &arg)))
		return false;
	why = stamp_check(arg.fd, token % STAMP_NAMES);
	if (why)
		worker_wrong(worker, "a memfd that came out %s", why);
	close(arg.fd);
	return true;
}

static void finish(struct worker *worker, int session)
{
	struct luo_finish arg = { .size = sizeof(arg) };

	storm_judge(worker, calls, FINISH, ioctl(session, LUO_FINISH, &arg));
}

static int take(struct worker *worker, const char *kind, unsigned int number)
{
	struct luo_session arg = storm_session(kind, number);

	if (storm_judge(worker, calls, TAKE, ioctl(STORM_DEVICE, LUO_RETRIEVE_SESSION, &arg)))
		return -1;
	return arg.fd;
}

/* What processes of the storm were about: anything may be missing, and all must be whole. */
static void take_own(struct taker *taker)
{
	int session = take(taker->worker, "own", worker_pick(taker->worker, STORM_OWN));
	u64 token;

	if (session < 0)
		return;
	for (token = 0; token < STORM_TOKENS; token++)
		if (get(taker->worker, session, token))
			__atomic_fetch_add(&taker->about->taken->own, 1, __ATOMIC_RELAXED);
	if (worker_pick(taker->worker, 2))
		finish(taker->worker, session);
	close(session);
}

/* The next that must be there and was not taken out, from a random one on, or STORM_TOKENS. */
static unsigned int next(struct taker *taker, unsigned int session)
{
	const struct collection *about = taker->about;
	unsigned int first = worker_pick(taker->worker, STORM_TOKENS), i, token;

	for (i = 0; i < STORM_TOKENS; i++) {
		token = (first + i) % STORM_TOKENS;
		if (about->ledger->put[session][token] && !about->taken->got[session][token])
			return token;
	}
	return STORM_TOKENS;
}

static void take_from(struct taker *taker, unsigned int session)
{
	struct taken *taken = taker->about->taken;
	struct luo_fd put = { .size = sizeof(put), .fd = 0, .token = STORM_TOKENS };
	unsigned int token = next(taker, session);
	int fd = taker->fds[session];

	if (token == STORM_TOKENS) {
		__atomic_store_n(&taken->finishing[session], true, __ATOMIC_SEQ_CST);
		finish(taker->worker, fd);
		__atomic_store_n(&taken->finished[session], true, __ATOMIC_SEQ_CST);
		return;
	}
	/* Now and then any, also one that was taken out before. */
	if (!worker_pick(taker->worker, 4))
		token = worker_pick(taker->worker, STORM_TOKENS);
	if (!worker_pick(taker->worker, 16))
		storm_judge(taker->worker, calls, PUT, ioctl(fd, LUO_PRESERVE_FD, &put));
	if (get(taker->worker, fd, token))
		taken->got[session][token] = true;
	else if (taker->about->ledger->put[session][token] &&
		 !__atomic_load_n(&taken->finishing[session], __ATOMIC_SEQ_CST))
		worker_wrong(taker->worker, "storm%u: what was put as %u is not there", session,
			     token);
}

static bool goes_on(const struct taker *taker)
{
	unsigned int session;

	if (*taker->worker->result->wrong || now_ms() >= taker->about->end)
		return false;
	for (session = 0; session < STORM_SESSIONS; session++)
		if (!taker->about->taken->finished[session])
			return true;
	return false;
}

static void take_process(struct worker *worker)
{
	struct taker taker = { .worker = worker, .about = worker->context };
	unsigned int session;

	for (session = 0; session < STORM_SESSIONS; session++)
		taker.fds[session] = session % 2 ? -1 : (int)STORM_SESSION(session / 2);
	while (goes_on(&taker)) {
		session = worker_pick(worker, STORM_SESSIONS + 1);
		if (session == STORM_SESSIONS)
			take_own(&taker);
		else if (taker.fds[session] >= 0 && worker_pick(worker, 8))
			take_from(&taker, session);
		else if (taker.fds[session] < 0)
			taker.fds[session] = take(worker, "storm", session);
		else if (take(worker, "storm", session) >= 0)
			worker_wrong(worker, "storm%u was retrieved twice", session);
	}
}

/* How many fds have come out; fails the request when one is missing. */
static u64 count(struct request *rq, const struct collection *about)
{
	unsigned int session, token;
	u64 fds = 0;
	bool got;

	for (session = 0; session < STORM_SESSIONS; session++) {
		/* What the kernel may not say to FINISH was told by the worker that asked. */
		if (!about->taken->finished[session]) {
			if (!rq->error)
				refuse(rq, "storm%u: %u s were not enough to finish it", session,
				       PATIENCE_MS / 1000);
			continue;
		}
		for (token = 0; token < STORM_TOKENS; token++) {
			got = about->taken->got[session][token];
			fds += got;
			if (about->ledger->put[session][token] && !got)
				broken(rq, "storm%u: what was put as %u was not taken out", session,
				       token);
		}
	}
	return fds;
}

static int retrieve(struct request *rq, int device, unsigned int number)
{
	struct luo_session arg = storm_session("storm", number);

	if (ioctl(device, LUO_RETRIEVE_SESSION, &arg))
		return fail(rq, "LIVEUPDATE_IOCTL_RETRIEVE_SESSION");
	return arg.fd;
}

static struct ledger *find_ledger(struct request *rq, int session)
{
	struct luo_fd arg = { .size = sizeof(arg), .token = STORM_LEDGER };
	struct ledger *ledger;

	if (ioctl(session, LUO_RETRIEVE_FD, &arg)) {
		fail(rq, "LIVEUPDATE_SESSION_RETRIEVE_FD");
		return NULL;
	}
	ledger = storm_map(rq, arg.fd);
	close(arg.fd);
	return ledger;
}

/* With the agent's sessions open: let the processes take what is in all of them. */
static int collect(struct request *rq, struct workers *workers, const struct ledger *ledger)
{
	struct collection about = { .ledger = ledger, .end = now_ms() + PATIENCE_MS };
	u64 processes = 6, least = 1, fds;

	if (arg_u64(rq, "processes", &processes) || arg_u64(rq, "least", &least))
		return -1;
	about.taken = mmap(NULL, sizeof(*about.taken), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (about.taken == MAP_FAILED)
		return fail(rq, "mmap");
	if (!workers_start(rq, workers, processes, 1, take_process, &about))
		storm_end(rq, workers, calls, NEEDED);
	fds = rq->error ? 0 : count(rq, &about);
	buf_member_u64(rq->out, "fds", fds);
	buf_member_u64(rq->out, "own", about.taken->own);
	munmap(about.taken, sizeof(*about.taken));
	if (!rq->error && fds < least)
		refuse(rq, "%llu fds: that was no test", fds);
	return rq->error ? -1 : 0;
}

int op_luo_storm_collect(struct request *rq)
{
	struct workers workers = { .nr_kept = 1 };
	struct ledger *ledger = NULL;
	int device = luo_device(rq);
	unsigned int number;

	if (device < 0)
		return -1;
	workers.kept[0] = device;
	for (number = 0; number < STORM_SESSIONS && !rq->error; number += 2) {
		workers.kept[workers.nr_kept] = retrieve(rq, device, number);
		workers.nr_kept += !rq->error;
	}
	if (!rq->error)
		ledger = find_ledger(rq, workers.kept[1]);
	if (ledger) {
		collect(rq, &workers, ledger);
		munmap(ledger, sizeof(*ledger));
	}
	while (workers.nr_kept > 1)
		close(workers.kept[--workers.nr_kept]);
	return rq->error ? -1 : 0;
}
