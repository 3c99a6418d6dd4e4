/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the files of fdbox_gmem.ko.
 */
#ifndef _FDBOX_GMEM_H
#define _FDBOX_GMEM_H

#include <linux/kvm_host.h>
#include <linux/types.h>

struct file;
struct folio;
struct inode;

/**
 * struct gmem_pages - the pages of a guest_memfd while its box is sealed
 * @nr: how many folios
 * @folios: the folios, referenced and preserved, in the order of the file
 */
struct gmem_pages {
	unsigned long nr;
	struct folio *folios[];
};

/**
 * struct gmem_ser_folio - a folio, serialised
 * @phys: its address
 * @index: page offset in the file
 */
struct gmem_ser_folio {
	u64 phys;
	u64 index;
};

/* gmem_vm.c */
extern struct fdbox_handler gmem_vm_handler;

/**
 * gmem_vm_supported - can a VM be made anew without losing anything of its kind?
 * @kvm: the VM
 *
 * Memory that the host cannot read, of all other types, cannot be carried.
 *
 * Return: whether it can.
 */
static inline bool gmem_vm_supported(const struct kvm *kvm)
{
	return kvm->arch.vm_type == KVM_X86_DEFAULT_VM;
}

/* gmem_folios.c */
struct gmem_pages *gmem_preserve_pages(struct inode *inode);
void gmem_unpreserve_pages(struct gmem_pages *pages);
int gmem_insert_pages(struct inode *inode, const struct gmem_ser_folio *ser, u64 nr);
void gmem_drop_pages(const struct gmem_ser_folio *ser, u64 nr);

#endif /* _FDBOX_GMEM_H */
