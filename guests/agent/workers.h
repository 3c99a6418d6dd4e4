/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes that do something at the same time, and what came of it. */
#ifndef AGENT_WORKERS_H
#define AGENT_WORKERS_H

#include <sys/types.h>

#include "request.h"

#define WORKERS_MAX 32
#define PATIENCE_MS 60000	/* how long a busy host may take for what should take no time */
#define WORKER_FD 4		/* the first fd that a worker keeps */
#define WORKER_FDS 8
#define TALLY_OPS 16
#define TALLY_ERRNOS 136

/* Of one worker, in memory that it shares with the agent. */
struct result {
	u64 calls[TALLY_OPS][TALLY_ERRNOS];	/* by operation and errno, 0 for success */
	bool done;				/* it came to its end */
	bool failed;				/* what is wrong is no fault of the kernel's */
	char wrong[200];			/* the first thing that must not be */
};

struct worker {
	struct result *result;
	unsigned int number;
	u64 random;		/* state: the same seed gives the same worker */
	const void *context;
};

typedef void worker_fn(struct worker *worker);

struct workers {
	struct result *results;
	unsigned int count;
	int ended;		/* end of file when all workers have ended */
	int kept[WORKER_FDS];	/* fds of the agent's that they keep */
	unsigned int nr_kept;
};

u64 now_ms(void);
u64 worker_random(struct worker *worker);
/* A number below limit. */
unsigned int worker_pick(struct worker *worker, unsigned int limit);
/*
 * Whether a worker has to go on: until then, by now_ms(), and until each of the first so many
 * operations has succeeded once, for which a busy host may need longer.
 */
bool worker_goes_on(const struct worker *worker, u64 end, unsigned int needed);
/* Another process with the worker's own fds, that does this until they part. */
pid_t worker_join(struct worker *worker, worker_fn *run);
void worker_part(pid_t company);
/* From now on its allocations fail, as /sys/kernel/debug/failslab and fail_page_alloc say. */
void worker_let_fail(struct worker *worker);
__printf(2, 3)
void worker_wrong(struct worker *worker, const char *format, ...);
/* It cannot go on, as errno says: that was no test. */
void worker_failed(struct worker *worker, const char *call);

/*
 * Start so many processes. Of the agent's fds they have those that are kept, from WORKER_FD on in
 * that order; they go on when the connection that asked for them ends.
 */
int workers_start(struct request *rq, struct workers *workers, unsigned int count, u64 seed,
		  worker_fn *run, const void *context);
/* Wait for all; fails the request when one crashed, or saw something wrong. */
int workers_wait(struct request *rq, struct workers *workers);
void workers_free(struct workers *workers);
/*
 * Add the member "calls": { operation: { errno: how often } }. Refuses when one of the first so
 * many operations never succeeded. Frees the results.
 */
int workers_report(struct request *rq, struct workers *workers, const char *const names[],
		   unsigned int needed);

#endif
