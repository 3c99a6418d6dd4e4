// SPDX-License-Identifier: GPL-2.0-only
/*
 * Only for tests: freezes a guest_memfd that is open.
 *
 * In a sealed box a guest_memfd is frozen, but then nobody has a file to try what
 * that means. Here the caller names an fd of its own:
 *
 *	/sys/kernel/debug/fdbox_gmem_test/freeze, unfreeze	write: an fd number
 */
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/module.h>

static int with_gmem(u64 fd, int (*act)(struct file *file))
{
	u64 flags;

	if (fd > INT_MAX)
		return -EBADF;

	CLASS(fd, f)(fd);

	if (fd_empty(f))
		return -EBADF;
	if (!kvm_gmem_file_to_kvm(fd_file(f), &flags))
		return -EINVAL;
	return act(fd_file(f));
}

static int freeze_set(void *data, u64 fd)
{
	return with_gmem(fd, kvm_gmem_freeze);
}

static int unfreeze(struct file *file)
{
	kvm_gmem_unfreeze(file);
	return 0;
}

static int unfreeze_set(void *data, u64 fd)
{
	return with_gmem(fd, unfreeze);
}

DEFINE_DEBUGFS_ATTRIBUTE(freeze_fops, NULL, freeze_set, "%llu\n");
DEFINE_DEBUGFS_ATTRIBUTE(unfreeze_fops, NULL, unfreeze_set, "%llu\n");

static struct dentry *dir;

static int __init fdbox_gmem_test_init(void)
{
	dir = debugfs_create_dir("fdbox_gmem_test", NULL);
	debugfs_create_file_unsafe("freeze", 0200, dir, NULL, &freeze_fops);
	debugfs_create_file_unsafe("unfreeze", 0200, dir, NULL, &unfreeze_fops);
	return 0;
}

static void __exit fdbox_gmem_test_exit(void)
{
	debugfs_remove_recursive(dir);
}

module_init(fdbox_gmem_test_init);
module_exit(fdbox_gmem_test_exit);

MODULE_DESCRIPTION("Freezes an open guest_memfd, for tests");
MODULE_LICENSE("GPL");
