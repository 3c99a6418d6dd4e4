// SPDX-License-Identifier: GPL-2.0-only
/* The Live Update Orchestrator. */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "faulty.h"
#include "fds.h"
#include "luo.h"
#include "ops.h"

/* Opened once, when it is first needed, and kept. */
int luo_device(struct request *rq)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static int device = -1;

	pthread_mutex_lock(&lock);
	if (device < 0)
		device = open("/dev/liveupdate", O_RDWR | O_CLOEXEC);
	pthread_mutex_unlock(&lock);
	return device < 0 ? fail(rq, "open of /dev/liveupdate") : device;
}

static int open_session(struct request *rq, unsigned int command, const char *what)
{
	struct luo_session arg = { .size = sizeof(arg) };
	int device = luo_device(rq);
	const char *name = "";

	if (device < 0 || arg_string(rq, "session", &name))
		return -1;
	/* Too long a name arrives without NUL: refusing it is the kernel's job. */
	memcpy(arg.name, name, strnlen(name, LUO_NAME_LENGTH));
	if (faulty_ioctl(rq, device, command, &arg, what))
		return -1;
	return fds_add(rq, &sessions, "session", arg.fd);
}

int op_luo_create(struct request *rq)
{
	return open_session(rq, LUO_CREATE_SESSION, "LIVEUPDATE_IOCTL_CREATE_SESSION");
}

int op_luo_retrieve(struct request *rq)
{
	return open_session(rq, LUO_RETRIEVE_SESSION, "LIVEUPDATE_IOCTL_RETRIEVE_SESSION");
}

int op_luo_put(struct request *rq)
{
	struct luo_fd arg = { .size = sizeof(arg) };
	int session = fds_find(rq, &sessions, "session");
	u64 token = 0;

	if (session < 0 || arg_u64(rq, "token", &token))
		return -1;
	arg.token = token;
	arg.fd = fds_find(rq, &held, "fd");
	if (arg.fd < 0)
		return -1;
	if (faulty_ioctl(rq, session, LUO_PRESERVE_FD, &arg, "LIVEUPDATE_SESSION_PRESERVE_FD"))
		return -1;
	fds_forget(rq, &held, "fd");
	close(arg.fd);
	return 0;
}

int op_luo_get(struct request *rq)
{
	struct luo_fd arg = { .size = sizeof(arg) };
	int session = fds_find(rq, &sessions, "session");
	u64 token = 0;

	if (session < 0 || fds_check_free(rq, &held, "fd") || arg_u64(rq, "token", &token))
		return -1;
	arg.token = token;
	if (faulty_ioctl(rq, session, LUO_RETRIEVE_FD, &arg, "LIVEUPDATE_SESSION_RETRIEVE_FD"))
		return -1;
	return fds_add(rq, &held, "fd", arg.fd);
}

int op_luo_finish(struct request *rq)
{
	struct luo_finish arg = { .size = sizeof(arg) };
	int session = fds_find(rq, &sessions, "session");

	if (session < 0)
		return -1;
	return faulty_ioctl(rq, session, LUO_FINISH, &arg, "LIVEUPDATE_SESSION_FINISH");
}

/* Of an outgoing session this takes everything back, of an incoming one it is finish. */
int op_luo_close(struct request *rq)
{
	int session = fds_find(rq, &sessions, "session");

	if (session < 0)
		return -1;
	fds_forget(rq, &sessions, "session");
	return close(session) ? fail(rq, "close") : 0;
}
