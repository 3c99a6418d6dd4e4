// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control device, /dev/fdbox/fdbox: makes, deletes and lists boxes.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/uaccess.h>

#include "fdbox.h"

static int control_create(const struct fdbox_create_box __user *arg)
{
	struct fdbox_create_box create;
	struct fdbox *box;
	int err;

	if (copy_from_user(&create, arg, sizeof(create)))
		return -EFAULT;
	if (create.flags)
		return -EINVAL;
	err = fdbox_check_box_name(create.name);
	if (err)
		return err;

	box = fdbox_box_alloc(create.name);
	if (IS_ERR(box))
		return PTR_ERR(box);

	mutex_lock(&fdbox_boxes_lock);
	err = fdbox_box_add(box);
	mutex_unlock(&fdbox_boxes_lock);
	if (err)
		fdbox_box_destroy(box);
	return err;
}

static int control_delete(const struct fdbox_delete_box __user *arg)
{
	struct fdbox_delete_box delete;
	int err;

	if (copy_from_user(&delete, arg, sizeof(delete)))
		return -EFAULT;
	if (delete.flags)
		return -EINVAL;
	err = fdbox_check_box_name(delete.name);
	if (err)
		return err;

	return fdbox_box_delete(delete.name);
}

static long control_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	/* Whoever opened the device: what counts is who asks. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;

	switch (cmd) {
	case FDBOX_CREATE_BOX:
		return control_create(user);
	case FDBOX_DELETE_BOX:
		return control_delete(user);
	case FDBOX_LIST:
		return fdbox_list_boxes(user);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations control_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= control_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice control_device = {
	.minor		= MISC_DYNAMIC_MINOR,
	.name		= "fdbox",
	.nodename	= "fdbox/fdbox",
	.mode		= 0600,
	.fops		= &control_fops,
};

/**
 * fdbox_control_init - make the control device
 *
 * Return: 0 or a negative errno.
 */
int fdbox_control_init(void)
{
	return misc_register(&control_device);
}

/**
 * fdbox_control_exit - undo fdbox_control_init()
 */
void fdbox_control_exit(void)
{
	misc_deregister(&control_device);
}
