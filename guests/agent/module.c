// SPDX-License-Identifier: GPL-2.0-only
/* Modules of the running kernel: the system calls, because the programs hide the errno. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "faulty.h"
#include "ops.h"

static int arg_module(struct request *rq, const char **name)
{
	if (arg_string(rq, "name", name))
		return -1;
	return !**name || strchr(*name, '/') ? refuse(rq, "'%.64s' is no module", *name) : 0;
}

/* Most attempts end before there is a module: what it does then is what was asked for. */
static int load_failing(struct request *rq, int fd, const char *parameters, u64 every)
{
	const char *within = "";
	int ret, tries = 1000;
	u64 failed = 0;

	if (arg_string(rq, "within", &within) || fail_within(rq, within, every))
		return -1;
	do {
		ret = syscall(SYS_finit_module, fd, parameters, 0);
	} while (ret && errno == ENOMEM && --tries);
	if (end_of_failing(rq, &failed))
		return -1;
	if (ret)
		return fail(rq, "finit_module");
	buf_member_u64(rq->out, "failed", failed);
	return 0;
}

static int load(struct request *rq, int fd, const char *parameters)
{
	u64 every = 0;

	if (arg_u64(rq, "fail_every", &every))
		return -1;
	if (every)
		return load_failing(rq, fd, parameters, every);
	return syscall(SYS_finit_module, fd, parameters, 0) ? fail(rq, "finit_module") : 0;
}

int op_module_load(struct request *rq)
{
	const char *name = "", *parameters = "";
	struct utsname kernel;
	char path[PATH_MAX];
	int fd, ret;

	if (arg_module(rq, &name) || arg_string(rq, "parameters", &parameters))
		return -1;
	uname(&kernel);
	snprintf(path, sizeof(path), "/lib/modules/%s/%s.ko", kernel.release, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return refuse(rq, "no module '%.64s' in the image", name);
	ret = load(rq, fd, parameters);
	close(fd);
	return ret;
}

int op_module_unload(struct request *rq)
{
	char kernels[256] = "";
	const char *name = "";
	size_t i;

	if (arg_module(rq, &name))
		return -1;
	/* The kernel knows kvm-amd.ko as kvm_amd. */
	snprintf(kernels, sizeof(kernels), "%s", name);
	for (i = 0; kernels[i]; i++)
		if (kernels[i] == '-')
			kernels[i] = '_';
	return syscall(SYS_delete_module, kernels, O_NONBLOCK) ? fail(rq, "delete_module") : 0;
}
