// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls in which allocations of the kernel's fail: the n-th, or every n-th within a function.
 *
 * Needs FAULT_INJECTION with FAILSLAB, FAIL_PAGE_ALLOC and their debugfs files; what is about
 * functions FAULT_INJECTION_STACKTRACE_FILTER, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "faulty.h"

#define FAULTS "/sys/kernel/debug/"
#define MAKE_IT_FAIL "/proc/thread-self/make-it-fail"
/* More than anybody waits for. */
#define TIMES 1000000
#define FAIL_NTH "/proc/thread-self/fail-nth"

static int write_file(struct request *rq, const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, text, strlen(text)) > 0;

	/* Not as the name of a call: that the kernel cannot be told to fail is no fault of its. */
	if (!written)
		refuse(rq, "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return written ? 0 : -1;
}

int allow_faults(struct request *rq)
{
	return write_file(rq, FAULTS "failslab/ignore-gfp-wait", "N") ?:
	       write_file(rq, FAULTS "failslab/verbose", "0") ?:
	       write_file(rq, FAULTS "fail_page_alloc/ignore-gfp-wait", "N") ?:
	       write_file(rq, FAULTS "fail_page_alloc/ignore-gfp-highmem", "N") ?:
	       write_file(rq, FAULTS "fail_page_alloc/min-order", "0") ?:
	       write_file(rq, FAULTS "fail_page_alloc/verbose", "0");
}

int open_fail_nth(struct request *rq)
{
	int fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);

	return fd < 0 ? refuse(rq, "open of " FAIL_NTH ": %s", strerror(errno)) : fd;
}

int fail_from_now_on(struct request *rq, int fail_nth, unsigned int n)
{
	char text[16] = { 0 };

	snprintf(text, sizeof(text), "%u", n);
	if (pwrite(fail_nth, text, strlen(text), 0) < 0)
		return fail(rq, "write to fail-nth");
	return 0;
}

int has_failed(struct request *rq, int fail_nth, bool *injected)
{
	char text[16] = { 0 };
	int error = errno;

	if (pread(fail_nth, text, sizeof(text) - 1, 0) < 0 || pwrite(fail_nth, "0", 1, 0) < 0)
		return fail(rq, "fail-nth");
	*injected = !strtoul(text, NULL, 10);
	errno = error;
	return 0;
}

static int failing_ioctl(struct request *rq, int fd, unsigned int command, void *arg, u64 n,
			 const char *what)
{
	bool injected = false;
	int fail_nth, ret;

	if (allow_faults(rq))
		return -1;
	fail_nth = open_fail_nth(rq);
	if (fail_nth < 0)
		return -1;
	ret = fail_from_now_on(rq, fail_nth, n);
	if (!ret) {
		ret = ioctl(fd, command, arg);
		if (!has_failed(rq, fail_nth, &injected) && !injected)
			ret = refuse(rq, "%s has no allocation number %llu", what, n);
		else if (ret < 0 && !rq->error)
			fail(rq, what);
	}
	close(fail_nth);
	return rq->error ? -1 : ret;
}

int faulty_ioctl(struct request *rq, int fd, unsigned int command, void *arg, const char *what)
{
	u64 n = 0;
	int ret;

	if (arg_u64(rq, "fail_nth", &n))
		return -1;
	if (n)
		return failing_ioctl(rq, fd, command, arg, n, what);
	ret = ioctl(fd, command, arg);
	return ret < 0 ? fail(rq, what) : ret;
}

/* From where to where the code of a function is: up to the next symbol. */
static int find_function(struct request *rq, const char *function, u64 *from, u64 *to)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	char line[512], name[256];
	u64 address;
	int pass;

	if (!symbols)
		return refuse(rq, "/proc/kallsyms: %s", strerror(errno));
	*from = 0;
	*to = ~0ULL;
	/* They are not sorted. */
	for (pass = 0; pass < 2; pass++) {
		rewind(symbols);
		while (fgets(line, sizeof(line), symbols)) {
			if (sscanf(line, "%llx %*c %255s", &address, name) != 2)
				continue;
			if (pass && address > *from && address < *to)
				*to = address;
			else if (!pass && !strcmp(name, function))
				*from = address;
		}
	}
	fclose(symbols);
	return *from ? 0 : refuse(rq, "the kernel has no function '%.64s'", function);
}

static int write_number(struct request *rq, const char *path, u64 number)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", number);
	return write_file(rq, path, text);
}

int fail_within(struct request *rq, const char *function, u64 every)
{
	u64 from, to;

	return find_function(rq, function, &from, &to) ?: allow_faults(rq) ?:
	       write_number(rq, FAULTS "failslab/require-start", from) ?:
	       write_number(rq, FAULTS "failslab/require-end", to) ?:
	       write_file(rq, FAULTS "failslab/task-filter", "Y") ?:
	       write_number(rq, FAULTS "failslab/interval", every) ?:
	       write_number(rq, FAULTS "failslab/times", TIMES) ?:
	       write_file(rq, MAKE_IT_FAIL, "1") ?:
	       write_number(rq, FAULTS "failslab/probability", 100);
}

int end_of_failing(struct request *rq, u64 *failed)
{
	int error = errno, fd;
	char text[24] = "";

	if (write_file(rq, FAULTS "failslab/probability", "0") || write_file(rq, MAKE_IT_FAIL, "0"))
		return -1;
	fd = open(FAULTS "failslab/times", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		refuse(rq, FAULTS "failslab/times: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	*failed = TIMES - strtoull(text, NULL, 10);
	errno = error;
	return rq->error ? -1 : 0;
}
