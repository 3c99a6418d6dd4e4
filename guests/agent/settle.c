// SPDX-License-Identifier: GPL-2.0-only
/* Before memory is counted. */
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "ops.h"

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -1;
	ret = write_all(fd, text, strlen(text));
	close(fd);
	return ret;
}

static void read_through(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char data[4096];

	if (fd < 0)
		return;
	while (read(fd, data, sizeof(data)) > 0)
		;
	close(fd);
}

/* Empty slabs, with them what KASAN has in its quarantine. */
static void shrink_slabs(void)
{
	glob_t caches = { 0 };
	size_t i;

	if (!glob("/sys/kernel/slab/*/shrink", GLOB_NOSORT, NULL, &caches))
		for (i = 0; i < caches.gl_pathc; i++)
			write_file(caches.gl_pathv[i], "1");
	globfree(&caches);
}

/*
 * What can be dropped is dropped, caches, and on request what the
 * slabs keep at hand; what each CPU has counted is added up.
 */
int op_settle(struct request *rq)
{
	bool shrink = false;

	if (arg_bool(rq, "shrink", &shrink))
		return -1;
	if (write_file("/proc/sys/vm/drop_caches", "3"))
		return fail(rq, "drop_caches");
	/* To read it is what adds up; it may say that a counter is below zero. */
	read_through("/proc/sys/vm/stat_refresh");
	if (shrink)
		shrink_slabs();
	return 0;
}
