// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DMA buffers of a device: ranges of memfds and guest_memfds, whose memory is in
 * vfio_mock_memory.c.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include "vfio_mock.h"

static bool overlaps(const struct vfio_mock *mock, u64 iova, u64 length)
{
	const struct vfio_mock_dma *dma;

	list_for_each_entry(dma, &mock->buffers, link) {
		if (iova <= dma->iova + (dma->length - 1) && dma->iova <= iova + (length - 1))
			return true;
	}
	return false;
}

static void dma_free(struct vfio_mock_dma *dma)
{
	vfio_mock_let_go(dma);
	iput(dma->inode);
	module_put(dma->owner);
	kfree(dma);
}

static int dma_add(struct vfio_mock *mock, struct vfio_mock_dma *dma, struct file *file,
		   bool arrived)
{
	int err;

	/* Until its memory is held it must be neither cut nor sealed. */
	inode_lock_shared(dma->inode);
	err = vfio_mock_may_hold(dma, file, arrived);
	if (!err && overlaps(mock, dma->iova, dma->length))
		err = -EEXIST;
	if (!err && mock->nr_buffers == VFIO_MOCK_NR_BUFFERS)
		err = -ENOSPC;
	if (!err)
		err = vfio_mock_hold(dma, file, arrived);
	inode_unlock_shared(dma->inode);
	if (err)
		return err;

	list_add_tail(&dma->link, &mock->buffers);
	mock->nr_buffers++;
	vfio_mock_update(mock);
	return 0;
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

	if (!vfio_mock_can_hold(file))
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

	err = dma_add(mock, dma, file, arrived);
	if (err)
		dma_free(dma);
	return err;
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
