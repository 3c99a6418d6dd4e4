// SPDX-License-Identifier: GPL-2.0-only
/*
 * The contents of a guest_memfd: from its page cache to KHO, and back.
 *
 * Its folios cannot be moved, swapped or reclaimed, and are not in memory that
 * the next kernel will boot in: guest_memfd allocates only what may stay where it
 * is. So they need not be pinned, as those of a memfd.
 */
#include <linux/highmem.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/vmalloc.h>
#include <fdbox_handler.h>

#include "gmem.h"

/*
 * A folio that was allocated and never touched has no contents yet, only the
 * promise that it reads as zeroes. Keep the promise now.
 */
static int make_uptodate(struct folio *folio)
{
	int err = 0;

	folio_lock(folio);
	if (folio_test_hwpoison(folio)) {
		err = -EHWPOISON;
	} else if (!folio_test_uptodate(folio)) {
		folio_zero_range(folio, 0, folio_size(folio));
		folio_mark_uptodate(folio);
	}
	folio_unlock(folio);
	return err;
}

static int preserve_folio(struct folio *folio)
{
	int err;

	err = make_uptodate(folio);
	if (err)
		return err;
	return kho_preserve_folio(folio);
}

/* Preserve the folios of a batch; those that are in @pages then keep their reference. */
static int preserve_batch(struct gmem_pages *pages, struct folio_batch *batch, unsigned long room)
{
	struct folio *folio;
	int err = 0;

	while (!err && (folio = folio_batch_next(batch))) {
		err = pages->nr < room ? preserve_folio(folio) : -EBUSY;
		if (!err) {
			folio_get(folio);
			pages->folios[pages->nr++] = folio;
		}
	}
	folio_batch_release(batch);
	return err;
}

/**
 * gmem_preserve_pages - hand the pages of a guest_memfd to KHO
 * @inode: the guest_memfd's; frozen
 *
 * Return: the pages, for gmem_unpreserve_pages(), or an ERR_PTR().
 */
struct gmem_pages *gmem_preserve_pages(struct inode *inode)
{
	unsigned long room = inode->i_mapping->nrpages;
	struct folio_batch batch;
	struct gmem_pages *pages;
	pgoff_t index = 0;
	int err = 0;

	pages = vmalloc(struct_size(pages, folios, room));
	if (!pages)
		return ERR_PTR(-ENOMEM);
	pages->nr = 0;

	folio_batch_init(&batch);
	while (!err && filemap_get_folios(inode->i_mapping, &index, ULONG_MAX, &batch)) {
		err = preserve_batch(pages, &batch, room);
		cond_resched();
	}
	if (err) {
		gmem_unpreserve_pages(pages);
		return ERR_PTR(err);
	}
	return pages;
}

/**
 * gmem_unpreserve_pages - undo gmem_preserve_pages()
 * @pages: the pages
 */
void gmem_unpreserve_pages(struct gmem_pages *pages)
{
	unsigned long i;

	for (i = 0; i < pages->nr; i++) {
		kho_unpreserve_folio(pages->folios[i]);
		folio_put(pages->folios[i]);
	}
	vfree(pages);
}

/**
 * gmem_drop_pages - free pages that arrived and that no file gets
 * @ser: the folios
 * @nr: how many
 */
void gmem_drop_pages(const struct gmem_ser_folio *ser, u64 nr)
{
	struct folio *folio;

	for (; nr; nr--, ser++) {
		folio = fdbox_restore_folio(ser->phys);
		if (folio)
			folio_put(folio);
	}
}

/* As guest_memfd itself does: charged, accounted as page cache, unevictable. */
static int insert_page(struct inode *inode, const struct gmem_ser_folio *ser)
{
	struct address_space *mapping = inode->i_mapping;
	struct folio *folio;
	int err = -EBADMSG;

	folio = fdbox_restore_folio(ser->phys);
	if (!folio)
		return -EBADMSG;

	if (!folio_order(folio) && ser->index < i_size_read(inode) >> PAGE_SHIFT)
		err = filemap_add_folio(mapping, folio, ser->index, mapping_gfp_mask(mapping));
	if (!err) {
		folio_mark_uptodate(folio);
		folio_unlock(folio);
	}
	folio_put(folio);
	return err;
}

/**
 * gmem_insert_pages - give a new guest_memfd its contents
 * @inode: the guest_memfd's
 * @ser: the folios
 * @nr: how many
 *
 * All folios belong to the file afterwards, or are free, also on failure.
 *
 * Return: 0; -EBADMSG or -EEXIST when they do not make a file; another negative
 * errno.
 */
int gmem_insert_pages(struct inode *inode, const struct gmem_ser_folio *ser, u64 nr)
{
	int err;

	for (; nr; nr--, ser++) {
		err = insert_page(inode, ser);
		if (err) {
			gmem_drop_pages(ser + 1, nr - 1);
			return err;
		}
		cond_resched();
	}
	return 0;
}
