/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the files of fdbox_memfd.ko.
 */
#ifndef _FDBOX_MEMFD_H
#define _FDBOX_MEMFD_H

#include <linux/types.h>
#include <uapi/linux/fcntl.h>

struct fdbox_blob_head;
struct file;
struct folio;
struct inode;

/* The seals that we know how to bring back. */
#define MEMFD_SEALS	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | \
			 F_SEAL_FUTURE_WRITE | F_SEAL_EXEC)

/**
 * struct memfd_pages - the pages of a memfd that is prepared or in a sealed box
 * @nr_pages: how many pages
 * @nr: how many folios
 * @folios: the folios, pinned and preserved, in the order of the file
 */
struct memfd_pages {
	unsigned long nr_pages;
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

/* memfd_ser.c */
struct fdbox_blob_head *memfd_write(struct file *file, const struct memfd_pages *pages);
struct file *memfd_read(phys_addr_t data);

/* memfd_folios.c */
struct memfd_pages *memfd_preserve_pages(struct file *file);
void memfd_unpreserve_pages(struct memfd_pages *pages);
bool memfd_pages_right(struct file *file, const struct memfd_pages *pages);
int memfd_insert_pages(struct inode *inode, const struct memfd_ser_folio *ser, u64 nr);
void memfd_drop_pages(const struct memfd_ser_folio *ser, u64 nr);

#endif /* _FDBOX_MEMFD_H */
