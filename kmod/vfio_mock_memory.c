// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of a DMA buffer: what of a memfd or guest_memfd a device holds.
 *
 * It stays where it is for as long as it is held. The file does not stay open: who
 * has it open alone decides whether it can travel.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/magic.h>
#include <linux/memfd.h>
#include <linux/mm.h>
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

/**
 * vfio_mock_can_hold - can a buffer be in a file like this?
 * @file: any file
 *
 * Return: whether it can.
 */
bool vfio_mock_can_hold(struct file *file)
{
	return is_memfd(file) || is_guest_memfd(file);
}

static int check_range(const struct vfio_mock_dma *dma)
{
	u64 end;

	if (!dma->length || !PAGE_ALIGNED(dma->offset | dma->length | dma->iova))
		return -EINVAL;
	if (check_add_overflow(dma->iova, dma->length - 1, &end) ||
	    check_add_overflow(dma->offset, dma->length, &end))
		return -EINVAL;
	return end <= i_size_read(dma->inode) ? 0 : -EINVAL;
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

/* Its folios cannot be moved: a reference is enough. A hole stays a hole. */
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

/**
 * vfio_mock_may_hold - may a device write there, and is it there?
 * @dma: the buffer: where it is in which inode, and what the device calls it
 * @file: of that inode, which is locked: the file can be neither cut nor sealed
 * @arrived: it was held like this in the kernel before this one
 *
 * Return: 0, -EACCES, -EPERM or -EINVAL.
 */
int vfio_mock_may_hold(const struct vfio_mock_dma *dma, struct file *file, bool arrived)
{
	return check_access(file, arrived) ?: check_range(dma);
}

/**
 * vfio_mock_hold - hold the memory of a buffer
 * @dma: the buffer, that may be held
 * @file: of its inode, which has been locked since then
 * @arrived: it was held like this in the kernel before this one
 *
 * Return: 0, or a negative errno as at VFIO_MOCK_MAP. Afterwards vfio_mock_let_go(),
 * also on failure.
 */
int vfio_mock_hold(struct vfio_mock_dma *dma, struct file *file, bool arrived)
{
	unsigned long i;
	int err;

	/* It was held before: where it has holes somebody lies, and could fill all memory. */
	if (arrived && has_hole(dma))
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

/**
 * vfio_mock_let_go - give back what was held for a buffer
 * @dma: the buffer; also one that could not be held, or not whole
 */
void vfio_mock_let_go(struct vfio_mock_dma *dma)
{
	unsigned long i;

	if (dma->pinned)
		unpin_folios(dma->folios, dma->nr_folios);
	else
		for (i = 0; i < dma->nr_folios; i++)
			folio_put(dma->folios[i]);
	kvfree(dma->folios);
}
