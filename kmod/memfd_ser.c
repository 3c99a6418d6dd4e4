// SPDX-License-Identifier: GPL-2.0-only
/*
 * The serialised form of a memfd: writing it, and making a memfd of it.
 */
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/memfd.h>
#include <linux/mm.h>
#include <linux/shmem_fs.h>
#include <linux/uidgid.h>
#include <linux/vmalloc.h>
#include <fdbox_handler.h>

#include "memfd.h"

#define MEMFD_MAGIC	0x464d4246	/* "FBMF" */
#define MEMFD_VERSION	1

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

/**
 * memfd_write - serialise a memfd
 * @file: the memfd
 * @pages: its pages, preserved
 *
 * Return: the blob, or an ERR_PTR().
 */
struct fdbox_blob_head *memfd_write(struct file *file, const struct memfd_pages *pages)
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
		cond_resched();
	}
	fdbox_blob_end(&writer, MEMFD_MAGIC, MEMFD_VERSION);
	return blob;
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
	       !ser->reserved && !(ser->seals & ~MEMFD_SEALS) && !(ser->mode & ~S_IALLUGO) &&
	       uid_valid(make_kuid(&init_user_ns, ser->uid)) &&
	       gid_valid(make_kgid(&init_user_ns, ser->gid));
}

static struct file *make_memfd(const struct memfd_ser *ser)
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

/**
 * memfd_read - make a memfd of its serialised form
 * @data: address of the blob; all that it refers to is used up
 *
 * Return: the memfd, or an ERR_PTR().
 */
struct file *memfd_read(phys_addr_t data)
{
	struct memfd_ser *ser;
	struct file *file;
	size_t length;

	ser = fdbox_blob_take(data, MEMFD_MAGIC, MEMFD_VERSION, &length);
	if (IS_ERR(ser))
		return ERR_CAST(ser);

	if (length < sizeof(*ser) || (length - sizeof(*ser)) % sizeof(*ser->folios) ||
	    (length - sizeof(*ser)) / sizeof(*ser->folios) != ser->nr_folios)
		file = ERR_PTR(-EBADMSG);
	else
		file = make_memfd(ser);
	vfree(ser);
	return file;
}
