// SPDX-License-Identifier: GPL-2.0-only
/* FDBox: the control device, and one device for each box. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fdbox.h>

#include "faulty.h"
#include "fds.h"
#include "ops.h"

#define CONTROL "/dev/fdbox/fdbox"

/*
 * A name of FDBOX_NAME_LEN bytes or more goes to the kernel cut, and so without NUL: refusing it
 * is the kernel's job.
 */
static int arg_name(struct request *rq, const char *arg, __u8 *to)
{
	const char *name = "";

	if (arg_string(rq, arg, &name))
		return -1;
	memcpy(to, name, strnlen(name, FDBOX_NAME_LEN));
	return 0;
}

/*
 * One ioctl on a device: its result, or -1 after failing the request. On a device that somebody
 * else has opened, when argument "via" names one.
 */
static int call(struct request *rq, const char *path, unsigned int command, void *arg,
		const char *what)
{
	bool open_already = json_get(rq->args, "via");
	int device, ret;

	if (open_already) {
		device = fds_find(rq, &held, "via");
		if (device < 0)
			return -1;
	} else {
		device = open(path, O_RDWR | O_CLOEXEC);
		if (device < 0)
			return fail(rq, "open of the fdbox device");
	}
	ret = faulty_ioctl(rq, device, command, arg, what);
	if (!open_already)
		close(device);
	return ret;
}

static int box_path(struct request *rq, char *path, size_t room)
{
	const char *box = "";

	if (arg_string(rq, "box", &box))
		return -1;
	if ((size_t)snprintf(path, room, "/dev/fdbox/%s", box) >= room) {
		errno = ENAMETOOLONG;
		return fail(rq, "open of the fdbox device");
	}
	return 0;
}

static int box_call(struct request *rq, unsigned int command, void *arg, const char *what)
{
	char path[512];

	if (box_path(rq, path, sizeof(path)))
		return -1;
	return call(rq, path, command, arg, what);
}

int op_fdbox_create(struct request *rq)
{
	struct fdbox_create_box arg = { 0 };

	if (arg_name(rq, "box", arg.name))
		return -1;
	return call(rq, CONTROL, FDBOX_CREATE_BOX, &arg, "FDBOX_CREATE_BOX") < 0 ? -1 : 0;
}

int op_fdbox_delete(struct request *rq)
{
	struct fdbox_delete_box arg = { 0 };

	if (arg_name(rq, "box", arg.name))
		return -1;
	return call(rq, CONTROL, FDBOX_DELETE_BOX, &arg, "FDBOX_DELETE_BOX") < 0 ? -1 : 0;
}

/* On success the kernel has closed our fd: only its name is left to be dropped. */
int op_fdbox_put(struct request *rq)
{
	struct fdbox_put_fd arg = { 0 };
	int fd = fds_find(rq, &held, "fd");

	if (fd < 0 || arg_name(rq, "name", arg.name))
		return -1;
	arg.fd = fd;
	if (box_call(rq, FDBOX_PUT_FD, &arg, "FDBOX_PUT_FD") < 0)
		return -1;
	fds_forget(rq, &held, "fd");
	return 0;
}

int op_fdbox_get(struct request *rq)
{
	struct fdbox_get_fd arg = { 0 };
	int fd;

	if (fds_check_free(rq, &held, "fd") || arg_name(rq, "name", arg.name))
		return -1;
	fd = box_call(rq, FDBOX_GET_FD, &arg, "FDBOX_GET_FD");
	return fd < 0 ? -1 : fds_add(rq, &held, "fd", fd);
}

int op_fdbox_seal(struct request *rq)
{
	return box_call(rq, FDBOX_SEAL, NULL, "FDBOX_SEAL") < 0 ? -1 : 0;
}

int op_fdbox_unseal(struct request *rq)
{
	return box_call(rq, FDBOX_UNSEAL, NULL, "FDBOX_UNSEAL") < 0 ? -1 : 0;
}

int op_fdbox_prepare(struct request *rq)
{
	return box_call(rq, FDBOX_PREPARE, NULL, "FDBOX_PREPARE") < 0 ? -1 : 0;
}

static void put_name(struct buf *out, const char *key, const __u8 *name, size_t room)
{
	buf_key(out, key);
	buf_text(out, (const char *)name, strnlen((const char *)name, room));
}

static void put_entry(struct buf *out, const struct fdbox_entry *entry)
{
	buf_open(out, '{');
	put_name(out, "name", entry->name, sizeof(entry->name));
	put_name(out, "kind", entry->kind, sizeof(entry->kind));
	buf_member_u64(out, "state", entry->state);
	buf_member_u64(out, "error", entry->error);
	buf_member_u64(out, "nr_fds", entry->nr_fds);
	buf_close(out, '}');
}

static int list(struct request *rq, const char *path, struct fdbox_list *arg)
{
	return call(rq, path, FDBOX_LIST, arg, "FDBOX_LIST") < 0 ? -1 : 0;
}

/* How many there are is not known before: ask for none, then for all of them, until they fit. */
static int list_all(struct request *rq, const char *path, struct fdbox_entry **entries, u32 *count)
{
	struct fdbox_list arg = { .entry_size = sizeof(**entries) };
	void *more;
	u32 room;

	*count = 0;
	if (list(rq, path, &arg))
		return -1;
	while (arg.count > *count) {
		room = arg.count;
		more = realloc(*entries, room * sizeof(**entries));
		if (!more)
			return fail(rq, "malloc");
		*entries = more;
		arg.entries = (unsigned long)more;
		if (list(rq, path, &arg))
			return -1;
		*count = room;
	}
	*count = arg.count;
	return 0;
}

/* What is in a box, or, without a box, which boxes there are. */
int op_fdbox_list(struct request *rq)
{
	struct fdbox_entry *entries = NULL;
	char path[512] = CONTROL;
	u32 count, i;
	int ret;

	if (json_get(rq->args, "box") && box_path(rq, path, sizeof(path)))
		return -1;
	ret = list_all(rq, path, &entries, &count);
	if (!ret) {
		buf_key(rq->out, "entries");
		buf_open(rq->out, '[');
		for (i = 0; i < count; i++)
			put_entry(rq->out, &entries[i]);
		buf_close(rq->out, ']');
	}
	free(entries);
	return ret;
}

/* Every box there is, sealed or not; "kept" has those that could not be deleted, and why. */
int op_fdbox_delete_all(struct request *rq)
{
	int control = open(CONTROL, O_RDWR | O_CLOEXEC), ret = 0;
	struct fdbox_delete_box arg = { 0 };
	struct fdbox_entry *entries = NULL;
	u32 count = 0, i;

	if (control < 0 && errno != ENOENT)
		return fail(rq, "open of the fdbox device");
	if (control >= 0)
		ret = list_all(rq, CONTROL, &entries, &count);
	buf_key(rq->out, "kept");
	buf_open(rq->out, '[');
	for (i = 0; i < count; i++) {
		memcpy(arg.name, entries[i].name, sizeof(arg.name));
		if (!ioctl(control, FDBOX_DELETE_BOX, &arg))
			continue;
		buf_open(rq->out, '{');
		put_name(rq->out, "name", arg.name, sizeof(arg.name));
		buf_member_string(rq->out, "errno", errno_name(errno));
		buf_close(rq->out, '}');
	}
	buf_close(rq->out, ']');
	free(entries);
	if (control >= 0)
		close(control);
	return ret;
}
