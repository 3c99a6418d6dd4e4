// SPDX-License-Identifier: GPL-2.0-only
/* Processes that do something at the same time. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "workers.h"

u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

u64 worker_random(struct worker *worker)
{
	u64 z = worker->random += 0x9E3779B97F4A7C15;

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
	return z ^ (z >> 31);
}

unsigned int worker_pick(struct worker *worker, unsigned int limit)
{
	return (worker_random(worker) >> 32) % limit;
}

void worker_wrong(struct worker *worker, const char *format, ...)
{
	va_list args;

	if (*worker->result->wrong)
		return;
	va_start(args, format);
	vsnprintf(worker->result->wrong, sizeof(worker->result->wrong), format, args);
	va_end(args);
}

void worker_failed(struct worker *worker, const char *call)
{
	worker->result->failed |= !*worker->result->wrong;
	worker_wrong(worker, "%s: %s", call, strerror(errno));
}

bool worker_goes_on(const struct worker *worker, u64 end, unsigned int needed)
{
	const struct result *result = worker->result;
	u64 now = now_ms();
	unsigned int op;

	if (*result->wrong || now >= end + PATIENCE_MS)
		return false;
	for (op = 0; op < needed; op++)
		if (!result->calls[op][0])
			return true;
	return now < end;
}

pid_t worker_join(struct worker *worker, worker_fn *run)
{
	pid_t company = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);

	if (company)
		return company;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run(worker);
	_exit(0);
}

void worker_part(pid_t company)
{
	if (company <= 0)
		return;
	kill(company, SIGKILL);
	waitpid(company, NULL, 0);
}

void worker_let_fail(struct worker *worker)
{
	int fd = open("/proc/self/make-it-fail", O_WRONLY);

	if (fd < 0 || write(fd, "1", 1) != 1)
		worker_failed(worker, "make-it-fail");
	close(fd);
}

/* Of the agent's fds only the end of the pipe is left, as number 3, and those that are kept. */
static void keep_fds(const struct workers *workers, int ended)
{
	unsigned int behind = WORKER_FD + workers->nr_kept, i;
	int copies[WORKER_FDS];

	ended = fcntl(ended, F_DUPFD, behind);
	for (i = 0; i < workers->nr_kept; i++)
		copies[i] = fcntl(workers->kept[i], F_DUPFD, behind);
	dup2(ended, 3);
	for (i = 0; i < workers->nr_kept; i++)
		dup2(copies[i], WORKER_FD + i);
	syscall(SYS_close_range, behind, ~0U, 0);
}

/* In the child. */
static void work(const struct workers *workers, struct worker *worker, int ended, worker_fn *run)
{
	signal(SIGCHLD, SIG_DFL);
	keep_fds(workers, ended);
	if (write(3, "", 1) != 1)
		worker_failed(worker, "write");
	run(worker);
	worker->result->done = true;
	_exit(0);
}

/* Until then a worker has copies of the agent's fds, and no box with one of these can be sealed. */
static void wait_for_start(const struct workers *workers)
{
	unsigned int started = 0;
	char byte;

	while (started < workers->count && read(workers->ended, &byte, 1) == 1)
		started++;
}

int workers_start(struct request *rq, struct workers *workers, unsigned int count, u64 seed,
		  worker_fn *run, const void *context)
{
	struct worker worker = { .context = context };
	int ends[2];
	pid_t pid;

	if (!count || count > WORKERS_MAX)
		return refuse(rq, "'processes' is 1 to %u", WORKERS_MAX);
	workers->count = count;
	workers->results = mmap(NULL, count * sizeof(*workers->results), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (workers->results == MAP_FAILED)
		return fail(rq, "mmap");
	if (pipe2(ends, O_CLOEXEC))
		return fail(rq, "pipe2");
	workers->ended = ends[0];
	for (worker.number = 0; worker.number < count; worker.number++) {
		worker.result = &workers->results[worker.number];
		worker.random = seed * WORKERS_MAX + worker.number;
		pid = fork();
		if (!pid)
			work(workers, &worker, ends[1], run);
		if (pid < 0)
			worker_failed(&worker, "fork");
	}
	close(ends[1]);
	wait_for_start(workers);
	return 0;
}

int workers_wait(struct request *rq, struct workers *workers)
{
	unsigned int i;
	char byte;

	while (read(workers->ended, &byte, 1) < 0 && errno == EINTR)
		;
	close(workers->ended);
	for (i = 0; i < workers->count; i++) {
		if (workers->results[i].failed)
			return refuse(rq, "process %u: %s: that was no test", i,
				      workers->results[i].wrong);
		if (*workers->results[i].wrong)
			return broken(rq, "process %u: %s", i, workers->results[i].wrong);
		if (!workers->results[i].done)
			return broken(rq, "process %u was killed", i);
	}
	return 0;
}

void workers_free(struct workers *workers)
{
	munmap(workers->results, workers->count * sizeof(*workers->results));
}

static void report_op(struct buf *out, const u64 calls[TALLY_ERRNOS])
{
	int error;

	buf_open(out, '{');
	for (error = 0; error < TALLY_ERRNOS; error++)
		if (calls[error])
			buf_member_u64(out, error ? errno_name(error) : "ok", calls[error]);
	buf_close(out, '}');
}

int workers_report(struct request *rq, struct workers *workers, const char *const names[],
		   unsigned int needed)
{
	u64 calls[TALLY_ERRNOS];
	unsigned int op, i, error;
	int ret = 0;

	buf_key(rq->out, "calls");
	buf_open(rq->out, '{');
	for (op = 0; op < TALLY_OPS && names[op]; op++) {
		memset(calls, 0, sizeof(calls));
		for (i = 0; i < workers->count; i++)
			for (error = 0; error < TALLY_ERRNOS; error++)
				calls[error] += workers->results[i].calls[op][error];
		buf_key(rq->out, names[op]);
		report_op(rq->out, calls);
		if (op < needed && !calls[0])
			ret = refuse(rq, "not one '%s' succeeded: that was no test", names[op]);
	}
	buf_close(rq->out, '}');
	workers_free(workers);
	return ret;
}
