// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of named fds. One lock guards the tables and the links that show them; it is never
 * held over a call on an fd, which may block. Two requests at once on the same name are a race
 * that the caller has asked for.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fds.h"
#include "ops.h"

#define NAME_LENGTH 200		/* a memfd's own name ends at 249 */

struct named {
	char name[NAME_LENGTH + 1];
	int fd;
};

struct fds {
	struct named *list;
	size_t count;
	size_t room;
	const char *links;	/* directory of the symbolic links, NULL: none */
};

struct fds held;
struct fds sessions;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int fds_link_into(const char *directory)
{
	if (mkdir(directory, 0700) && errno != EEXIST)
		return -1;
	held.links = directory;
	return 0;
}

static struct named *find(const struct fds *set, const char *name)
{
	size_t i;

	for (i = 0; i < set->count; i++)
		if (!strcmp(set->list[i].name, name))
			return &set->list[i];
	return NULL;
}

/* Links are a convenience for people with a shell: one that cannot be made fails nothing. */
static void link_update(const struct fds *set, const char *name, int fd)
{
	char path[PATH_MAX], target[64];

	if (!set->links)
		return;
	snprintf(path, sizeof(path), "%s/%s", set->links, name);
	unlink(path);
	if (fd < 0)
		return;
	snprintf(target, sizeof(target), "/proc/%d/fd/%d", getpid(), fd);
	if (symlink(target, path))
		perror(path);
}

static int drop(struct fds *set, const char *name)
{
	struct named *named = find(set, name);
	int fd;

	if (!named)
		return -1;
	fd = named->fd;
	*named = set->list[--set->count];
	link_update(set, name, -1);
	return fd;
}

static int insert(struct fds *set, const char *name, int fd)
{
	size_t room = set->room ? 2 * set->room : 64;
	struct named *list;

	if (set->count == set->room) {
		list = realloc(set->list, room * sizeof(*list));
		if (!list)
			return -1;
		set->list = list;
		set->room = room;
	}
	memcpy(set->list[set->count].name, name, strlen(name) + 1);
	set->list[set->count++].fd = fd;
	link_update(set, name, fd);
	return 0;
}

static const char *get_name(struct request *rq, const char *arg)
{
	const char *name = "";

	if (arg_string(rq, arg, &name))
		return NULL;
	if (!*name || strlen(name) > NAME_LENGTH || strchr(name, '/') || !strcmp(name, ".") ||
	    !strcmp(name, "..")) {
		refuse(rq, "'%s': '%.64s' cannot be a name", arg, name);
		return NULL;
	}
	return name;
}

int fds_find(struct request *rq, struct fds *set, const char *arg)
{
	const char *name = get_name(rq, arg);
	struct named *named;
	int fd = -1;

	if (!name)
		return -1;
	pthread_mutex_lock(&lock);
	named = find(set, name);
	if (named)
		fd = named->fd;
	else
		refuse(rq, "no %s '%s'", arg, name);
	pthread_mutex_unlock(&lock);
	return fd;
}

int fds_check_free(struct request *rq, struct fds *set, const char *arg)
{
	const char *name = get_name(rq, arg);
	bool taken;

	if (!name)
		return -1;
	pthread_mutex_lock(&lock);
	taken = find(set, name);
	pthread_mutex_unlock(&lock);
	return taken ? refuse(rq, "'%s': '%s' is taken", arg, name) : 0;
}

int fds_add(struct request *rq, struct fds *set, const char *arg, int fd)
{
	const char *name = get_name(rq, arg);
	int ret = -1;

	if (name) {
		pthread_mutex_lock(&lock);
		if (find(set, name))
			ret = refuse(rq, "'%s': '%s' is taken", arg, name);
		else if (insert(set, name, fd))
			ret = fail(rq, "malloc");
		else
			ret = 0;
		pthread_mutex_unlock(&lock);
	}
	if (ret)
		close(fd);
	return ret;
}

void fds_forget(struct request *rq, struct fds *set, const char *arg)
{
	const char *name = get_name(rq, arg);

	if (!name)
		return;
	pthread_mutex_lock(&lock);
	drop(set, name);
	pthread_mutex_unlock(&lock);
}

int op_close(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd");

	if (fd < 0)
		return -1;
	fds_forget(rq, &held, "fd");
	return close(fd) ? fail(rq, "close") : 0;
}

int op_dup(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd");

	if (fd < 0 || fds_check_free(rq, &held, "as"))
		return -1;
	fd = dup(fd);
	if (fd < 0)
		return fail(rq, "dup");
	return fds_add(rq, &held, "as", fd);
}

int op_rename(struct request *rq)
{
	const char *from = get_name(rq, "fd"), *to;
	int fd = fds_find(rq, &held, "fd"), old = -1;

	to = fd < 0 ? NULL : get_name(rq, "as");
	if (!to)
		return -1;
	if (!strcmp(from, to))
		return 0;
	pthread_mutex_lock(&lock);
	drop(&held, from);
	old = drop(&held, to);
	/* There is room: one has just been dropped. */
	insert(&held, to, fd);
	pthread_mutex_unlock(&lock);
	if (old >= 0)
		close(old);
	return 0;
}

int op_fds(struct request *rq)
{
	size_t i;

	buf_key(rq->out, "fds");
	buf_open(rq->out, '[');
	pthread_mutex_lock(&lock);
	for (i = 0; i < held.count; i++)
		buf_string(rq->out, held.list[i].name);
	pthread_mutex_unlock(&lock);
	buf_close(rq->out, ']');
	return 0;
}
