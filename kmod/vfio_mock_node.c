// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may open /dev/vfio/devices/vfioN.
 *
 * A device that arrived belongs to the one file that arrived with it, until that
 * file is bound to an iommufd; from then on VFIO's own rules will do. The VFIO core
 * does not ask a driver before it opens a node, so the node's file operations
 * are replaced: by some which ask, and then give the file those of the core.
 */
#include <linux/cdev.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/path.h>
#include <linux/sched.h>
#include <fdbox_handler.h>

#include "vfio_mock.h"

/* The VFIO core's, which it does not export: what a file of a VFIO device has. */
static const struct file_operations *vfio_fops;

/* For a caller who has no /dev, or something else there. */
static struct vfsmount *devtmpfs;

/**
 * vfio_mock_alone - has nobody but these a device open?
 * @mock: the device
 * @files: how many files are expected
 *
 * Return: whether there are no more.
 */
bool vfio_mock_alone(const struct vfio_mock *mock, unsigned int files)
{
	/* Beside each open file the registration itself counts. */
	return refcount_read(&mock->vdev.refcount) == files + 1;
}

/**
 * vfio_mock_abandoned - did the file with which a device arrived go away?
 * @mock: the device, locked
 *
 * Return: whether it did.
 */
bool vfio_mock_abandoned(const struct vfio_mock *mock)
{
	return mock->arrived && !mock->opener && vfio_mock_alone(mock, 0);
}

/**
 * vfio_mock_free - a device is nobody's any more
 * @mock: the device, locked
 */
void vfio_mock_free(struct vfio_mock *mock)
{
	vfio_mock_reset(mock);
	mock->arrived = false;
	mock->travelling = false;
}

static bool may_open(struct vfio_mock *mock)
{
	if (mock->opener)
		return mock->opener == current;
	if (vfio_mock_abandoned(mock))
		vfio_mock_free(mock);
	return !mock->arrived && !mock->preserved;
}

/* A device that is opened through its group is opened behind our back. */
static_assert(!IS_ENABLED(CONFIG_VFIO_GROUP), "vfio_mock needs CONFIG_VFIO_GROUP to be off");

static struct vfio_mock *of_inode(struct inode *inode)
{
	return container_of(inode->i_cdev, struct vfio_mock, vdev.cdev);
}

static int guard_open(struct inode *inode, struct file *file)
{
	struct vfio_mock *mock = of_inode(inode);
	int err = -EBUSY;

	/* One that waits for other fds of its box does not say yet which device it has. */
	if (READ_ONCE(mock->opener) != current && fdbox_kind_pending(VFIO_MOCK_KIND))
		return -EBUSY;

	mutex_lock(&mock->lock);
	if (may_open(mock))
		err = vfio_fops->open(inode, file);
	mutex_unlock(&mock->lock);
	if (err)
		return err;

	/* The open file keeps the device, and so this module, from going away. */
	replace_fops(file, fops_get(vfio_fops));
	return 0;
}

static const struct file_operations guard_fops = {
	.owner	= THIS_MODULE,
	.open	= guard_open,
};

/**
 * vfio_mock_guard_node - be asked before a device is opened
 * @mock: the device, just registered
 *
 * Who is faster has opened it without being asked. A device that is open does
 * not get back what it had before a kexec, so that this does no harm.
 */
void vfio_mock_guard_node(struct vfio_mock *mock)
{
	vfio_fops = mock->vdev.cdev.ops;
	WRITE_ONCE(mock->vdev.cdev.ops, &guard_fops);
}

/**
 * vfio_mock_of_file - the device that a file has open
 * @file: any file
 *
 * Return: the device, or NULL when it is not the file of a device of ours.
 */
struct vfio_mock *vfio_mock_of_file(struct file *file)
{
	struct inode *inode = file_inode(file);

	if (file->f_op != vfio_fops || !S_ISCHR(inode->i_mode) || !inode->i_cdev ||
	    inode->i_cdev->ops != &guard_fops)
		return NULL;
	return of_inode(inode);
}

/*
 * Where users have the node, so that /proc/PID/fd says of the file what it would
 * say of one that they opened. Found, not opened: it can be anything.
 */
static struct file *open_by_path(struct vfio_mock *mock, const char *name, unsigned int flags)
{
	struct file *file = ERR_PTR(-ENODEV);
	struct inode *inode;
	struct path path;
	int err;

	err = kern_path(name, 0, &path);
	if (err)
		return ERR_PTR(err);
	inode = d_inode(path.dentry);
	if (S_ISCHR(inode->i_mode) && inode->i_rdev == mock->vdev.device.devt)
		file = dentry_open(&path, flags, current_cred());
	path_put(&path);
	return file;
}

static struct file *open_in_devtmpfs(const char *name, unsigned int flags)
{
	struct path root = { .mnt = devtmpfs, .dentry = devtmpfs->mnt_root };

	return file_open_root(&root, name, flags, 0);
}

/**
 * vfio_mock_open_node - open a device for the file that arrives
 * @mock: the device; @opener is current
 * @flags: for open(2)
 *
 * Return: a genuine file of VFIO, not bound yet, or an ERR_PTR().
 */
struct file *vfio_mock_open_node(struct vfio_mock *mock, unsigned int flags)
{
	struct file *file;
	char name[64];

	snprintf(name, sizeof(name), "/dev/vfio/devices/%s", dev_name(&mock->vdev.device));
	flags |= O_LARGEFILE;
	file = open_by_path(mock, name, flags);
	if (IS_ERR(file))
		file = open_in_devtmpfs(name + strlen("/dev/"), flags);
	if (IS_ERR(file) || vfio_mock_of_file(file) == mock)
		return file;

	/* Somebody put another node in its place. */
	fput(file);
	return ERR_PTR(-ENODEV);
}

/**
 * vfio_mock_node_init - get ready to open nodes
 *
 * Return: 0 or a negative errno.
 */
int vfio_mock_node_init(void)
{
	struct file_system_type *type = get_fs_type("devtmpfs");

	if (!type)
		return -ENODEV;
	devtmpfs = kern_mount(type);
	module_put(type->owner);
	return PTR_ERR_OR_ZERO(devtmpfs);
}

/**
 * vfio_mock_node_exit - undo vfio_mock_node_init()
 */
void vfio_mock_node_exit(void)
{
	kern_unmount(devtmpfs);
}
