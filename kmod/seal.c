// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sealing: everything that has to be done for a kexec to carry a box is done
 * here, so that nothing is left that could fail in the kexec itself.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kexec_handover.h>

#include "fdbox.h"

/* How often a file that seems to be in use is looked at, and how long apart. */
#define CHECK_TRIES	20
#define CHECK_WAIT_US	1000

/*
 * Of what others can still change no snapshot would be right. Beside the box's
 * own, a reference is an open fd, one on its way through a socket, a mapping, or
 * another keeper such as the Live Update Orchestrator. With none of these there is
 * nowhere to get a new one from, but for a moment: a vCPU that faults has one on
 * its guest_memfd until the page is there.
 */
static int check_fd(struct fdbox_fd *fd)
{
	struct file *file = fd->args.file;
	int tries = CHECK_TRIES;

	if (!file)
		return -EIO;
	while (file_count(file) != 1) {
		if (!--tries)
			return -EBUSY;
		fsleep(CHECK_WAIT_US);
	}
	return 0;
}

static void uncheck_fd(struct fdbox_fd *fd)
{
}

static int preserve_fd(struct fdbox_fd *fd)
{
	/* The handler takes over what it prepared, also when it refuses. */
	fd->prepared = false;
	return fd->args.handler->ops->preserve(&fd->args);
}

static void unpreserve_fd(struct fdbox_fd *fd)
{
	fd->args.handler->ops->unpreserve(&fd->args);
}

static int freeze_fd(struct fdbox_fd *fd)
{
	const struct fdbox_file_ops *ops = fd->args.handler->ops;

	return ops->freeze ? ops->freeze(&fd->args) : 0;
}

static void unfreeze_fd(struct fdbox_fd *fd)
{
	const struct fdbox_file_ops *ops = fd->args.handler->ops;

	if (ops->unfreeze)
		ops->unfreeze(&fd->args);
}

/* Do @step to every fd in order; where one refuses, @undo those before it, last one first. */
static int step_all(struct fdbox *box, int (*step)(struct fdbox_fd *fd),
		    void (*undo)(struct fdbox_fd *fd))
{
	struct fdbox_fd *fd;
	int err;

	list_for_each_entry(fd, &box->fds, link) {
		err = step(fd);
		if (err)
			goto err_undo;
		cond_resched();
	}
	return 0;

err_undo:
	fd->seal_error = err;
	/* Names are any bytes: escaped, they cannot begin a line of the log. */
	pr_info_ratelimited("box '%*pE': fd '%*pE' refuses: %pe\n",
			    (int)strlen(dev_name(&box->dev)), dev_name(&box->dev),
			    (int)strlen(fd->name), fd->name, ERR_PTR(err));
	list_for_each_entry_continue_reverse(fd, &box->fds, link)
		undo(fd);
	return err;
}

static void undo_all(struct fdbox *box, void (*undo)(struct fdbox_fd *fd))
{
	struct fdbox_fd *fd;

	list_for_each_entry_reverse(fd, &box->fds, link)
		undo(fd);
}

/**
 * fdbox_serialise - hand a box and everything in it to KHO
 * @box: the box, locked, without pending fds
 *
 * Return: 0; -EOPNOTSUPP without KHO; -ESHUTDOWN during a reboot; the errno of
 * the first fd that refuses, and then nothing has changed; another negative errno.
 */
int fdbox_serialise(struct fdbox *box)
{
	struct fdbox_fd *fd;
	int err;

	if (!kho_is_enabled())
		return -EOPNOTSUPP;
	/* The kexec would not wait: half of it could travel, and nobody know of that. */
	if (fdbox_leaving())
		return -ESHUTDOWN;

	fdbox_number_fds(box);
	list_for_each_entry(fd, &box->fds, link)
		fd->seal_error = 0;

	err = step_all(box, check_fd, uncheck_fd);
	if (err)
		return err;

	err = step_all(box, preserve_fd, unpreserve_fd);
	if (err)
		return err;

	err = step_all(box, freeze_fd, unfreeze_fd);
	if (err)
		goto err_unpreserve;

	err = fdbox_directory_add(box);
	if (err)
		goto err_unfreeze;
	return 0;

err_unfreeze:
	undo_all(box, unfreeze_fd);
err_unpreserve:
	undo_all(box, unpreserve_fd);
	return err;
}

/**
 * fdbox_unserialise - undo fdbox_serialise()
 * @box: the box, locked
 */
void fdbox_unserialise(struct fdbox *box)
{
	fdbox_directory_del(box);
	undo_all(box, unfreeze_fd);
	undo_all(box, unpreserve_fd);
}

/**
 * fdbox_has_pending - are there fds that wait for their handler?
 * @box: the box, locked
 *
 * Return: whether there is one.
 */
bool fdbox_has_pending(struct fdbox *box)
{
	struct fdbox_fd *fd;

	list_for_each_entry(fd, &box->fds, link) {
		if (fdbox_fd_pending(fd))
			return true;
	}
	return false;
}

/**
 * fdbox_seal - close a box and have it carried
 * @box: the box, locked
 *
 * Return: 0; -EBUSY when it is sealed already, or one of its files is in use
 * elsewhere; or as fdbox_serialise(). On failure the box stays open.
 */
int fdbox_seal(struct fdbox *box)
{
	int err;

	if (box->sealed)
		return -EBUSY;

	err = fdbox_serialise(box);
	if (err)
		return err;
	WRITE_ONCE(box->sealed, true);
	return 0;
}

static bool can_finish_fd(struct fdbox_fd *fd)
{
	const struct fdbox_file_ops *ops;

	if (fd->args.retrieve_status <= 0)
		return true;
	ops = fd->args.handler->ops;
	return !ops->can_finish || ops->can_finish(&fd->args);
}

static void finish_fd(struct fdbox_fd *fd)
{
	const struct fdbox_file_ops *ops;

	if (fd->args.retrieve_status <= 0)
		return;
	ops = fd->args.handler->ops;
	if (ops->finish)
		ops->finish(&fd->args);
	fd->args.retrieve_status = 0;
}

/**
 * fdbox_unseal - open a box, and have it not carried any more
 * @box: the box, locked
 *
 * Return: 0; -EBUSY when it is not sealed, or when an fd that arrived misses
 * another one; -ENOPKG while an fd waits for its handler; -ESHUTDOWN during a
 * reboot. On failure the box stays sealed.
 */
int fdbox_unseal(struct fdbox *box)
{
	struct fdbox_fd *fd;

	if (!box->sealed)
		return -EBUSY;
	if (fdbox_has_pending(box))
		return -ENOPKG;
	if (fdbox_leaving())
		return -ESHUTDOWN;
	list_for_each_entry(fd, &box->fds, link) {
		if (!can_finish_fd(fd))
			return -EBUSY;
	}

	/* A box that arrived damaged, or could not be serialised again, is not carried. */
	if (box->blob)
		fdbox_unserialise(box);
	list_for_each_entry(fd, &box->fds, link)
		finish_fd(fd);
	WRITE_ONCE(box->sealed, false);
	return 0;
}
