// SPDX-License-Identifier: GPL-2.0-only
/* Every agent is killed, with all that it holds, and another one is started. */
#define _XOPEN_SOURCE 700
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

/* What program a process runs, as /proc says; empty for one that has ended. */
static void program(const char *process, char *path, size_t room)
{
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/%.32s/exe", process);
	len = readlink(link, path, room - 1);
	path[len > 0 ? len : 0] = '\0';
}

/* Kill a process and wait until it has let go of everything: until all its threads are gone. */
static int end(pid_t pid)
{
	struct pollfd ended = { .events = POLLIN };
	int ret = -1;

	ended.fd = syscall(SYS_pidfd_open, pid, 0);
	if (ended.fd < 0)
		return errno == ESRCH ? 0 : -1;
	if (!syscall(SYS_pidfd_send_signal, ended.fd, SIGKILL, NULL, 0) || errno == ESRCH) {
		do
			ret = poll(&ended, 1, -1);
		while (ret < 0 && errno == EINTR);
	}
	close(ended.fd);
	return ret < 0 ? -1 : 0;
}

/* Who has no program any more may still have its fds. */
static bool is_ending_agent(const char *pid)
{
	char path[PATH_MAX], state = 'X';
	FILE *stat;
	bool read;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	stat = fopen(path, "re");
	read = stat && fscanf(stat, "%*d (agent) %c", &state) == 1;
	if (stat)
		fclose(stat);
	return read && state != 'Z' && state != 'X';
}

/* One look through all processes; how many others run our program and were ended, or -1. */
static int end_others(const char *ours)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int count = 0;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		return -1;
	while (count >= 0 && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]) || atoi(entry->d_name) == getpid())
			continue;
		program(entry->d_name, path, sizeof(path));
		if (strcmp(path, ours) && (*path || !is_ending_agent(entry->d_name)))
			continue;
		count = end(atoi(entry->d_name)) ? -1 : count + 1;
	}
	closedir(proc);
	return count;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_folder(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", agent_dir(), name);
	return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) && errno != ENOENT ? -1 : 0;
}

int restart(void)
{
	char ours[PATH_MAX];
	int count;

	program("self", ours, sizeof(ours));
	/* Until a look finds none: one that is about to end may have started another. */
	do
		count = end_others(ours);
	while (count > 0);
	if (count || remove_folder(PROCESSES_NAME) || remove_folder(LINKS_NAME)) {
		perror("agent: cannot start anew");
		return 1;
	}
	return serve(false);
}
