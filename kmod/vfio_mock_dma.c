// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DMA buffers of a device: ranges of memfds and guest_memfds.
 *
 * Their memory stays where it is for as long as it is mapped. The file does not
 * stay open: who has it open alone decides whether it can travel.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/pagemap.h>
#include <linux/rcupdate_wait.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <uapi/linux/fcntl.h>

#include "vfio_mock.h"

/*
 * Only the inode is kept. That of a tmpfs mount would outlive its file system, which
 * can be unmounted as soon as the file is closed; the mount of memfds stays.
 */
static bool is_memfd(struct file *file)
{
	return shmem_file(file) && file_inode(file)->i_sb->s_flags & SB_KERNMOUNT;
}

static bool is_guest_memfd(struct file *file)
{
	return file_inode(file)->i_sb->s_magic == GUEST_MEMFD_MAGIC;
}

static int check_range(struct file *file, u64 offset, u64 length, u64 iova)
{
	u64 end;

	if (!length || !PAGE_ALIGNED(offset | length | iova))
		return -EINVAL;
	if (check_add_overflow(iova, length - 1, &end) ||
	    check_add_overflow(offset, length, &end))
		return -EINVAL;
	return end <= i_size_read(file_inode(file)) ? 0 : -EINVAL;
}

/*
 * May its user have a device write into a file? One that a device writes into
 * already may get the seal for the future, and travel by an fd for reading.
 */
static int check_access(struct file *file, bool arrived)
{
	unsigned int seals = arrived ? F_SEAL_WRITE : F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;

	if (!arrived && !(file->f_mode & FMODE_WRITE))
		return -EACCES;
	if (shmem_file(file) && SHMEM_I(file_inode(file))->seals & seals)
		return -EPERM;
	return 0;
}

/*
 * A folio that was allocated and never written reads as zeroes only because
 * whoever uses it first writes them. The device does not go through the file,
 * so that has to be done now.
 */
static int make_uptodate(struct folio *folio, struct inode *inode)
{
	int err = 0;

	folio_lock(folio);
	if (folio->mapping != inode->i_mapping) {
		err = -EFAULT;
		goto out_unlock;
	}
	if (!folio_test_uptodate(folio)) {
		folio_zero_range(folio, 0, folio_size(folio));
		flush_dcache_folio(folio);
		folio_mark_uptodate(folio);
	}
	folio_mark_dirty(folio);

out_unlock:
	folio_unlock(folio);
	return err;
}

/* Also moves them out of the memory that the next kernel will boot in. */
static int pin_memfd(struct vfio_mock_dma *dma, struct file *file)
{
	unsigned long room = dma->length >> PAGE_SHIFT;
	pgoff_t offset;
	long nr;

	if (room > UINT_MAX)
		return -EINVAL;
	dma->pinned = true;
	nr = memfd_pin_folios(file, dma->offset, dma->offset + dma->length - 1, dma->folios,
			      room, &offset);
	if (nr < 0)
		return nr;
	dma->nr_folios = nr;
	return 0;
}

/* Nothing is allocated that is not there; what is in swap is. */
static bool has_hole(struct vfio_mock_dma *dma)
{
	pgoff_t index = dma->offset >> PAGE_SHIFT, end = (dma->offset + dma->length) >> PAGE_SHIFT;
	XA_STATE(xas, &dma->inode->i_mapping->i_pages, index);
	void *entry;

	rcu_read_lock();
	xas_for_each(&xas, entry, end - 1) {
		if (xas_retry(&xas, entry))
			continue;
		if (xas.xa_index > index)
			break;
		index = (xas.xa_index | ((1UL << xas_get_order(&xas)) - 1)) + 1;
		if (need_resched()) {
			xas_pause(&xas);
			cond_resched_rcu();
		}
	}
	rcu_read_unlock();
	return index < end;
}

/* Its folios cannot be moved: a reference is enough. */
static int hold_guest_memfd(struct vfio_mock_dma *dma)
{
	pgoff_t index = dma->offset >> PAGE_SHIFT, end = (dma->offset + dma->length) >> PAGE_SHIFT;
	struct folio *folio;

	while (index < end) {
		folio = filemap_get_folio(dma->inode->i_mapping, index);
		if (IS_ERR(folio))
			return -EFAULT;
		dma->folios[dma->nr_folios++] = folio;
		index = folio_next_index(folio);
		cond_resched();
	}
	return 0;
}

static void dma_free(struct vfio_mock_dma *dma)
{
	unsigned long i;

	if (dma->pinned)
		unpin_folios(dma->folios, dma->nr_folios);
	else
		for (i = 0; i < dma->nr_folios; i++)
			folio_put(dma->folios[i]);
	iput(dma->inode);
	module_put(dma->owner);
	kvfree(dma->folios);
	kfree(dma);
}

static int dma_fill(struct vfio_mock_dma *dma, struct file *file, bool arrived)
{
	unsigned long i;
	int err;

	/*
	 * A hole of a guest_memfd stays a hole. And what arrives was pinned before: where
	 * it has holes somebody lies, who could have all memory be filled.
	 */
	if ((arrived || is_guest_memfd(file)) && has_hole(dma))
		return -EFAULT;

	/* However long a file says that it is, it is not worth a warning. */
	dma->folios = kvcalloc(dma->length >> PAGE_SHIFT, sizeof(*dma->folios),
			       GFP_KERNEL | __GFP_NOWARN);
	if (!dma->folios)
		return -ENOMEM;

	err = is_guest_memfd(file) ? hold_guest_memfd(dma) : pin_memfd(dma, file);
	for (i = 0; i < dma->nr_folios && !err; i++)
		err = make_uptodate(dma->folios[i], dma->inode);
	return err;
}

static bool overlaps(const struct vfio_mock *mock, u64 iova, u64 length)
{
	const struct vfio_mock_dma *dma;

	list_for_each_entry(dma, &mock->buffers, link) {
		if (iova <= dma->iova + (dma->length - 1) && dma->iova <= iova + (length - 1))
			return true;
	}
	return false;
}

/* With the inode locked: until its memory is pinned it can be neither cut nor sealed. */
static int map_locked(struct vfio_mock *mock, struct vfio_mock_dma *dma, struct file *file,
		      bool arrived)
{
	int err;

	err = check_access(file, arrived);
	if (!err)
		err = check_range(file, dma->offset, dma->length, dma->iova);
	if (!err && overlaps(mock, dma->iova, dma->length))
		err = -EEXIST;
	if (!err && mock->nr_buffers == VFIO_MOCK_NR_BUFFERS)
		err = -ENOSPC;
	return err ?: dma_fill(dma, file, arrived);
}

/**
 * vfio_mock_map - have a device write into part of a file
 * @mock: the device, locked
 * @file: a memfd or guest_memfd; no reference is kept
 * @offset: in the file
 * @length: bytes
 * @iova: where the device sees it
 * @arrived: it was mapped like this in the kernel before this one
 *
 * Return: 0, or a negative errno as at VFIO_MOCK_MAP.
 */
int vfio_mock_map(struct vfio_mock *mock, struct file *file, u64 offset, u64 length, u64 iova,
		  bool arrived)
{
	struct vfio_mock_dma *dma;
	int err;

	if (!is_memfd(file) && !is_guest_memfd(file))
		return -EOPNOTSUPP;

	dma = kzalloc_obj(*dma);
	if (!dma)
		return -ENOMEM;
	dma->iova = iova;
	dma->offset = offset;
	dma->length = length;
	dma->inode = file_inode(file);
	ihold(dma->inode);
	/* Without it an inode of guest_memfd would be left without a file system. */
	dma->owner = file->f_op->owner;
	__module_get(dma->owner);

	inode_lock_shared(dma->inode);
	err = map_locked(mock, dma, file, arrived);
	inode_unlock_shared(dma->inode);
	if (err) {
		dma_free(dma);
		return err;
	}

	list_add_tail(&dma->link, &mock->buffers);
	mock->nr_buffers++;
	vfio_mock_update(mock);
	return 0;
}

static void unmap(struct vfio_mock *mock, struct vfio_mock_dma *dma)
{
	list_del(&dma->link);
	mock->nr_buffers--;
	dma_free(dma);
}

/**
 * vfio_mock_unmap - take a buffer from a device
 * @mock: the device, locked
 * @iova: where it starts
 *
 * Return: 0, or -ENOENT when none starts there.
 */
int vfio_mock_unmap(struct vfio_mock *mock, u64 iova)
{
	struct vfio_mock_dma *dma;

	list_for_each_entry(dma, &mock->buffers, link) {
		if (dma->iova == iova) {
			unmap(mock, dma);
			return 0;
		}
	}
	return -ENOENT;
}

/**
 * vfio_mock_unmap_all - take all buffers from a device
 * @mock: the device, locked
 */
void vfio_mock_unmap_all(struct vfio_mock *mock)
{
	struct vfio_mock_dma *dma, *next;

	list_for_each_entry_safe(dma, next, &mock->buffers, link)
		unmap(mock, dma);
}

/**
 * vfio_mock_dma_intact - is a buffer still what it was when it was mapped?
 * @dma: the buffer
 *
 * A file can be cut, or a hole be punched into it, under a buffer. The device
 * goes on with the memory that the file had.
 *
 * Return: whether all of it is still part of the file.
 */
bool vfio_mock_dma_intact(const struct vfio_mock_dma *dma)
{
	unsigned long i;

	for (i = 0; i < dma->nr_folios; i++) {
		if (READ_ONCE(dma->folios[i]->mapping) != dma->inode->i_mapping)
			return false;
	}
	return dma->offset + dma->length <= i_size_read(dma->inode);
}

/**
 * vfio_mock_dma_write - write a value into every page of a buffer
 * @dma: the buffer
 * @value: the value; goes to the first eight bytes of the page
 */
void vfio_mock_dma_write(struct vfio_mock_dma *dma, u64 value)
{
	pgoff_t index = dma->offset >> PAGE_SHIFT, end = (dma->offset + dma->length) >> PAGE_SHIFT;
	unsigned long i;
	void *page;

	for (i = 0; i < dma->nr_folios; i++) {
		struct folio *folio = dma->folios[i];

		for (; index < min(end, folio_next_index(folio)); index++) {
			page = kmap_local_folio(folio, (index - folio->index) << PAGE_SHIFT);
			WRITE_ONCE(*(u64 *)page, value);
			kunmap_local(page);
		}
		cond_resched();
	}
}
