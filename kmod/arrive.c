// SPDX-License-Identifier: GPL-2.0-only
/*
 * Boxes that arrive from the kernel before this one.
 *
 * They come back sealed, with their fds pending. An fd becomes a file when its
 * handler is there and all fds before it are files, or lost: what it depends on
 * is among those. KHO carries no page a second time by itself: when the last
 * fd of a box is there, the box is serialised anew, so that one that stays
 * sealed travels with the next kexec too.
 *
 * Nothing that comes from there is trusted. What is damaged costs its own box
 * and a line in the log.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/file.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "fdbox.h"

/* How often a box that there is no memory for is tried, and how long apart. */
#define ARRIVE_TRIES	10
#define ARRIVE_WAIT_MS	100

/* Fds that wait for their handler, of all boxes. */
static DEFINE_MUTEX(pending_lock);
static LIST_HEAD(pending_fds);

static int add_pending(struct fdbox *box, const struct fdbox_ser_fd *ser)
{
	struct fdbox_fd *fd;

	if (fdbox_check_fd_name(ser->name))
		return -EBADMSG;
	if (!ser->kind[0] || strnlen(ser->kind, sizeof(ser->kind)) == sizeof(ser->kind))
		return -EBADMSG;
	if (fdbox_fd_find(box, ser->name))
		return -EEXIST;

	fd = fdbox_fd_alloc(box, ser->name, GFP_KERNEL | __GFP_NOFAIL);
	strscpy(fd->kind, ser->kind, sizeof(fd->kind));
	fd->args.serialized_data = ser->data;
	fdbox_fd_add(box, fd);
	return 0;
}

static int fill_box(struct fdbox *box, const struct fdbox_ser_fd *ser, u64 nr)
{
	int err = 0;

	while (nr-- && !err) {
		err = add_pending(box, ser++);
		cond_resched();
	}
	fdbox_number_fds(box);
	return err;
}

static void wait_for_handlers(struct fdbox *box)
{
	struct fdbox_fd *fd;

	mutex_lock(&pending_lock);
	list_for_each_entry(fd, &box->fds, link)
		list_add_tail(&fd->pending, &pending_fds);
	mutex_unlock(&pending_lock);
}

static int make_box(const struct fdbox_ser_box *ser, size_t length)
{
	struct fdbox *box;
	int err;

	if (length < sizeof(*ser) || fdbox_check_box_name(ser->name))
		return -EBADMSG;
	length -= sizeof(*ser);
	if (length % sizeof(struct fdbox_ser_fd) ||
	    length / sizeof(struct fdbox_ser_fd) != ser->nr_fds)
		return -EBADMSG;

	box = fdbox_box_alloc(ser->name);
	if (IS_ERR(box))
		return PTR_ERR(box);

	/* Complete and sealed before anybody can see it. */
	err = fill_box(box, (const struct fdbox_ser_fd *)(ser + 1), ser->nr_fds);
	if (err)
		goto err_destroy;
	box->sealed = true;

	err = fdbox_box_add(box);
	if (err)
		goto err_destroy;
	wait_for_handlers(box);
	return 0;

err_destroy:
	fdbox_box_destroy(box);
	return err;
}

static int arrive_box(phys_addr_t phys)
{
	struct fdbox_ser_box *ser;
	int tries = ARRIVE_TRIES, err;
	size_t length;

	ser = fdbox_blob_take(phys, FDBOX_BOX_MAGIC, FDBOX_VERSION, &length);
	if (IS_ERR(ser))
		return PTR_ERR(ser);
	err = make_box(ser, length);
	/* What the box holds is lost without it, and memory may be short for a moment only. */
	while (err == -ENOMEM && --tries) {
		msleep(ARRIVE_WAIT_MS);
		err = make_box(ser, length);
	}
	vfree(ser);
	return err;
}

static int arrive_directory(phys_addr_t phys)
{
	u64 *directory, nr, i;
	size_t length;
	int err;

	directory = fdbox_blob_take(phys, FDBOX_DIRECTORY_MAGIC, FDBOX_VERSION, &length);
	if (IS_ERR(directory))
		return PTR_ERR(directory);

	nr = length / sizeof(*directory);
	if (length % sizeof(*directory) || directory[0] != nr - 1) {
		vfree(directory);
		return -EBADMSG;
	}

	for (i = 1; i < nr; i++) {
		err = arrive_box(directory[i]);
		if (err)
			pr_err("box %llu of %llu is refused: %pe\n", i, nr - 1, ERR_PTR(err));
	}
	vfree(directory);
	return 0;
}

static int arrive_root(phys_addr_t phys, size_t size)
{
	struct fdbox_root root;
	struct folio *folio;

	if (size != sizeof(root))
		return -EPROTONOSUPPORT;
	folio = fdbox_restore_folio(phys);
	if (!folio)
		return -ENODATA;
	root = *(struct fdbox_root *)folio_address(folio);
	/* Not put: in debugfs KHO shows what is there for as long as this kernel runs. */

	if (root.magic != FDBOX_ROOT_MAGIC)
		return -EBADMSG;
	if (root.version != FDBOX_VERSION)
		return -EPROTONOSUPPORT;
	return arrive_directory(root.directory);
}

/**
 * fdbox_arrive - take over the boxes of the kernel before this one
 *
 * Loading the module again finds that they were taken, and takes none.
 *
 * Context: fdbox_boxes_lock is held.
 */
void fdbox_arrive(void)
{
	phys_addr_t phys;
	size_t size;
	int err;

	if (!is_kho_boot())
		return;
	err = kho_retrieve_subtree(FDBOX_SUBTREE, &phys, &size);
	if (err == -ENOENT)
		return;

	if (!err)
		err = arrive_root(phys, size);
	if (err == -ENODATA)
		pr_info("the boxes of the kernel before this one were taken already\n");
	else if (err)
		pr_err("the boxes of the kernel before this one are refused: %pe\n", ERR_PTR(err));
}

/* The reference to @handler becomes the fd's, or is put. */
static void make_file(struct fdbox *box, struct fdbox_fd *fd, struct fdbox_handler *handler)
{
	struct fdbox_file_args *args = &fd->args;
	struct file *file;
	int err;

	err = handler->ops->retrieve(args);
	if (err)
		goto err_lost;

	/* It is not the fd's before it is known to be in no other box. */
	file = args->file;
	args->file = NULL;
	err = fdbox_fd_claim(fd, handler, file);
	if (err)
		goto err_file;

	args->retrieve_status = 1;
	return;

err_file:
	fput(file);
err_lost:
	fdbox_handler_put(handler);
	args->retrieve_status = err;
	pr_err("box '%*pE': fd '%*pE' is lost: %pe\n",
	       (int)strlen(dev_name(&box->dev)), dev_name(&box->dev),
	       (int)strlen(fd->name), fd->name, ERR_PTR(err));
}

static void retrieve_fd(struct fdbox *box, struct fdbox_fd *fd, struct fdbox_handler *handler)
{
	make_file(box, fd, handler);

	mutex_lock(&pending_lock);
	list_del(&fd->pending);
	mutex_unlock(&pending_lock);
}

/* Retrieve in the order of putting, up to an fd whose handler is not there. */
static void retrieve_fds(struct fdbox *box)
{
	struct fdbox_handler *handler;
	struct fdbox_fd *fd;

	list_for_each_entry(fd, &box->fds, link) {
		if (!fdbox_fd_pending(fd))
			continue;
		handler = fdbox_handler_get_kind(fd->kind);
		if (!handler)
			break;
		retrieve_fd(box, fd, handler);
		cond_resched();
	}
}

static void retrieve_box(struct fdbox *box)
{
	int err;

	if (box->deleted || !box->sealed || box->blob)
		return;
	retrieve_fds(box);
	if (fdbox_has_pending(box))
		return;

	err = fdbox_serialise(box);
	if (err)
		pr_warn("box '%*pE' will not travel again as it is: %pe\n",
			(int)strlen(dev_name(&box->dev)), dev_name(&box->dev), ERR_PTR(err));
}

/**
 * fdbox_arrive_more - retrieve what can be retrieved by the handlers of now
 */
void fdbox_arrive_more(void)
{
	struct fdbox *box = NULL;

	while ((box = fdbox_box_next(box))) {
		mutex_lock(&box->lock);
		retrieve_box(box);
		mutex_unlock(&box->lock);
	}
}

/**
 * fdbox_kind_pending - have fds of a kind arrived that are not files yet?
 * @kind: the handler's name
 *
 * For a handler which must not give away meanwhile what an fd stands for. It
 * waits for no box: what is done with one can take long.
 *
 * Return: whether there is one.
 */
bool fdbox_kind_pending(const char *kind)
{
	bool pending = false;
	struct fdbox_fd *fd;

	mutex_lock(&pending_lock);
	list_for_each_entry(fd, &pending_fds, pending)
		pending |= !strcmp(fd->kind, kind);
	mutex_unlock(&pending_lock);
	return pending;
}
EXPORT_SYMBOL_GPL(fdbox_kind_pending);
