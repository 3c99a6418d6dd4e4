/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the files of fdbox_memfd.ko.
 */
#ifndef _FDBOX_MEMFD_H
#define _FDBOX_MEMFD_H

#include <linux/types.h>

struct file;
struct folio;
struct inode;

/**
 * struct memfd_pages - the pages of a memfd while its box is sealed
 * @nr: how many folios
 * @folios: the folios, pinned and preserved, in the order of the file
 */
struct memfd_pages {
	unsigned long nr;
	struct folio *folios[];
};

/**
 * struct memfd_ser_folio - a folio, serialised
 * @phys: its address
 * @index: page offset in the file
 */
struct memfd_ser_folio {
	u64 phys;
	u64 index;
};

struct memfd_pages *memfd_preserve_pages(struct file *file);
void memfd_unpreserve_pages(struct memfd_pages *pages);
int memfd_insert_pages(struct inode *inode, const struct memfd_ser_folio *ser, u64 nr);
void memfd_drop_pages(const struct memfd_ser_folio *ser, u64 nr);

#endif /* _FDBOX_MEMFD_H */
