// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_memfds in boxes.
 *
 * A guest_memfd comes back with its contents and holes, size and flags, for the
 * VM that came back before it in the same box. It is another inode with another
 * number; memslots that it was bound to, and the NUMA policy, are user space's to
 * make anew; its memory is charged to whoever loads this module.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/vmalloc.h>
#include <fdbox_handler.h>

#include "gmem.h"

#define GMEM_MAGIC	0x4d474246	/* "FBGM" */
#define GMEM_VERSION	1

/* All other memory is the guest's alone: the host could not map it, nor carry it. */
#define GMEM_FLAGS	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)

/**
 * struct gmem_ser - a guest_memfd, serialised
 * @vm: token of its VM
 * @size: of the file, bytes
 * @flags: GMEM_FLAGS
 * @nr_folios: how many there are
 * @folios: in the order of the file
 */
struct gmem_ser {
	u64 vm;
	u64 size;
	u64 flags;
	u64 nr_folios;
	struct gmem_ser_folio folios[];
};

static bool gmem_can_preserve(struct fdbox_handler *handler, struct file *file)
{
	const struct kvm *kvm;
	u64 flags;

	kvm = kvm_gmem_file_to_kvm(file, &flags);
	return kvm && gmem_vm_supported(kvm) && flags == GMEM_FLAGS;
}

static int gmem_preserve(struct fdbox_file_args *args)
{
	struct fdbox_blob_head *blob;
	struct gmem_pages *pages;
	int err;

	/* From here on no vCPU writes to it, and it stays the same in every other way. */
	err = kvm_gmem_freeze(args->file);
	if (err)
		return err;

	pages = gmem_preserve_pages(file_inode(args->file));
	if (IS_ERR(pages)) {
		err = PTR_ERR(pages);
		goto err_unfreeze;
	}

	blob = fdbox_blob_alloc(struct_size_t(struct gmem_ser, folios, pages->nr));
	if (IS_ERR(blob)) {
		err = PTR_ERR(blob);
		goto err_pages;
	}

	args->serialized_data = virt_to_phys(blob);
	args->private_data = pages;
	return 0;

err_pages:
	gmem_unpreserve_pages(pages);
err_unfreeze:
	kvm_gmem_unfreeze(args->file);
	return err;
}

static void gmem_unpreserve(struct fdbox_file_args *args)
{
	fdbox_blob_free(phys_to_virt(args->serialized_data));
	gmem_unpreserve_pages(args->private_data);
	kvm_gmem_unfreeze(args->file);
}

static void write_gmem(struct fdbox_blob_head *blob, const struct gmem_ser *ser,
		       const struct gmem_pages *pages)
{
	struct fdbox_blob_writer writer;
	struct gmem_ser_folio folio;
	unsigned long i;

	fdbox_blob_begin(&writer, blob);
	fdbox_blob_append(&writer, ser, sizeof(*ser));
	for (i = 0; i < pages->nr; i++) {
		folio.phys = PFN_PHYS(folio_pfn(pages->folios[i]));
		folio.index = pages->folios[i]->index;
		fdbox_blob_append(&writer, &folio, sizeof(folio));
	}
	fdbox_blob_end(&writer, GMEM_MAGIC, GMEM_VERSION);
}

/* All fds of the box are preserved: now the VM has a token, or does not travel. */
static int gmem_freeze(struct fdbox_file_args *args)
{
	const struct gmem_pages *pages = args->private_data;
	struct gmem_ser ser = {
		.size = i_size_read(file_inode(args->file)),
		.nr_folios = pages->nr,
	};
	struct kvm *kvm;
	int err;

	kvm = kvm_gmem_file_to_kvm(args->file, &ser.flags);
	err = fdbox_token_outgoing(args, (unsigned long)kvm, &ser.vm);
	if (err)
		return err;

	write_gmem(phys_to_virt(args->serialized_data), &ser, pages);
	return 0;
}

static bool ser_valid(const struct gmem_ser *ser)
{
	return ser->size && ser->size <= MAX_LFS_FILESIZE && PAGE_ALIGNED(ser->size) &&
	       ser->flags == GMEM_FLAGS;
}

/* An empty guest_memfd for the VM that is called @ser->vm. */
static struct file *make_gmem(struct fdbox_file_args *args, const struct gmem_ser *ser)
{
	struct file *vm_file, *file = ERR_PTR(-EBADMSG);
	struct kvm *kvm;
	int err;

	if (!ser_valid(ser))
		return ERR_PTR(-EBADMSG);
	err = fdbox_file_incoming(args, ser->vm, &vm_file);
	if (err)
		return ERR_PTR(err);

	kvm = kvm_file_to_kvm(vm_file);
	if (kvm && gmem_vm_supported(kvm))
		file = kvm_gmem_create_file(kvm, ser->size, ser->flags);
	fput(vm_file);
	return file;
}

static struct file *read_gmem(struct fdbox_file_args *args, const struct gmem_ser *ser)
{
	struct file *file;
	int err;

	file = make_gmem(args, ser);
	if (IS_ERR(file)) {
		gmem_drop_pages(ser->folios, ser->nr_folios);
		return file;
	}

	err = gmem_insert_pages(file_inode(file), ser->folios, ser->nr_folios);
	if (err) {
		fput(file);
		return ERR_PTR(err);
	}
	return file;
}

static int gmem_retrieve(struct fdbox_file_args *args)
{
	struct gmem_ser *ser;
	struct file *file;
	size_t length;

	ser = fdbox_blob_take(args->serialized_data, GMEM_MAGIC, GMEM_VERSION, &length);
	if (IS_ERR(ser))
		return PTR_ERR(ser);

	if (length < sizeof(*ser) || (length - sizeof(*ser)) % sizeof(*ser->folios) ||
	    (length - sizeof(*ser)) / sizeof(*ser->folios) != ser->nr_folios)
		file = ERR_PTR(-EBADMSG);
	else
		file = read_gmem(args, ser);
	vfree(ser);

	if (IS_ERR(file))
		return PTR_ERR(file);
	args->file = file;
	return 0;
}

static unsigned long gmem_get_id(struct file *file)
{
	return (unsigned long)file_inode(file);
}

static const struct fdbox_file_ops gmem_ops = {
	.can_preserve	= gmem_can_preserve,
	.preserve	= gmem_preserve,
	.unpreserve	= gmem_unpreserve,
	.freeze		= gmem_freeze,
	.retrieve	= gmem_retrieve,
	.get_id		= gmem_get_id,
	.owner		= THIS_MODULE,
};

static struct fdbox_handler gmem_handler = {
	.ops		= &gmem_ops,
	.compatible	= "guest-memfd-v1",
	.luo		= true,
};

static int __init fdbox_gmem_init(void)
{
	int err;

	/* Without the processor's part of KVM no VM could be made, and all would be lost. */
	if (!kvm_try_get_module())
		return -ENODEV;

	/*
	 * In this order: nothing can be held by the first that is registered, since
	 * each fd of its kind needs one of the second.
	 */
	err = fdbox_register_handler(&gmem_handler);
	if (err)
		goto err_put;
	err = fdbox_register_handler(&gmem_vm_handler);
	if (err)
		goto err_unregister;
	return 0;

err_unregister:
	fdbox_unregister_handler(&gmem_handler);
err_put:
	kvm_put_module();
	return err;
}

static void __exit fdbox_gmem_exit(void)
{
	fdbox_unregister_handler(&gmem_vm_handler);
	fdbox_unregister_handler(&gmem_handler);
	kvm_put_module();
}

module_init(fdbox_gmem_init);
module_exit(fdbox_gmem_exit);

MODULE_DESCRIPTION("guest_memfds and their VMs in FDBox boxes");
MODULE_LICENSE("GPL");
