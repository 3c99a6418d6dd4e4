// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preparing: what of sealing can be done while the files are still in use, so
 * that SEAL is short.
 *
 * What is prepared may be known to KHO already, but the box is not carried: a
 * kexec now would take memory to the next kernel that nobody there knows of. So
 * right before a kexec everything that is prepared and not sealed is undone.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kexec_handover.h>
#include <linux/reboot.h>

#include "fdbox.h"

static bool leaving;

/**
 * fdbox_leaving - has a reboot begun?
 *
 * Whoever is told under the lock of a box that it has not is waited for, in that
 * box, before the kexec.
 *
 * Return: whether it has. There is no way back.
 */
bool fdbox_leaving(void)
{
	return READ_ONCE(leaving);
}

static int prepare_fd(struct fdbox_fd *fd)
{
	const struct fdbox_file_ops *ops;
	int err;

	if (fd->prepared || !fd->args.file)
		return 0;
	ops = fd->args.handler->ops;
	if (!ops->prepare)
		return 0;

	err = ops->prepare(&fd->args);
	fd->prepared = !err;
	return err;
}

/**
 * fdbox_unprepare_fd - undo what was prepared of one fd
 * @fd: the fd
 */
void fdbox_unprepare_fd(struct fdbox_fd *fd)
{
	if (!fd->prepared)
		return;
	fd->args.handler->ops->unprepare(&fd->args);
	fd->prepared = false;
}

/**
 * fdbox_unprepare - undo what was prepared of a box
 * @box: the box, locked
 */
void fdbox_unprepare(struct fdbox *box)
{
	struct fdbox_fd *fd;

	list_for_each_entry_reverse(fd, &box->fds, link)
		fdbox_unprepare_fd(fd);
}

/**
 * fdbox_prepare - do the long part of sealing a box early
 * @box: the box, locked
 *
 * Fds that are prepared already stay as they are, so this can be called again
 * after more were put.
 *
 * Return: 0; -EBUSY when the box is sealed; -EOPNOTSUPP without KHO; -ESHUTDOWN
 * during a reboot; the errno of the first fd that refuses, and then nothing is
 * prepared.
 */
int fdbox_prepare(struct fdbox *box)
{
	struct fdbox_fd *fd;
	int err;

	if (box->sealed)
		return -EBUSY;
	if (!kho_is_enabled())
		return -EOPNOTSUPP;
	if (fdbox_leaving())
		return -ESHUTDOWN;

	list_for_each_entry(fd, &box->fds, link) {
		err = prepare_fd(fd);
		if (err) {
			pr_info_ratelimited("box '%*pE': fd '%*pE' cannot be prepared: %pe\n",
					    (int)strlen(dev_name(&box->dev)), dev_name(&box->dev),
					    (int)strlen(fd->name), fd->name, ERR_PTR(err));
			fdbox_unprepare(box);
			return err;
		}
		cond_resched();
	}
	return 0;
}

/*
 * Whoever prepares, seals or unseals after this sees that it is too late; what
 * was prepared before is undone.
 */
static int prepare_reboot(struct notifier_block *nb, unsigned long action, void *data)
{
	struct fdbox *box = NULL;

	WRITE_ONCE(leaving, true);
	while ((box = fdbox_box_next(box))) {
		mutex_lock(&box->lock);
		if (!box->deleted)
			fdbox_unprepare(box);
		mutex_unlock(&box->lock);
	}
	return NOTIFY_DONE;
}

static struct notifier_block prepare_nb = {
	.notifier_call = prepare_reboot,
};

/**
 * fdbox_prepare_init - get ready to prepare boxes
 *
 * Return: 0 or a negative errno.
 */
int fdbox_prepare_init(void)
{
	return register_reboot_notifier(&prepare_nb);
}

/**
 * fdbox_prepare_exit - undo fdbox_prepare_init()
 */
void fdbox_prepare_exit(void)
{
	unregister_reboot_notifier(&prepare_nb);
}
