// SPDX-License-Identifier: GPL-2.0-only
/*
 * The contents of a memfd: from its page cache to KHO, and back.
 */
#include <linux/folio_batch.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/rcupdate_wait.h>
#include <linux/shmem_fs.h>
#include <linux/vmalloc.h>
#include <fdbox_handler.h>

#include "memfd.h"

/* Pages looked at, and pinned, in one go. */
#define MEMFD_BATCH	1024

/*
 * A folio that was allocated and never written has no contents yet, only the
 * promise that it reads as zeroes. Keep the promise now.
 */
static int make_uptodate(struct folio *folio)
{
	/* Broken memory cannot be used by the next kernel, which does not know of it. */
	if (folio_contain_hwpoisoned_page(folio))
		return -EHWPOISON;

	folio_lock(folio);
	if (!folio_test_uptodate(folio)) {
		folio_zero_range(folio, 0, folio_size(folio));
		flush_dcache_folio(folio);
		folio_mark_uptodate(folio);
	}
	/* Or reclaim could drop it here, and what travels would be another page. */
	folio_mark_dirty(folio);
	folio_unlock(folio);
	return 0;
}

/*
 * The end of the run of pages that starts at @index. What is in swap, as a value in
 * the page cache, makes a run of one.
 *
 * Not page_cache_next_miss(): from within a large folio xas_next() counts on from the
 * folio's first slot, and the gap is found by as much too late (7.3).
 */
static pgoff_t run_end(struct address_space *mapping, pgoff_t index)
{
	XA_STATE(xas, &mapping->i_pages, index);
	pgoff_t next = index;
	void *entry;

	rcu_read_lock();
	xas_for_each(&xas, entry, index + MEMFD_BATCH - 1) {
		if (xas_retry(&xas, entry))
			continue;
		if (xa_is_value(entry) || xas.xa_index != next)
			break;
		next = (xas.xa_index | ((1UL << xas_get_order(&xas)) - 1)) + 1;
	}
	rcu_read_unlock();
	return max(next, index + 1);
}

/*
 * Is there a broken page among those from @index to before @end? It is looked for
 * before they are pinned, since one in scratch memory would have to be moved for
 * that, cannot be, and memfd_pin_folios() then tries for ever (7.3).
 */
static bool run_broken(struct address_space *mapping, pgoff_t index, pgoff_t end)
{
	struct folio_batch batch;
	bool broken = false;
	unsigned int i;

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		return false;

	folio_batch_init(&batch);
	while (!broken && filemap_get_folios(mapping, &index, end - 1, &batch)) {
		for (i = 0; i < folio_batch_count(&batch); i++)
			broken |= folio_contain_hwpoisoned_page(batch.folios[i]);
		folio_batch_release(&batch);
	}
	return broken;
}

/*
 * Pin the run of pages that starts at @index. Pinning brings back from swap,
 * and moves out of the memory that the next kernel will boot in.
 */
static int pin_run(struct file *file, pgoff_t index, struct memfd_pages *pages,
		   unsigned long room)
{
	struct address_space *mapping = file->f_mapping;
	loff_t size = i_size_read(mapping->host);
	loff_t start = (loff_t)index << PAGE_SHIFT, end;
	pgoff_t offset, after;
	long nr;

	/* Allocated beyond the end of the file: it cannot be pinned, nor forgotten. */
	if (start >= size)
		return -EOPNOTSUPP;

	after = run_end(mapping, index);
	if (run_broken(mapping, index, after))
		return -EHWPOISON;

	/* Unsigned: the last page of the largest file ends where loff_t does. */
	end = min((u64)after << PAGE_SHIFT, (u64)size) - 1;

	nr = memfd_pin_folios(file, start, end, pages->folios + pages->nr,
			      min(room - pages->nr, UINT_MAX), &offset);
	if (nr < 0)
		return nr;
	pages->nr += nr;
	return 0;
}

/*
 * Holes stay holes: memfd_pin_folios() would fill them, so it never sees one. A
 * file in use can get more pages meanwhile than there is @room for: those are left
 * out.
 */
static int pin_all(struct file *file, struct memfd_pages *pages, unsigned long room)
{
	struct address_space *mapping = file->f_mapping;
	unsigned long index = 0;
	int err;

	while (pages->nr < room && xa_find(&mapping->i_pages, &index, ULONG_MAX, XA_PRESENT)) {
		err = pin_run(file, index, pages, room);
		if (err)
			return err;
		index = folio_next_index(pages->folios[pages->nr - 1]);
		cond_resched();
	}
	return 0;
}

/*
 * How many pages a file has, with those in swap, and those that could not be read
 * back from there; at least, for a folio that is split meanwhile counts more than
 * once. The counters of shmem are no use: while a page goes to swap there is a
 * moment at which neither has it.
 */
static unsigned long count_pages(struct address_space *mapping)
{
	XA_STATE(xas, &mapping->i_pages, 0);
	unsigned long nr = 0;
	void *entry;

	rcu_read_lock();
	xas_for_each(&xas, entry, ULONG_MAX) {
		if (xas_retry(&xas, entry))
			continue;
		nr += 1UL << xas_get_order(&xas);
		if (need_resched()) {
			xas_pause(&xas);
			cond_resched_rcu();
		}
	}
	rcu_read_unlock();
	return nr;
}

static int preserve_all(struct memfd_pages *pages)
{
	unsigned long i;
	int err;

	for (i = 0; i < pages->nr; i++) {
		err = make_uptodate(pages->folios[i]);
		if (!err)
			err = kho_preserve_folio(pages->folios[i]);
		if (err)
			goto err_unpreserve;
		pages->nr_pages += folio_nr_pages(pages->folios[i]);
		cond_resched();
	}
	return 0;

err_unpreserve:
	while (i--)
		kho_unpreserve_folio(pages->folios[i]);
	return err;
}

/**
 * memfd_preserve_pages - pin the pages of a memfd, and hand them to KHO
 * @file: the memfd, frozen
 *
 * Where it is in use holes of it may get pages meanwhile, or later, and pages may
 * break: see memfd_pages_right().
 *
 * Return: the pages, for memfd_unpreserve_pages(), or an ERR_PTR().
 */
struct memfd_pages *memfd_preserve_pages(struct file *file)
{
	unsigned long room = count_pages(file->f_mapping);
	struct memfd_pages *pages;
	int err;

	pages = vmalloc(struct_size(pages, folios, room));
	if (!pages)
		return ERR_PTR(-ENOMEM);
	pages->nr_pages = 0;
	pages->nr = 0;

	err = pin_all(file, pages, room);
	if (err)
		goto err_unpin;
	err = preserve_all(pages);
	if (err)
		goto err_unpin;
	return pages;

err_unpin:
	unpin_folios(pages->folios, pages->nr);
	vfree(pages);
	return ERR_PTR(err);
}

/**
 * memfd_unpreserve_pages - undo memfd_preserve_pages()
 * @pages: the pages
 */
void memfd_unpreserve_pages(struct memfd_pages *pages)
{
	unsigned long i;

	for (i = 0; i < pages->nr; i++) {
		kho_unpreserve_folio(pages->folios[i]);
		unpin_folio(pages->folios[i]);
		cond_resched();
	}
	vfree(pages);
}

/**
 * memfd_pages_right - are the pages that were preserved all that a memfd has?
 * @file: the memfd, frozen all the time, so that it cannot have lost any
 * @pages: from memfd_preserve_pages()
 *
 * Return: whether they are, and none of them is broken.
 */
bool memfd_pages_right(struct file *file, const struct memfd_pages *pages)
{
	unsigned long i;

	if (count_pages(file->f_mapping) != pages->nr_pages)
		return false;
	for (i = 0; i < pages->nr; i++) {
		if (folio_contain_hwpoisoned_page(pages->folios[i]))
			return false;
		cond_resched();
	}
	return true;
}

/**
 * memfd_drop_pages - free pages that arrived and that no file gets
 * @ser: the folios
 * @nr: how many
 */
void memfd_drop_pages(const struct memfd_ser_folio *ser, u64 nr)
{
	struct folio *folio;

	for (; nr; nr--, ser++) {
		folio = fdbox_restore_folio(ser->phys);
		if (folio)
			folio_put(folio);
		cond_resched();
	}
}

static int insert_page(struct inode *inode, const struct memfd_ser_folio *ser)
{
	struct folio *folio;
	int err = -EBADMSG;

	folio = fdbox_restore_folio(ser->phys);
	if (!folio)
		return -EBADMSG;

	if (ser->index < DIV_ROUND_UP_ULL(i_size_read(inode), PAGE_SIZE))
		err = shmem_insert_preserved_folio(inode, folio, ser->index);
	folio_put(folio);
	return err;
}

/**
 * memfd_insert_pages - give a new memfd its contents
 * @inode: the memfd's, with its size
 * @ser: the folios
 * @nr: how many
 *
 * All folios belong to the file afterwards, or are free, also on failure.
 *
 * Return: 0; -EBADMSG when they do not make a file; another negative errno.
 */
int memfd_insert_pages(struct inode *inode, const struct memfd_ser_folio *ser, u64 nr)
{
	int err;

	for (; nr; nr--, ser++) {
		err = insert_page(inode, ser);
		if (err) {
			memfd_drop_pages(ser + 1, nr - 1);
			return err;
		}
		cond_resched();
	}
	return 0;
}
