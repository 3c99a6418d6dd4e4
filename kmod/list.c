// SPDX-License-Identifier: GPL-2.0-only
/*
 * FDBOX_LIST, of boxes and of the fds in one.
 */
#include <linux/slab.h>
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

/**
 * struct entries - what there is to say, before the caller gets it
 * @array: the entries
 * @room: how many fit into it
 * @nr: how many there are; those beyond @room are only counted
 *
 * To write to the caller can take as long as the caller likes: that is done
 * without a lock.
 */
struct entries {
	struct fdbox_entry *array;
	size_t room;
	size_t nr;
};

static int entries_alloc(struct entries *entries, const struct fdbox_list *list, size_t nr)
{
	entries->room = min(nr, list->count);
	entries->array = kvcalloc(entries->room, sizeof(*entries->array), GFP_KERNEL);
	return entries->array ? 0 : -ENOMEM;
}

/* The next entry, zeroed, or NULL when there is no room for it. */
static struct fdbox_entry *entries_next(struct entries *entries)
{
	size_t index = entries->nr++;

	return index < entries->room ? &entries->array[index] : NULL;
}

static int entries_write(const struct entries *entries, const struct fdbox_list *list,
			 struct fdbox_list __user *arg)
{
	struct fdbox_entry __user *to = u64_to_user_ptr(list->entries);

	if (copy_to_user(to, entries->array, entries->room * sizeof(*to)))
		return -EFAULT;
	return put_user(entries->nr, &arg->count);
}

/* Without the box's lock: what is done with one box must not hold up who asks for all. */
static void describe_box(struct fdbox_entry *entry, struct fdbox *box)
{
	strscpy(entry->name, dev_name(&box->dev), sizeof(entry->name));
	strscpy(entry->kind, "box", sizeof(entry->kind));

	if (READ_ONCE(box->sealed))
		entry->state |= FDBOX_BOX_SEALED;
	if (READ_ONCE(box->blob))
		entry->state |= FDBOX_BOX_CARRIED;
	entry->nr_fds = READ_ONCE(box->nr_fds);
}

static void describe_fd(struct fdbox_entry *entry, const struct fdbox_fd *fd)
{
	strscpy(entry->name, fd->name, sizeof(entry->name));
	strscpy(entry->kind, fd->kind, sizeof(entry->kind));

	if (fdbox_fd_pending(fd)) {
		entry->state = FDBOX_FD_PENDING;
	} else if (!fd->args.file) {
		entry->state = FDBOX_FD_LOST;
		entry->error = -fd->args.retrieve_status;
	} else {
		entry->state = fd->prepared ? FDBOX_FD_PREPARED : FDBOX_FD_HELD;
		entry->error = -fd->seal_error;
	}
}

static size_t count_boxes(void)
{
	unsigned long minor;
	struct fdbox *box;
	size_t nr = 0;

	xa_for_each(&fdbox_boxes, minor, box)
		nr++;
	return nr;
}

static int gather_boxes(struct entries *entries, const struct fdbox_list *list)
{
	struct fdbox_entry *entry;
	unsigned long minor;
	struct fdbox *box;
	int err;

	mutex_lock(&fdbox_boxes_lock);
	err = entries_alloc(entries, list, count_boxes());
	if (err)
		goto out;
	xa_for_each(&fdbox_boxes, minor, box) {
		if (READ_ONCE(box->deleted))
			continue;
		entry = entries_next(entries);
		if (entry)
			describe_box(entry, box);
	}
out:
	mutex_unlock(&fdbox_boxes_lock);
	return err;
}

static int gather_fds(struct entries *entries, const struct fdbox_list *list, struct fdbox *box)
{
	struct fdbox_entry *entry;
	struct fdbox_fd *fd;
	int err;

	err = mutex_lock_killable(&box->lock);
	if (err)
		return err;
	err = -ENODEV;
	if (box->deleted)
		goto out;
	err = entries_alloc(entries, list, list_count_nodes(&box->fds));
	if (err)
		goto out;
	list_for_each_entry(fd, &box->fds, link) {
		entry = entries_next(entries);
		if (entry)
			describe_fd(entry, fd);
	}
out:
	mutex_unlock(&box->lock);
	return err;
}

/**
 * fdbox_list_boxes - list all boxes
 * @arg: the caller's struct fdbox_list
 *
 * Return: 0, -EFAULT, -EINVAL or -ENOMEM.
 */
int fdbox_list_boxes(struct fdbox_list __user *arg)
{
	struct entries entries = { 0 };
	struct fdbox_list list;
	int err;

	err = read_list(&list, arg);
	if (err)
		return err;
	err = gather_boxes(&entries, &list);
	if (!err)
		err = entries_write(&entries, &list, arg);
	kvfree(entries.array);
	return err;
}

/**
 * fdbox_list_fds - list the fds of a box
 * @box: the box
 * @arg: the caller's struct fdbox_list
 *
 * Return: 0, -EFAULT, -EINTR, -EINVAL, -ENODEV or -ENOMEM.
 */
int fdbox_list_fds(struct fdbox *box, struct fdbox_list __user *arg)
{
	struct entries entries = { 0 };
	struct fdbox_list list;
	int err;

	err = read_list(&list, arg);
	if (err)
		return err;
	err = gather_fds(&entries, &list, box);
	if (!err)
		err = entries_write(&entries, &list, arg);
	kvfree(entries.array);
	return err;
}
