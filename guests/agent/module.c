// SPDX-License-Identifier: GPL-2.0-only
/* Modules of the running kernel: the system calls, because the programs hide the errno. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ops.h"

static int arg_module(struct request *rq, const char **name)
{
	if (arg_string(rq, "name", name))
		return -1;
	return !**name || strchr(*name, '/') ? refuse(rq, "'%.64s' is no module", *name) : 0;
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
	ret = syscall(SYS_finit_module, fd, parameters, 0);
	if (ret)
		fail(rq, "finit_module");
	close(fd);
	return ret ? -1 : 0;
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
