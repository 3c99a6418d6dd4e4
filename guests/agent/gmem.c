// SPDX-License-Identifier: GPL-2.0-only
/* VMs and guest_memfds. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fds.h"
#include "gmem.h"
#include "ops.h"

#define FREEZE "/sys/kernel/debug/fdbox_gmem_test/freeze"
#define UNFREEZE "/sys/kernel/debug/fdbox_gmem_test/unfreeze"

static const struct flag gmem_flags[] = {
	{ "mmap", GUEST_MEMFD_FLAG_MMAP },
	{ "init_shared", GUEST_MEMFD_FLAG_INIT_SHARED },
	{ NULL, 0 }
};

int vm_create(struct request *rq, u64 type)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), fd;

	if (kvm < 0)
		return fail(rq, "open of /dev/kvm");
	fd = ioctl(kvm, KVM_CREATE_VM, type);
	if (fd < 0)
		fail(rq, "KVM_CREATE_VM");
	close(kvm);
	return fd;
}

int gmem_create(struct request *rq, int vm, u64 size, u64 flags)
{
	struct kvm_create_guest_memfd args = { .size = size, .flags = flags };
	int fd = ioctl(vm, KVM_CREATE_GUEST_MEMFD, &args);

	return fd < 0 ? fail(rq, "KVM_CREATE_GUEST_MEMFD") : fd;
}

int op_vm(struct request *rq)
{
	u64 type = 0;
	int fd;

	if (arg_u64(rq, "type", &type))
		return -1;
	fd = vm_create(rq, type);
	return fd < 0 ? -1 : fds_add(rq, &held, "fd", fd);
}

int op_gmem(struct request *rq)
{
	int vm = fds_find(rq, &held, "vm"), fd;
	u64 flags = GMEM_DEFAULT, size = 0;

	if (vm < 0 || arg_u64(rq, "size", &size) || arg_flags(rq, "flags", gmem_flags, &flags))
		return -1;
	fd = gmem_create(rq, vm, size, flags);
	return fd < 0 ? -1 : fds_add(rq, &held, "fd", fd);
}

/* The other half of kmod/gmem_test.c: no interface of the kernel freezes a file that is open. */
int op_gmem_freeze(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd"), knob, ret = 0;
	const char *to = "";
	char number[16];

	if (fd < 0 || arg_string(rq, "to", &to))
		return -1;
	if (strcmp(to, "freeze") && strcmp(to, "unfreeze"))
		return refuse(rq, "'to' is 'freeze' or 'unfreeze'");
	knob = open(*to == 'f' ? FREEZE : UNFREEZE, O_WRONLY | O_CLOEXEC);
	if (knob < 0)
		return fail(rq, "open in fdbox_gmem_test");
	snprintf(number, sizeof(number), "%d", fd);
	if (write(knob, number, strlen(number)) < 0)
		ret = fail(rq, "write to fdbox_gmem_test");
	close(knob);
	return ret;
}
