// SPDX-License-Identifier: GPL-2.0-only
/*
 * memfds in boxes.
 *
 * A memfd comes back with its contents and holes, size, position, access mode,
 * status flags, seals, mode, owner and name. It is another inode with another
 * number, its times are new, and its memory is charged to whoever loads this
 * module.
 */
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/memfd.h>
#include <linux/mm.h>
#include <linux/shmem_fs.h>
#include <linux/uidgid.h>
#include <linux/vmalloc.h>
#include <uapi/linux/memfd.h>
#include <fdbox_handler.h>

#include "memfd.h"

#define MEMFD_MAGIC	0x464d4246	/* "FBMF" */
#define MEMFD_VERSION	1
#define MEMFD_PREFIX	"memfd:"

#define MEMFD_SEALS	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | \
			 F_SEAL_FUTURE_WRITE | F_SEAL_EXEC)

/* Of the file, beside its access mode: what F_SETFL can set and shmem heeds. */
#define MEMFD_FLAGS	(O_APPEND | O_NONBLOCK | O_NOATIME)

/**
 * struct memfd_ser - a memfd, serialised
 * @name: as in /proc/self/fd
 * @size: of the file, bytes
 * @pos: file position
 * @flags: access mode and MEMFD_FLAGS
 * @seals: F_SEAL_*, which are ABI
 * @mode: permission bits
 * @uid: owner, in the initial user namespace
 * @gid: group, likewise
 * @reserved: 0
 * @nr_folios: how many there are
 * @folios: in the order of the file
 */
struct memfd_ser {
	u8 name[NAME_MAX + 1];
	u64 size;
	u64 pos;
	u32 flags;
	u32 seals;
	u32 mode;
	u32 uid;
	u32 gid;
	u32 reserved;
	u64 nr_folios;
	struct memfd_ser_folio folios[];
};

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

static struct fdbox_blob_head *write_memfd(struct file *file, const struct memfd_pages *pages)
{
	const struct inode *inode = file_inode(file);
	struct memfd_ser ser = {
		.size = i_size_read(inode),
		.pos = file->f_pos,
		.flags = file->f_flags & (O_ACCMODE | MEMFD_FLAGS),
		.seals = SHMEM_I(file_inode(file))->seals,
		.mode = inode->i_mode & S_IALLUGO,
		.uid = from_kuid(&init_user_ns, inode->i_uid),
		.gid = from_kgid(&init_user_ns, inode->i_gid),
		.nr_folios = pages->nr,
	};
	struct fdbox_blob_writer writer;
	struct memfd_ser_folio folio;
	struct fdbox_blob_head *blob;
	unsigned long i;

	blob = fdbox_blob_alloc(struct_size(&ser, folios, pages->nr));
	if (IS_ERR(blob))
		return blob;

	strscpy(ser.name, file->f_path.dentry->d_name.name, sizeof(ser.name));
	fdbox_blob_begin(&writer, blob);
	fdbox_blob_append(&writer, &ser, sizeof(ser));
	for (i = 0; i < pages->nr; i++) {
		folio.phys = PFN_PHYS(folio_pfn(pages->folios[i]));
		folio.index = pages->folios[i]->index;
		fdbox_blob_append(&writer, &folio, sizeof(folio));
	}
	fdbox_blob_end(&writer, MEMFD_MAGIC, MEMFD_VERSION);
	return blob;
}

static int memfd_preserve(struct fdbox_file_args *args)
{
	struct inode *inode = file_inode(args->file);
	struct fdbox_blob_head *blob;
	struct memfd_pages *pages;
	int err;

	inode_lock(inode);

	/* Another open file, or mapping, has it; or another keeper froze it. */
	err = -EBUSY;
	if (d_count(args->file->f_path.dentry) != 1)
		goto err_unlock;
	if (SHMEM_I(inode)->flags & SHMEM_F_MAPPING_FROZEN)
		goto err_unlock;

	err = -EOPNOTSUPP;
	if (SHMEM_I(inode)->seals & ~MEMFD_SEALS)
		goto err_unlock;

	shmem_freeze(inode, true);
	pages = memfd_preserve_pages(args->file);
	if (IS_ERR(pages)) {
		err = PTR_ERR(pages);
		goto err_unfreeze;
	}

	blob = write_memfd(args->file, pages);
	if (IS_ERR(blob)) {
		err = PTR_ERR(blob);
		goto err_pages;
	}

	inode_unlock(inode);
	args->serialized_data = virt_to_phys(blob);
	args->private_data = pages;
	return 0;

err_pages:
	memfd_unpreserve_pages(pages);
err_unfreeze:
	shmem_freeze(inode, false);
err_unlock:
	inode_unlock(inode);
	return err;
}

static void memfd_unpreserve(struct fdbox_file_args *args)
{
	struct inode *inode = file_inode(args->file);

	fdbox_blob_free(phys_to_virt(args->serialized_data));
	memfd_unpreserve_pages(args->private_data);

	inode_lock(inode);
	shmem_freeze(inode, false);
	inode_unlock(inode);
}

/* Of a memfd that nobody else has seen yet. */
static int restore_inode(struct inode *inode, const struct memfd_ser *ser)
{
	int err;

	i_size_write(inode, ser->size);
	err = memfd_insert_pages(inode, ser->folios, ser->nr_folios);
	if (err)
		return err;

	if (ser->seals & F_SEAL_WRITE) {
		err = mapping_deny_writable(inode->i_mapping);
		if (err)
			return err;
	}
	/* As they were: to add F_SEAL_EXEC would imply others. */
	SHMEM_I(inode)->seals = ser->seals;
	inode->i_mode = S_IFREG | ser->mode;
	inode->i_uid = make_kuid(&init_user_ns, ser->uid);
	inode->i_gid = make_kgid(&init_user_ns, ser->gid);
	return 0;
}

/* Give @file, read-write as it was made, the flags that it had. */
static struct file *restore_flags(struct file *file, unsigned int flags)
{
	struct file *reopened;

	if ((flags & O_ACCMODE) != O_RDWR) {
		reopened = dentry_open(&file->f_path, (flags & O_ACCMODE) | O_LARGEFILE,
				       current_cred());
		/* Now, not later: an open file more, and the box could not be sealed. */
		__fput_sync(file);
		if (IS_ERR(reopened))
			return reopened;
		file = reopened;
	}

	file->f_flags |= flags & MEMFD_FLAGS;
	file->f_iocb_flags = iocb_flags(file);
	return file;
}

static bool ser_valid(const struct memfd_ser *ser)
{
	return strnlen(ser->name, sizeof(ser->name)) < sizeof(ser->name) &&
	       ser->size <= MAX_LFS_FILESIZE && ser->pos <= MAX_LFS_FILESIZE &&
	       (ser->flags & O_ACCMODE) != O_ACCMODE &&
	       !(ser->flags & ~(O_ACCMODE | MEMFD_FLAGS)) &&
	       !(ser->seals & ~MEMFD_SEALS) && !(ser->mode & ~S_IALLUGO) &&
	       uid_valid(make_kuid(&init_user_ns, ser->uid)) &&
	       gid_valid(make_kgid(&init_user_ns, ser->gid));
}

static struct file *read_memfd(const struct memfd_ser *ser)
{
	struct file *file;
	int err;

	file = ser_valid(ser) ? memfd_alloc_file(ser->name, 0) : ERR_PTR(-EBADMSG);
	if (IS_ERR(file)) {
		memfd_drop_pages(ser->folios, ser->nr_folios);
		return file;
	}

	err = restore_inode(file_inode(file), ser);
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}

	file = restore_flags(file, ser->flags);
	if (!IS_ERR(file))
		file->f_pos = ser->pos;
	return file;
}

static int memfd_retrieve(struct fdbox_file_args *args)
{
	struct memfd_ser *ser;
	struct file *file;
	size_t length;

	ser = fdbox_blob_take(args->serialized_data, MEMFD_MAGIC, MEMFD_VERSION, &length);
	if (IS_ERR(ser))
		return PTR_ERR(ser);

	if (length < sizeof(*ser) || (length - sizeof(*ser)) % sizeof(*ser->folios) ||
	    (length - sizeof(*ser)) / sizeof(*ser->folios) != ser->nr_folios)
		file = ERR_PTR(-EBADMSG);
	else
		file = read_memfd(ser);
	vfree(ser);

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
