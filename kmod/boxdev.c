// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device of a box, /dev/fdbox/<name>.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/uaccess.h>

#include "fdbox.h"

static int boxdev_open(struct inode *inode, struct file *file)
{
	struct fdbox *box;

	mutex_lock(&fdbox_boxes_lock);
	box = xa_load(&fdbox_boxes, iminor(inode));
	if (box)
		get_device(&box->dev);
	mutex_unlock(&fdbox_boxes_lock);

	if (!box)
		return -ENODEV;
	file->private_data = box;
	return 0;
}

static int boxdev_release(struct inode *inode, struct file *file)
{
	struct fdbox *box = file->private_data;

	put_device(&box->dev);
	return 0;
}

/**
 * union boxdev_args - what comes with a request
 * @put: of FDBOX_PUT_FD
 * @get: of FDBOX_GET_FD
 */
union boxdev_args {
	struct fdbox_put_fd put;
	struct fdbox_get_fd get;
};

static int read_put_fd(struct fdbox_put_fd *put, const void __user *arg)
{
	if (copy_from_user(put, arg, sizeof(*put)))
		return -EFAULT;
	if (put->flags || put->pad)
		return -EINVAL;
	return fdbox_check_fd_name(put->name);
}

static int read_get_fd(struct fdbox_get_fd *get, const void __user *arg)
{
	/* Whether the structure has padding at its end depends on the ABI. */
	if (copy_from_user(get, arg, offsetofend(struct fdbox_get_fd, name)))
		return -EFAULT;
	if (get->flags || get->pad)
		return -EINVAL;
	return fdbox_check_fd_name(get->name);
}

static int read_args(union boxdev_args *args, unsigned int cmd, void __user *arg)
{
	switch (cmd) {
	case FDBOX_PUT_FD:
		return read_put_fd(&args->put, arg);
	case FDBOX_GET_FD:
		return read_get_fd(&args->get, arg);
	case FDBOX_SEAL:
	case FDBOX_UNSEAL:
	case FDBOX_PREPARE:
		return 0;
	default:
		return -ENOTTY;
	}
}

static int do_request(struct fdbox *box, unsigned int cmd, const union boxdev_args *args)
{
	if (box->deleted)
		return -ENODEV;

	switch (cmd) {
	case FDBOX_PUT_FD:
		return fdbox_put_fd(box, args->put.fd, args->put.name);
	case FDBOX_GET_FD:
		return fdbox_get_fd(box, args->get.name);
	case FDBOX_SEAL:
		return fdbox_seal(box);
	case FDBOX_PREPARE:
		return fdbox_prepare(box);
	default:
		return fdbox_unseal(box);
	}
}

static long boxdev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct fdbox *box = file->private_data;
	union boxdev_args args;
	int ret;

	/* Whoever opened the device: what counts is who asks. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;

	/* Writes to the caller, which may take as long as the caller likes: not locked. */
	if (cmd == FDBOX_LIST)
		return fdbox_list_fds(box, (void __user *)arg);

	ret = read_args(&args, cmd, (void __user *)arg);
	if (ret)
		return ret;

	ret = mutex_lock_killable(&box->lock);
	if (ret)
		return ret;
	ret = do_request(box, cmd, &args);
	mutex_unlock(&box->lock);
	return ret;
}

const struct file_operations fdbox_box_fops = {
	.owner		= THIS_MODULE,
	.open		= boxdev_open,
	.release	= boxdev_release,
	.unlocked_ioctl	= boxdev_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};
