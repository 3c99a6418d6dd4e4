/* SPDX-License-Identifier: GPL-2.0-only */
/* What a storm on LUO leaves for the next kernel, and how that one knows of it. */
#ifndef AGENT_LUO_STORM_H
#define AGENT_LUO_STORM_H

#include "luo.h"
#include "stamp.h"
#include "workers.h"

#define STORM_SESSIONS	4U	/* the agent's, which all processes fill */
#define STORM_TOKENS	1024U	/* in each of them */
#define STORM_OWN	8U	/* names of sessions that any process makes and closes */
#define STORM_LEDGER	BIT_ULL(32) /* token of the ledger, in the first session */

/* The fds that a process of the storm has from the agent. */
#define STORM_DEVICE	WORKER_FD
#define STORM_SESSION(n) (WORKER_FD + 1 + (n))

/*
 * In a memfd that travels itself and is written until the jump: what the kernel has said that it
 * preserves, and what has to arrive therefore.
 */
struct ledger {
	bool put[STORM_SESSIONS][STORM_TOKENS];
};

/* What a call may come to. */
struct storm_call {
	const char *name;
	bool refused;		/* it must not succeed */
	int errnos[4];
};

/* The argument of a call about the session of that kind and number. */
struct luo_session storm_session(const char *kind, unsigned int number);
/* A new mapping of a ledger, or NULL after failing the request. */
struct ledger *storm_map(struct request *rq, int memfd);
/* Count what a call of a worker's came to, and see that it may. Returns ret. */
int storm_judge(struct worker *worker, const struct storm_call *calls, int op, int ret);
/* Wait for the workers, and report what their calls came to. */
int storm_end(struct request *rq, struct workers *workers, const struct storm_call *calls,
	      unsigned int needed);

#endif
