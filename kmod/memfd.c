// SPDX-License-Identifier: GPL-2.0-only
/*
 * memfds in boxes.
 *
 * A memfd comes back with its contents and holes, size, position, access mode,
 * status flags, seals, mode, owner and name. It is another inode with another
 * number, its times are new, and its memory is charged to whoever loads this
 * module.
 */
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/shmem_fs.h>
#include <fdbox_handler.h>

#include "memfd.h"

#define MEMFD_PREFIX	"memfd:"

/*
 * Not every file of shmem is a memfd: tmpfs has its own mounts, and the kernel
 * uses shmem for System V shared memory, for shared anonymous memory (both
 * private inodes) and for drivers' objects (other names). A memfd that came
 * through the Live Update Orchestrator has no name.
 */
static bool memfd_can_preserve(struct fdbox_handler *handler, struct file *file)
{
	const struct inode *inode = file_inode(file);
	const char *name = file->f_path.dentry->d_name.name;

	if (!shmem_file(file) || !S_ISREG(inode->i_mode) || inode->i_nlink)
		return false;
	if (!(inode->i_sb->s_flags & SB_KERNMOUNT) || IS_PRIVATE(inode))
		return false;
	return !*name || !strncmp(name, MEMFD_PREFIX, strlen(MEMFD_PREFIX));
}

/*
 * Freeze the file, and hand its pages to KHO. It is frozen from then on: in a box
 * that is prepared, where it may still be written, and in a sealed one.
 */
static int hold_pages(struct fdbox_file_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct memfd_pages *pages;

	/* Another keeper froze it. */
	if (SHMEM_I(inode)->flags & SHMEM_F_MAPPING_FROZEN)
		return -EBUSY;

	shmem_freeze(inode, true);
	pages = memfd_preserve_pages(args->file);
	if (IS_ERR(pages)) {
		shmem_freeze(inode, false);
		return PTR_ERR(pages);
	}
	args->private_data = pages;
	return 0;
}

static void let_go_pages(struct fdbox_file_args *args)
{
	memfd_unpreserve_pages(args->private_data);
	args->private_data = NULL;
	shmem_freeze(file_inode(args->file), false);
}

static int memfd_prepare(struct fdbox_file_args *args)
{
	struct inode *inode = file_inode(args->file);
	int err;

	inode_lock(inode);
	err = hold_pages(args);
	inode_unlock(inode);
	return err;
}

static void memfd_unprepare(struct fdbox_file_args *args)
{
	struct inode *inode = file_inode(args->file);

	inode_lock(inode);
	let_go_pages(args);
	inode_unlock(inode);
}

/* What LIST shows as the reason why the box cannot be sealed. */
static int check_file(struct file *file)
{
	/* Another open file, or a mapping of one, has it. */
	if (d_count(file->f_path.dentry) != 1)
		return -EBUSY;
	if (SHMEM_I(file_inode(file))->seals & ~MEMFD_SEALS)
		return -EOPNOTSUPP;
	return 0;
}

static int memfd_preserve(struct fdbox_file_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct fdbox_blob_head *blob;
	int err;

	inode_lock(inode);

	/* Writing goes on while a box is prepared: if that filled holes, all is done again. */
	err = check_file(args->file);
	if (args->private_data && (err || !memfd_pages_right(args->file, args->private_data)))
		let_go_pages(args);
	if (err)
		goto out_unlock;

	if (!args->private_data)
		err = hold_pages(args);
	if (err)
		goto out_unlock;

	blob = memfd_write(args->file, args->private_data);
	if (IS_ERR(blob)) {
		err = PTR_ERR(blob);
		let_go_pages(args);
		goto out_unlock;
	}
	args->serialized_data = virt_to_phys(blob);

out_unlock:
	inode_unlock(inode);
	return err;
}

static void memfd_unpreserve(struct fdbox_file_args *args)
{
	fdbox_blob_free(phys_to_virt(args->serialized_data));
	memfd_unprepare(args);
}

static int memfd_retrieve(struct fdbox_file_args *args)
{
	struct file *file = memfd_read(args->serialized_data);

	if (IS_ERR(file))
		return PTR_ERR(file);
	args->file = file;
	return 0;
}

static unsigned long memfd_get_id(struct file *file)
{
	return (unsigned long)file_inode(file);
}

static const struct fdbox_file_ops memfd_ops = {
	.can_preserve	= memfd_can_preserve,
	.prepare	= memfd_prepare,
	.unprepare	= memfd_unprepare,
	.preserve	= memfd_preserve,
	.unpreserve	= memfd_unpreserve,
	.retrieve	= memfd_retrieve,
	.get_id		= memfd_get_id,
	.owner		= THIS_MODULE,
};

static struct fdbox_handler memfd_handler = {
	.ops		= &memfd_ops,
	.compatible	= "memfd-v1",
};

static int __init fdbox_memfd_init(void)
{
	return fdbox_register_handler(&memfd_handler);
}

static void __exit fdbox_memfd_exit(void)
{
	fdbox_unregister_handler(&memfd_handler);
}

module_init(fdbox_memfd_init);
module_exit(fdbox_memfd_exit);

MODULE_DESCRIPTION("memfds in FDBox boxes");
MODULE_LICENSE("GPL");
