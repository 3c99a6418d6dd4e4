/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls in which allocations of the kernel's fail. */
#ifndef AGENT_FAULTY_H
#define AGENT_FAULTY_H

#include <stdbool.h>

#include "request.h"

/* Allocations that may wait fail too, and nothing is printed each time. */
int allow_faults(struct request *rq);

/* What the next two are told by: of this thread. -1 after failing the request. */
int open_fail_nth(struct request *rq);

/* From now on count allocations, and fail the n-th. */
int fail_from_now_on(struct request *rq, int fail_nth, unsigned int n);

/* No more of it; whether there was one that failed. Leaves errno as it is. */
int has_failed(struct request *rq, int fail_nth, bool *injected);

/*
 * An ioctl, in which the allocation fails that argument "fail_nth" counts: its result, or -1 after
 * failing the request.
 */
int faulty_ioctl(struct request *rq, int fd, unsigned int command, void *arg, const char *what);

/* Every n-th allocation of this thread within a function of the kernel fails from now on. */
int fail_within(struct request *rq, const char *function, u64 every);

/* No more of it; how many have failed. Leaves errno as it is. */
int end_of_failing(struct request *rq, u64 *failed);

#endif
