// SPDX-License-Identifier: GPL-2.0-only
/*
 * FDBOX_LIST, of boxes and of the fds in one.
 */
#include <linux/uaccess.h>

#include "fdbox.h"

static int read_list(struct fdbox_list *list, const struct fdbox_list __user *arg)
{
	if (copy_from_user(list, arg, sizeof(*list)))
		return -EFAULT;
	if (list->flags || list->entry_size != sizeof(struct fdbox_entry))
		return -EINVAL;
	return 0;
}

/* Entry number @index, if the caller has room for it. */
static int write_entry(const struct fdbox_list *list, u32 index, const struct fdbox_entry *entry)
{
	struct fdbox_entry __user *entries = u64_to_user_ptr(list->entries);

	if (index >= list->count)
		return 0;
	return copy_to_user(entries + index, entry, sizeof(*entry)) ? -EFAULT : 0;
}

static void describe_box(struct fdbox_entry *entry, struct fdbox *box)
{
	memset(entry, 0, sizeof(*entry));
	strscpy(entry->name, dev_name(&box->dev), sizeof(entry->name));
	strscpy(entry->kind, "box", sizeof(entry->kind));

	mutex_lock(&box->lock);
	if (box->sealed)
		entry->state |= FDBOX_BOX_SEALED;
	if (box->blob)
		entry->state |= FDBOX_BOX_CARRIED;
	entry->nr_fds = list_count_nodes(&box->fds);
	mutex_unlock(&box->lock);
}

static void describe_fd(struct fdbox_entry *entry, const struct fdbox_fd *fd)
{
	memset(entry, 0, sizeof(*entry));
	strscpy(entry->name, fd->name, sizeof(entry->name));
	strscpy(entry->kind, fd->kind, sizeof(entry->kind));

	if (fdbox_fd_pending(fd)) {
		entry->state = FDBOX_FD_PENDING;
	} else if (!fd->args.file) {
		entry->state = FDBOX_FD_LOST;
		entry->error = -fd->args.retrieve_status;
	} else {
		entry->state = FDBOX_FD_HELD;
		entry->error = -fd->seal_error;
	}
}

/**
 * fdbox_list_boxes - list all boxes
 * @arg: the caller's struct fdbox_list
 *
 * Return: 0, -EFAULT or -EINVAL.
 */
int fdbox_list_boxes(struct fdbox_list __user *arg)
{
	struct fdbox_entry entry;
	struct fdbox_list list;
	unsigned long minor;
	struct fdbox *box;
	u32 nr = 0;
	int err;

	err = read_list(&list, arg);
	if (err)
		return err;

	mutex_lock(&fdbox_boxes_lock);
	xa_for_each(&fdbox_boxes, minor, box) {
		describe_box(&entry, box);
		err = write_entry(&list, nr++, &entry);
		if (err)
			break;
	}
	mutex_unlock(&fdbox_boxes_lock);

	if (!err && put_user(nr, &arg->count))
		err = -EFAULT;
	return err;
}

/**
 * fdbox_list_fds - list the fds of a box
 * @box: the box, locked
 * @arg: the caller's struct fdbox_list
 *
 * Return: 0, -EFAULT or -EINVAL.
 */
int fdbox_list_fds(struct fdbox *box, struct fdbox_list __user *arg)
{
	struct fdbox_entry entry;
	struct fdbox_list list;
	struct fdbox_fd *fd;
	u32 nr = 0;
	int err;

	err = read_list(&list, arg);
	if (err)
		return err;

	list_for_each_entry(fd, &box->fds, link) {
		describe_fd(&entry, fd);
		err = write_entry(&list, nr++, &entry);
		if (err)
			return err;
	}
	return put_user(nr, &arg->count);
}
