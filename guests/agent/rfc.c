// SPDX-License-Identifier: GPL-2.0-only
/*
 * A user of the FDBox RFC's interface, in a process of its own. It knows nothing of our header: the
 * numbers and layouts below are facts about the RFC's, and a kernel that changes them breaks this
 * program.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <linux/types.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent.h"
#include "request.h"

#define NAME_LEN 256

/* Requests by number; what is passed with a request is at least so large. */
static const struct rfc_request {
	const char *name;
	unsigned long number;
	size_t name_at;	/* 0: it has no name */
} requests[] = {
	{ "create", _IO('.', 0), 8 },
	{ "delete", _IO('.', 1), 8 },
	{ "put", _IO('.', 2), 16 },
	{ "get", _IO('.', 3), 12 },
	{ "seal", _IO('.', 4), 0 },
	{ "unseal", _IO('.', 5), 0 },
};

static_assert(_IO('.', 0) == 0x2e00, "plain numbers: no direction, no size");

/* The largest argument, and what an alignment may add; the rest of it is poisoned. */
union rfc_argument {
	unsigned char bytes[512];
	struct {
		__u64 flags;
		__u32 fd;
		__u32 pad;
		__u8 name[NAME_LEN];
	} put;
	struct {
		__u64 flags;
		__u32 pad;
		__u8 name[NAME_LEN];
	} get;
};

static_assert(offsetof(union rfc_argument, put.fd) == 8, "put: fd");
static_assert(offsetof(union rfc_argument, put.name) == 16, "put: name");
static_assert(offsetof(union rfc_argument, get.name) == 12, "get: name");

static int finish(long result)
{
	if (result < 0) {
		puts(errno_name(errno));
		return 1;
	}
	printf("%ld\n", result);
	return 0;
}

/* A file with what is on standard input. */
static int read_memfd(void)
{
	int fd = memfd_create("rfc", MFD_CLOEXEC);
	char data[4096];
	ssize_t got;

	while (fd >= 0 && (got = read(0, data, sizeof(data))) > 0)
		if (write_all(fd, data, got))
			return -1;
	return fd;
}

static int print_file(int fd)
{
	char data[4096];
	ssize_t got;
	off_t at = 0;

	for (; (got = pread(fd, data, sizeof(data), at)) > 0; at += got)
		if (write_all(1, data, got))
			return 1;
	return got < 0;
}

static int call_named(int device, const struct rfc_request *request, const char *name)
{
	union rfc_argument arg;
	long result;

	memset(&arg, 0xa5, sizeof(arg));
	memset(&arg, 0, request->name_at + NAME_LEN);
	memcpy(arg.bytes + request->name_at, name, strnlen(name, NAME_LEN));
	if (!strcmp(request->name, "put"))
		arg.put.fd = read_memfd();
	result = ioctl(device, request->number, &arg);
	if (result >= 0 && !strcmp(request->name, "get"))
		return print_file(result);
	return finish(result);
}

/* HEX is the start of the argument, FILL the byte in the rest; without HEX the pointer is bad. */
static int call_raw(int device, const char *number, const char *hex, const char *fill)
{
	unsigned char bytes[512];
	unsigned int byte;
	size_t i;

	memset(bytes, fill ? (int)strtoul(fill, NULL, 16) : 0, sizeof(bytes));
	for (i = 0; hex && i < sizeof(bytes) && sscanf(hex + 2 * i, "%2x", &byte) == 1; i++)
		bytes[i] = byte;
	return finish(ioctl(device, _IO('.', strtoul(number, NULL, 0)), hex ? bytes : NULL));
}

/* An open file that was inherited, by its number, or a device by its path. */
static int open_device(const char *device)
{
	return *device == '/' ? open(device, O_RDWR | O_CLOEXEC) : atoi(device);
}

int run_rfc(int count, char **args)
{
	int device = open_device(args[0]);
	size_t i;

	if (device < 0)
		return finish(-1);
	if (!strcmp(args[1], "raw") && count >= 3)
		return call_raw(device, args[2], count > 3 ? args[3] : NULL,
				count > 4 ? args[4] : NULL);
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		if (strcmp(args[1], requests[i].name))
			continue;
		if (!requests[i].name_at)
			return finish(ioctl(device, requests[i].number, NULL));
		if (count == 3)
			return call_named(device, &requests[i], args[2]);
	}
	fputs("usage: agent rfc DEVICE REQUEST [NAME] | DEVICE raw NUMBER [HEX [FILL]]\n", stderr);
	return 2;
}
