// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blobs: bytes that travel, in a chain of preserved pages.
 *
 * Single pages, because KHO's own allocator stops at the largest order, and
 * because a big table must not need a big free block.
 */
#include <linux/crc32.h>
#include <linux/io.h>
#include <linux/kexec_handover.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "fdbox.h"

/* What KHO stores in page->private of a page that it carried here. */
#define FDBOX_KHO_PAGE_MAGIC	0x4b484f50U

/**
 * struct fdbox_blob_page - every page of a blob starts with this
 * @next: physical address of the next page; 0 in the last one
 */
struct fdbox_blob_page {
	u64 next;
};

/**
 * struct fdbox_blob_head - the first page of a blob starts with this
 * @page: like every page
 * @magic: what the blob is
 * @version: of its layout
 * @length: bytes of data, over all pages
 * @checksum: CRC-32 of the data, then of magic, version and length
 * @reserved: 0
 */
struct fdbox_blob_head {
	struct fdbox_blob_page page;
	u32 magic;
	u32 version;
	u64 length;
	u32 checksum;
	u32 reserved;
};

static u32 checksum_head(const struct fdbox_blob_head *head, u32 checksum)
{
	checksum = crc32_le(checksum, (const u8 *)&head->magic, sizeof(head->magic));
	checksum = crc32_le(checksum, (const u8 *)&head->version, sizeof(head->version));
	return crc32_le(checksum, (const u8 *)&head->length, sizeof(head->length));
}

static struct fdbox_blob_page *next_page(const struct fdbox_blob_page *page)
{
	return page->next ? phys_to_virt(page->next) : NULL;
}

/**
 * fdbox_blob_reserve - make room in a blob
 * @head: the blob
 * @length: bytes of data that it has to take
 *
 * What the blob says meanwhile stays valid. On failure the pages that could be
 * had stay in it.
 *
 * Return: 0 or a negative errno.
 */
int fdbox_blob_reserve(struct fdbox_blob_head *head, u64 length)
{
	u64 room = PAGE_SIZE - sizeof(*head);
	struct fdbox_blob_page *page = &head->page, *next;

	for (;;) {
		next = next_page(page);
		if (!next) {
			if (room >= length)
				return 0;
			next = kho_alloc_preserve(PAGE_SIZE);
			if (IS_ERR(next))
				return PTR_ERR(next);
			WRITE_ONCE(page->next, virt_to_phys(next));
		}
		room += PAGE_SIZE - sizeof(*next);
		page = next;
	}
}

/**
 * fdbox_blob_alloc - a blob for the next kernel
 * @length: bytes of data that it has to take
 *
 * Return: the blob, not valid before fdbox_blob_end(), or an ERR_PTR().
 */
struct fdbox_blob_head *fdbox_blob_alloc(u64 length)
{
	struct fdbox_blob_head *head = kho_alloc_preserve(PAGE_SIZE);
	int err;

	if (IS_ERR(head))
		return head;

	err = fdbox_blob_reserve(head, length);
	if (err) {
		fdbox_blob_free(head);
		return ERR_PTR(err);
	}
	return head;
}
EXPORT_SYMBOL_GPL(fdbox_blob_alloc);

static void free_chain(struct fdbox_blob_page *page)
{
	struct fdbox_blob_page *next;

	for (; page; page = next) {
		next = next_page(page);
		kho_unpreserve_free(page);
	}
}

/**
 * fdbox_blob_trim - give back the pages that a blob does not need any more
 * @head: the blob
 * @length: bytes of data that it has to take from now on
 *
 * What the blob says stays valid, unless that is longer.
 */
void fdbox_blob_trim(struct fdbox_blob_head *head, u64 length)
{
	struct fdbox_blob_page *page = &head->page, *rest;
	u64 room = PAGE_SIZE - sizeof(*head);

	for (; room < length; room += PAGE_SIZE - sizeof(*page))
		page = next_page(page);

	rest = next_page(page);
	if (!rest)
		return;
	/* A kexec must not find what does not travel any more. */
	WRITE_ONCE(page->next, 0);
	free_chain(rest);
}

/**
 * fdbox_blob_free - a blob will not travel after all
 * @head: the blob
 */
void fdbox_blob_free(struct fdbox_blob_head *head)
{
	free_chain(&head->page);
}
EXPORT_SYMBOL_GPL(fdbox_blob_free);

/**
 * fdbox_blob_begin - start to fill a blob
 * @writer: the caller's
 * @head: the blob
 */
void fdbox_blob_begin(struct fdbox_blob_writer *writer, struct fdbox_blob_head *head)
{
	writer->head = head;
	writer->page = &head->page;
	writer->used = sizeof(*head);
	writer->length = 0;
	writer->checksum = ~0;
}
EXPORT_SYMBOL_GPL(fdbox_blob_begin);

/**
 * fdbox_blob_append - fill a blob further
 * @writer: from fdbox_blob_begin()
 * @data: the bytes
 * @size: how many; the blob was allocated large enough for all
 */
void fdbox_blob_append(struct fdbox_blob_writer *writer, const void *data, size_t size)
{
	writer->checksum = crc32_le(writer->checksum, data, size);
	writer->length += size;

	while (size) {
		size_t part = min(size, PAGE_SIZE - writer->used);

		memcpy((void *)writer->page + writer->used, data, part);
		writer->used += part;
		data += part;
		size -= part;
		if (size) {
			writer->page = next_page(writer->page);
			writer->used = sizeof(*writer->page);
		}
	}
}
EXPORT_SYMBOL_GPL(fdbox_blob_append);

/**
 * fdbox_blob_end - make a filled blob valid
 * @writer: from fdbox_blob_begin()
 * @magic: what it is
 * @version: of its layout
 */
void fdbox_blob_end(struct fdbox_blob_writer *writer, u32 magic, u32 version)
{
	struct fdbox_blob_head *head = writer->head;

	head->magic = magic;
	head->version = version;
	head->length = writer->length;
	head->reserved = 0;
	head->checksum = checksum_head(head, writer->checksum);
}
EXPORT_SYMBOL_GPL(fdbox_blob_end);

/**
 * fdbox_page_carried - is there a preserved folio at this address?
 * @phys: any address
 *
 * KHO warns when it is asked to restore something that it did not carry. An
 * address that came from another kernel must not be able to cause a warning.
 *
 * Return: whether it was carried here and not restored yet.
 */
bool fdbox_page_carried(phys_addr_t phys)
{
	struct page *page;

	if (!IS_ALIGNED(phys, PAGE_SIZE))
		return false;
	page = pfn_to_online_page(PHYS_PFN(phys));
	return page && page_private(page) >> 32 == FDBOX_KHO_PAGE_MAGIC;
}

/*
 * KHO itself takes no lock to see whether a page was restored already. Two boxes may
 * name the same one, and be retrieved at the same time.
 */
static DEFINE_SPINLOCK(restore_lock);

/**
 * fdbox_restore_folio - restore a folio from an address that is not trusted
 * @phys: its address in the blob of the previous kernel
 *
 * Return: the folio, or NULL where there is none.
 */
struct folio *fdbox_restore_folio(phys_addr_t phys)
{
	guard(spinlock)(&restore_lock);
	return fdbox_page_carried(phys) ? kho_restore_folio(phys) : NULL;
}
EXPORT_SYMBOL_GPL(fdbox_restore_folio);

/* Restoring works once for each page, so a chain that bites its tail ends. */
static u64 take_pages(phys_addr_t phys, struct list_head *pages)
{
	struct fdbox_blob_page *page;
	struct folio *folio;
	u64 nr = 0;

	while (phys) {
		folio = fdbox_restore_folio(phys);
		if (!folio)
			break;
		list_add_tail(&folio->lru, pages);
		if (folio_order(folio))
			break;
		page = folio_address(folio);
		phys = page->next;
		nr++;
		cond_resched();
	}
	return nr;
}

static void free_pages_list(struct list_head *pages)
{
	struct folio *folio, *tmp;

	list_for_each_entry_safe(folio, tmp, pages, lru) {
		list_del(&folio->lru);
		folio_put(folio);
	}
}

static int check_head(const struct fdbox_blob_head *head, u32 magic, u32 version, u64 nr)
{
	u64 room = nr * (PAGE_SIZE - sizeof(head->page)) + sizeof(head->page) - sizeof(*head);

	if (head->magic != magic)
		return -EBADMSG;
	if (head->version != version || head->reserved)
		return -EPROTONOSUPPORT;
	/* No blob is empty: vmalloc() cannot be asked for nothing. */
	if (!head->length || head->length > room)
		return -EBADMSG;
	return 0;
}

static void *read_pages(struct list_head *pages, const struct fdbox_blob_head *head)
{
	size_t left = head->length, skip = sizeof(*head), part;
	struct folio *folio;
	void *data, *to;

	/* These pages are the only record of what travelled: without it all of that is lost. */
	data = __vmalloc(head->length, GFP_KERNEL | __GFP_NOFAIL);
	to = data;
	list_for_each_entry(folio, pages, lru) {
		part = min(left, PAGE_SIZE - skip);
		memcpy(to, folio_address(folio) + skip, part);
		to += part;
		left -= part;
		skip = sizeof(struct fdbox_blob_page);
	}

	if (checksum_head(head, crc32_le(~0, data, head->length)) != head->checksum) {
		vfree(data);
		return ERR_PTR(-EBADMSG);
	}
	return data;
}

/**
 * fdbox_blob_take - take a blob of the previous kernel
 * @phys: its address
 * @magic: what it must be
 * @version: the layout that it must have
 * @length: set to the bytes of data
 *
 * The blob's pages are free afterwards, whatever is returned: it can be taken
 * once.
 *
 * Return: a copy of the data for vfree(), or ERR_PTR() of -EBADMSG for
 * something damaged, -EPROTONOSUPPORT for another layout.
 */
void *fdbox_blob_take(phys_addr_t phys, u32 magic, u32 version, size_t *length)
{
	struct fdbox_blob_head *head;
	LIST_HEAD(pages);
	void *data;
	u64 nr;

	nr = take_pages(phys, &pages);
	if (!nr) {
		data = ERR_PTR(-EBADMSG);
		goto out;
	}

	head = folio_address(list_first_entry(&pages, struct folio, lru));
	data = ERR_PTR(check_head(head, magic, version, nr));
	if (data)
		goto out;

	data = read_pages(&pages, head);
	*length = head->length;
out:
	free_pages_list(&pages);
	return data;
}
EXPORT_SYMBOL_GPL(fdbox_blob_take);
