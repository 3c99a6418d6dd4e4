// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs in boxes.
 *
 * Of a VM only its type comes back: vCPUs, memslots, interrupt controllers and
 * capabilities are what user space makes anew. The VM is there for the fds that
 * belong to it. It can be used by one process: the first that calls an ioctl of
 * it in the next kernel.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/vmalloc.h>
#include <fdbox_handler.h>

#include "gmem.h"

#define VM_MAGIC	0x564b4246	/* "FBKV" */
#define VM_VERSION	1

/**
 * struct vm_ser - a VM, serialised
 * @type: KVM_X86_DEFAULT_VM
 */
struct vm_ser {
	u64 type;
};

static bool vm_can_preserve(struct fdbox_handler *handler, struct file *file)
{
	const struct kvm *kvm = kvm_file_to_kvm(file);

	return kvm && gmem_vm_supported(kvm);
}

static int vm_preserve(struct fdbox_file_args *args)
{
	struct vm_ser ser = { .type = kvm_file_to_kvm(args->file)->arch.vm_type };
	struct fdbox_blob_writer writer;
	struct fdbox_blob_head *blob;

	blob = fdbox_blob_alloc(sizeof(ser));
	if (IS_ERR(blob))
		return PTR_ERR(blob);

	fdbox_blob_begin(&writer, blob);
	fdbox_blob_append(&writer, &ser, sizeof(ser));
	fdbox_blob_end(&writer, VM_MAGIC, VM_VERSION);
	args->serialized_data = virt_to_phys(blob);
	return 0;
}

static void vm_unpreserve(struct fdbox_file_args *args)
{
	fdbox_blob_free(phys_to_virt(args->serialized_data));
}

static struct file *make_vm(void)
{
	static atomic_t nr;
	char name[12];

	/* Under debugfs/kvm/, beside those that user space makes: there it is the fd. */
	snprintf(name, sizeof(name), "box%u", (unsigned int)atomic_inc_return(&nr) % 100000000);
	return kvm_create_vm_file(KVM_X86_DEFAULT_VM, name, NULL);
}

static int vm_retrieve(struct fdbox_file_args *args)
{
	struct vm_ser *ser;
	struct file *file;
	size_t length;
	bool valid;

	ser = fdbox_blob_take(args->serialized_data, VM_MAGIC, VM_VERSION, &length);
	if (IS_ERR(ser))
		return PTR_ERR(ser);
	valid = length == sizeof(*ser) && ser->type == KVM_X86_DEFAULT_VM;
	vfree(ser);
	if (!valid)
		return -EBADMSG;

	file = make_vm();
	if (IS_ERR(file))
		return PTR_ERR(file);
	args->file = file;
	return 0;
}

/* The VM, not its file: what belongs to it knows only that. */
static unsigned long vm_get_id(struct file *file)
{
	return (unsigned long)kvm_file_to_kvm(file);
}

static const struct fdbox_file_ops vm_ops = {
	.can_preserve	= vm_can_preserve,
	.preserve	= vm_preserve,
	.unpreserve	= vm_unpreserve,
	.retrieve	= vm_retrieve,
	.get_id		= vm_get_id,
	.owner		= THIS_MODULE,
};

struct fdbox_handler gmem_vm_handler = {
	.ops		= &vm_ops,
	.compatible	= "kvm-vm-v1",
	.luo		= true,
};
