// SPDX-License-Identifier: GPL-2.0-only
/* News for a machine that stood still. */
#include <fcntl.h>
#include <linux/random.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "ops.h"

#define ENTROPY_MAX 64

static int add_entropy(struct request *rq, const unsigned char *data, size_t length)
{
	struct {
		struct rand_pool_info info;
		unsigned char data[ENTROPY_MAX];
	} news = { .info = { 8 * length, length } };
	int fd, ret;

	memcpy(news.info.buf, data, length);
	fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(rq, "open of /dev/urandom");
	ret = ioctl(fd, RNDADDENTROPY, &news) ? fail(rq, "RNDADDENTROPY") : 0;
	/* What is added is used when the generator is seeded anew, which would take a second. */
	if (!ret && ioctl(fd, RNDRESEEDCRNG))
		ret = fail(rq, "RNDRESEEDCRNG");
	close(fd);
	return ret;
}

/*
 * What a machine has to be told that was saved and goes on later, perhaps more than once: the
 * time of day, and entropy that nobody else has.
 */
int op_renew(struct request *rq)
{
	u64 seconds = 0, nanoseconds = 0;
	unsigned char *entropy;
	struct timespec now;
	size_t length;
	int ret;

	if (arg_u64(rq, "seconds", &seconds) || arg_u64(rq, "nanoseconds", &nanoseconds) ||
	    arg_hex(rq, "entropy", &entropy, &length))
		return -1;
	now = (struct timespec){ seconds, nanoseconds };
	if (length > ENTROPY_MAX)
		ret = refuse(rq, "'entropy' is at most %d bytes", ENTROPY_MAX);
	else if (clock_settime(CLOCK_REALTIME, &now))
		ret = fail(rq, "clock_settime");
	else
		ret = add_entropy(rq, entropy, length);
	free(entropy);
	return ret;
}
