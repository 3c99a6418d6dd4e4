// SPDX-License-Identifier: GPL-2.0-only
/*
 * PUT of an fd against somebody who has its number meanwhile: what is put into the box, and what
 * is closed, has to be the file that PUT was called for, and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fdbox.h>

#include "ops.h"

struct race {
	int box;
	int number;	/* the number that both want */
	int other;	/* what the other one puts there */
	atomic_int round;
	atomic_int answered;
};

static void *take_number(void *arg)
{
	struct race *race = arg;
	int round = 0;

	for (;;) {
		while (atomic_load(&race->round) == round)
			;
		round = atomic_load(&race->round);
		if (round < 0)
			return NULL;
		dup2(race->other, race->number);
		atomic_store(&race->answered, round);
	}
}

static bool same_file(int fd, const struct stat *as)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_ino == as->st_ino && st.st_dev == as->st_dev;
}

/* It is in the box, and it is the one that was meant; the other one was left alone. */
static int check_put(struct request *rq, const struct race *race, const struct stat *meant)
{
	struct fdbox_get_fd get = { .name = "race" };
	int fd = ioctl(race->box, FDBOX_GET_FD, &get);
	bool right;

	if (fd < 0)
		return fail(rq, "FDBOX_GET_FD");
	right = same_file(fd, meant);
	close(fd);
	return right ? 0 : broken(rq, "another file is in the box");
}

static int race_once(struct request *rq, struct race *race, const struct stat *other, u64 round,
		     u64 *won)
{
	struct fdbox_put_fd put = { .fd = race->number, .name = "race" };
	int fd = memfd_create("race", MFD_CLOEXEC), ret;
	struct stat meant;

	if (fd < 0 || fstat(fd, &meant) || dup2(fd, race->number) < 0)
		return fail(rq, "memfd_create");
	/* The only one that is left is the one with the number. */
	close(fd);

	atomic_store(&race->round, round);
	ret = ioctl(race->box, FDBOX_PUT_FD, &put);
	if (ret && errno != EBADF && errno != EOPNOTSUPP)
		return fail(rq, "FDBOX_PUT_FD");
	while (atomic_load(&race->answered) != (int)round)
		;
	/* dup2() refuses with EBUSY a number that is just being given out. */
	if (!ret)
		++*won;
	else if (!same_file(race->number, other))
		return broken(rq, "PUT failed, and the number has another file");
	if (fcntl(race->number, F_GETFD) >= 0 && !same_file(race->number, other))
		return broken(rq, "the number has neither file");
	return ret ? 0 : check_put(rq, race, &meant);
}

int op_race_put(struct request *rq)
{
	u64 count = 0, round = 0, won = 0;
	struct race race = { 0 };
	const char *box = "";
	pthread_t thread;
	struct stat other;
	char path[512];
	int ret = 0;

	if (arg_string(rq, "box", &box) || arg_u64(rq, "count", &count))
		return -1;
	snprintf(path, sizeof(path), "/dev/fdbox/%s", box);
	race.box = open(path, O_RDWR | O_CLOEXEC);
	if (race.box < 0)
		return fail(rq, "open of the fdbox device");
	race.other = open("/dev/null", O_RDWR | O_CLOEXEC);
	race.number = fcntl(race.box, F_DUPFD_CLOEXEC, 500);
	if (race.number < 0 || fstat(race.other, &other))
		return fail(rq, "open of /dev/null");
	if (pthread_create(&thread, NULL, take_number, &race)) {
		errno = EAGAIN;
		return fail(rq, "pthread_create");
	}
	while (!ret && ++round <= count)
		ret = race_once(rq, &race, &other, round, &won);
	atomic_store(&race.round, -1);
	pthread_join(thread, NULL);

	close(race.number);
	close(race.other);
	close(race.box);
	buf_member_u64(rq->out, "put", won);
	buf_member_u64(rq->out, "lost", count - won);
	return ret;
}
