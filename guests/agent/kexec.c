// SPDX-License-Identifier: GPL-2.0-only
/* The next kernel: loaded from a virtio disk, then jumped into. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bzimage.h"
#include "ops.h"

#define COPY_SIZE SZ_1M

static int serial_is(const char *path, const char *serial)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32] = "";
	ssize_t got;

	if (fd < 0)
		return 0;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	/* The driver's attribute ends in a newline or not, depending on the kernel. */
	text[got > 0 ? strcspn(text, "\n") : 0] = '\0';
	return !strcmp(text, serial);
}

/* The virtio disk with that serial number, opened for reading, or -1 after failing the request. */
static int open_disk(struct request *rq, u64 index)
{
	char serial[32], path[64] = "";
	glob_t found = { 0 };
	const char *name;
	size_t i;
	int fd;

	snprintf(serial, sizeof(serial), "kernel:%llu", index);
	if (!glob("/sys/block/vd*/serial", 0, NULL, &found)) {
		for (i = 0; i < found.gl_pathc && !*path; i++) {
			if (!serial_is(found.gl_pathv[i], serial))
				continue;
			name = found.gl_pathv[i] + strlen("/sys/block/");
			snprintf(path, sizeof(path), "/dev/%.*s", (int)strcspn(name, "/"), name);
		}
	}
	globfree(&found);
	if (!*path)
		return refuse(rq, "no virtio disk has the serial number '%s'", serial);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? fail(rq, "open of the kernel's disk") : fd;
}

static int copy(int from, int to, u64 size)
{
	char *data = malloc(COPY_SIZE);
	ssize_t got = 1, put;

	while (data && size) {
		got = read(from, data, size < COPY_SIZE ? size : COPY_SIZE);
		if (!got)
			errno = ENODATA;
		if (got <= 0)
			break;
		put = write(to, data, got);
		if (put != got) {
			if (put >= 0)
				errno = ENOSPC;
			break;
		}
		size -= got;
	}
	free(data);
	return size ? -1 : 0;
}

/*
 * kexec_file_load() wants a regular file that nobody may write: a memfd filled from another file,
 * with zeros behind it, then opened anew for reading only.
 */
static int read_only_copy(struct request *rq, int from, u64 size, u64 padding)
{
	int memfd = memfd_create("kexec", MFD_CLOEXEC), copied = -1;
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	if (memfd < 0)
		fail(rq, "memfd_create");
	else if (copy(from, memfd, size) || ftruncate(memfd, size + padding))
		fail(rq, "copy of what is to be loaded");
	else
		copied = open(path, O_RDONLY | O_CLOEXEC);
	if (copied < 0 && !rq->error)
		fail(rq, "open of what is to be loaded");
	if (memfd >= 0)
		close(memfd);
	return copied;
}

static int kernel_file(struct request *rq, u64 disk, u64 size)
{
	int from, kernel;

	from = open_disk(rq, disk);
	if (from < 0)
		return -1;
	kernel = read_only_copy(rq, from, size, 0);
	/* Nothing of the disk stays in the page cache: runs that count free memory would see it. */
	posix_fadvise(from, 0, 0, POSIX_FADV_DONTNEED);
	close(from);
	return kernel;
}

static int initramfs_file(struct request *rq, const char *path, u64 padding)
{
	int from = open(path, O_RDONLY | O_CLOEXEC), padded;
	struct stat st;

	if (from < 0 || fstat(from, &st)) {
		fail(rq, "open of the initramfs");
		if (from >= 0)
			close(from);
		return -1;
	}
	if (!padding)
		return from;
	padded = read_only_copy(rq, from, st.st_size, padding);
	close(from);
	return padded;
}

static int file_load(struct request *rq, int kernel, int initramfs, const char *cmdline)
{
	if (syscall(SYS_kexec_file_load, kernel, initramfs, strlen(cmdline) + 1, cmdline, 0UL))
		return fail(rq, "kexec_file_load");
	return 0;
}

static const struct {
	const char *name;
	int (*load)(struct request *rq, int kernel, int initramfs, const char *cmdline);
} syscalls[] = {
	{ "kexec_file_load", file_load },
	{ "kexec_load", bzimage_load },
};

int op_kexec_load(struct request *rq)
{
	const char *cmdline = "", *initrd = "/sys/firmware/initrd", *name = syscalls[0].name;
	u64 disk = 0, size = 0, padding = 0;
	int kernel, initramfs, ret = -1;
	size_t i;

	if (arg_u64(rq, "disk", &disk) || arg_u64(rq, "size", &size) ||
	    arg_string(rq, "cmdline", &cmdline) || arg_string(rq, "initrd", &initrd) ||
	    arg_string(rq, "syscall", &name) || arg_u64(rq, "padding", &padding))
		return -1;
	for (i = 0; i < ARRAY_SIZE(syscalls) && strcmp(name, syscalls[i].name); i++)
		;
	if (i == ARRAY_SIZE(syscalls))
		return refuse(rq, "'syscall' cannot be '%.64s'", name);
	initramfs = initramfs_file(rq, initrd, padding);
	if (initramfs < 0)
		return -1;
	kernel = kernel_file(rq, disk, size);
	if (kernel >= 0) {
		ret = syscalls[i].load(rq, kernel, initramfs, cmdline);
		close(kernel);
	}
	close(initramfs);
	return ret;
}

/* What was loaded, if anything was, and the memory that it is in. */
int op_kexec_unload(struct request *rq)
{
	if (syscall(SYS_kexec_file_load, -1, -1, 0UL, NULL, KEXEC_FILE_UNLOAD))
		return fail(rq, "kexec_file_load");
	return 0;
}

/* In the child of a process with threads: nothing that could take a lock. */
static void jump(struct timespec delay)
{
	char failed[64];
	int log;

	/*
	 * The held fds are the agent's alone: a second holder would be a reason to refuse a live
	 * update.
	 */
	log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (log > 0) {
		dup2(log, 0);
		syscall(SYS_close_range, 1, ~0U, 0);
	}
	setsid();
	while (nanosleep(&delay, &delay) && errno == EINTR)
		;
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, NULL);
	/* A record of the kernel's log stays whole: on the console, others could cut the line. */
	snprintf(failed, sizeof(failed), "<6>fdbox-guest: kexec failed: %s\n", errno_name(errno));
	if (write(0, failed, strlen(failed)) < 0)
		_exit(2);
	_exit(1);
}

/* So many processes as "at_once" says jump at the same time. */
int op_kexec(struct request *rq)
{
	u64 delay = 0, left = 1;
	pid_t child;

	if (arg_u64(rq, "delay_ms", &delay) || arg_u64(rq, "at_once", &left))
		return -1;
	for (; left; left--) {
		child = fork();
		if (child < 0)
			return fail(rq, "fork");
		if (!child)
			jump((struct timespec){ delay / 1000, delay % 1000 * 1000000 });
	}
	return 0;
}
