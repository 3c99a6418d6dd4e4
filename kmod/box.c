// SPDX-License-Identifier: GPL-2.0-only
/*
 * Boxes: their names, their devices, their life.
 *
 * The struct device has a box's only reference count. The registry, below, has
 * one reference, every open file of the box's device another one. The registry
 * also pins the module. An open file does so through its file operations.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/slab.h>

#include "fdbox.h"

/* The registry: which boxes there are. */
DEFINE_MUTEX(fdbox_boxes_lock);
DEFINE_XARRAY_ALLOC(fdbox_boxes);

static u32 next_minor;
static int fdbox_major;

static char *fdbox_devnode(const struct device *dev, umode_t *mode)
{
	if (mode)
		*mode = 0600;
	/*
	 * There is no way to fail: without an answer the device file would be made,
	 * or looked for to be removed, as /dev/<name>, whatever that is.
	 */
	return kasprintf(GFP_KERNEL | __GFP_NOFAIL, "fdbox/%s", dev_name(dev));
}

static void fdbox_release(struct device *dev)
{
	kfree(container_of(dev, struct fdbox, dev));
}

static const struct class fdbox_class = {
	.name		= "fdbox",
	.devnode	= fdbox_devnode,
	.dev_release	= fdbox_release,
};

/**
 * fdbox_check_box_name - can a box have this name?
 * @name: FDBOX_NAME_LEN bytes
 *
 * It has to be a file name in /dev/fdbox/ next to that of the control device.
 *
 * Return: 0 or -EINVAL.
 */
int fdbox_check_box_name(const char *name)
{
	size_t length = strnlen(name, FDBOX_NAME_LEN);

	if (!length || length == FDBOX_NAME_LEN || strchr(name, '/'))
		return -EINVAL;
	if (!strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, "fdbox"))
		return -EINVAL;
	return 0;
}

static struct fdbox *find_box(const char *name)
{
	unsigned long minor;
	struct fdbox *box;

	xa_for_each(&fdbox_boxes, minor, box) {
		if (!strcmp(dev_name(&box->dev), name))
			return box;
	}
	return NULL;
}

/**
 * fdbox_box_alloc - an empty box that nobody can see yet
 * @name: its name, checked
 *
 * Return: the box, for fdbox_box_add() or fdbox_box_destroy(), or an ERR_PTR().
 */
struct fdbox *fdbox_box_alloc(const char *name)
{
	struct fdbox *box;
	int err;

	box = kzalloc_obj(*box);
	if (!box)
		return ERR_PTR(-ENOMEM);

	device_initialize(&box->dev);
	box->dev.class = &fdbox_class;
	mutex_init(&box->lock);
	INIT_LIST_HEAD(&box->fds);
	hash_init(box->names);

	err = dev_set_name(&box->dev, "%s", name);
	if (err) {
		put_device(&box->dev);
		return ERR_PTR(err);
	}
	return box;
}

/**
 * fdbox_box_next - go through the boxes, without a lock between two of them
 * @box: the one before, referenced; NULL for the first
 *
 * A box that is deleted meanwhile can still be returned: see its mark. The
 * reference to @box is put.
 *
 * Return: the box, referenced, or NULL when there are no more.
 */
struct fdbox *fdbox_box_next(struct fdbox *box)
{
	unsigned long minor = box ? MINOR(box->dev.devt) + 1 : 0;
	struct fdbox *next;

	mutex_lock(&fdbox_boxes_lock);
	next = xa_find(&fdbox_boxes, &minor, ULONG_MAX, XA_PRESENT);
	if (next)
		get_device(&next->dev);
	mutex_unlock(&fdbox_boxes_lock);

	if (box)
		put_device(&box->dev);
	return next;
}

/**
 * fdbox_box_add - register a box and make its device
 * @box: from fdbox_box_alloc(); stays the caller's on failure
 *
 * Context: fdbox_boxes_lock is held.
 * Return: 0; -EEXIST when there is a box of that name; another negative errno.
 */
int fdbox_box_add(struct fdbox *box)
{
	u32 minor;
	int err;

	if (find_box(dev_name(&box->dev)))
		return -EEXIST;

	/* In a circle: a stale device file must not soon be that of another box. */
	err = xa_alloc_cyclic(&fdbox_boxes, &minor, box, XA_LIMIT(0, MINORMASK),
			      &next_minor, GFP_KERNEL);
	if (err < 0)
		return err;

	box->dev.devt = MKDEV(fdbox_major, minor);
	err = device_add(&box->dev);
	if (err) {
		xa_erase(&fdbox_boxes, minor);
		return err;
	}
	__module_get(THIS_MODULE);
	return 0;
}

/**
 * fdbox_box_destroy - empty a box that is not in the registry, and let go of it
 * @box: the box; not serialised
 */
void fdbox_box_destroy(struct fdbox *box)
{
	struct fdbox_fd *fd, *tmp;
	struct file *file;

	list_for_each_entry_safe(fd, tmp, &box->fds, link) {
		fdbox_fd_del(fd);
		file = fdbox_fd_disown(fd);
		if (file)
			fput(file);
		kfree(fd);
		cond_resched();
	}
	put_device(&box->dev);
}

static struct fdbox *get_box(const char *name)
{
	struct fdbox *box;

	mutex_lock(&fdbox_boxes_lock);
	box = find_box(name);
	if (box)
		get_device(&box->dev);
	mutex_unlock(&fdbox_boxes_lock);
	return box;
}

/* From now on nobody touches what is in the box. */
static int mark_deleted(struct fdbox *box)
{
	if (box->deleted)
		return -ENOENT;
	if (fdbox_has_pending(box))
		return -ENOPKG;
	if (fdbox_leaving())
		return -ESHUTDOWN;

	if (box->blob)
		fdbox_unserialise(box);
	/* Now, not when it is emptied: a reboot finds only what is in the registry. */
	fdbox_unprepare(box);
	WRITE_ONCE(box->deleted, true);
	return 0;
}

static int delete_box(struct fdbox *box)
{
	int err;

	/* Alone: a request that takes long holds up nobody but who wants this box. */
	err = mutex_lock_killable(&box->lock);
	if (err)
		return err;
	err = mark_deleted(box);
	mutex_unlock(&box->lock);
	if (err)
		return err;

	/* Open files still find the box, and the mark; they do not touch @fds. */
	mutex_lock(&fdbox_boxes_lock);
	device_del(&box->dev);
	xa_erase(&fdbox_boxes, MINOR(box->dev.devt));
	mutex_unlock(&fdbox_boxes_lock);

	fdbox_box_destroy(box);
	module_put(THIS_MODULE);
	return 0;
}

/**
 * fdbox_box_delete - delete a box, sealed or not, and what is in it
 * @name: its name
 *
 * Return: 0; -ENOENT without such a box; -ENOPKG while it has fds that only a
 * handler which is not there yet can free; -ESHUTDOWN during a reboot; -EINTR.
 */
int fdbox_box_delete(const char *name)
{
	struct fdbox *box = get_box(name);
	int err;

	if (!box)
		return -ENOENT;
	err = delete_box(box);
	put_device(&box->dev);
	return err;
}

/**
 * fdbox_box_init - get ready to have boxes
 *
 * Return: 0 or a negative errno.
 */
int fdbox_box_init(void)
{
	int err;

	err = class_register(&fdbox_class);
	if (err)
		return err;

	fdbox_major = __register_chrdev(0, 0, MINORMASK + 1, "fdbox", &fdbox_box_fops);
	if (fdbox_major < 0) {
		class_unregister(&fdbox_class);
		return fdbox_major;
	}
	return 0;
}

/**
 * fdbox_box_exit - undo fdbox_box_init(); there are no boxes
 */
void fdbox_box_exit(void)
{
	__unregister_chrdev(fdbox_major, 0, MINORMASK + 1, "fdbox");
	class_unregister(&fdbox_class);
}
