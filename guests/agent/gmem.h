/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KVM's interface for guest_memfd: Linux 6.8, its flags 6.18. The build host's headers are older
 * and may not have it.
 */
#ifndef AGENT_GMEM_H
#define AGENT_GMEM_H

#include <linux/kvm.h>

#include "request.h"

#define GUEST_MEMFD_MAGIC 0x474d454dL	/* f_type of statfs() */

#ifndef KVM_CREATE_GUEST_MEMFD
#define KVM_MEM_GUEST_MEMFD 4U

struct kvm_userspace_memory_region2 {
	u32 slot;
	u32 flags;
	u64 guest_phys_addr;
	u64 memory_size;
	u64 userspace_addr;
	u64 guest_memfd_offset;
	u32 guest_memfd;
	u32 pad1;
	u64 pad2[14];
};

struct kvm_create_guest_memfd {
	u64 size;
	u64 flags;
	u64 reserved[6];
};

#define KVM_SET_USER_MEMORY_REGION2 _IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#define KVM_CREATE_GUEST_MEMFD _IOWR(KVMIO, 0xd4, struct kvm_create_guest_memfd)
#endif

#ifndef GUEST_MEMFD_FLAG_MMAP
#define GUEST_MEMFD_FLAG_MMAP BIT_ULL(0)
#define GUEST_MEMFD_FLAG_INIT_SHARED BIT_ULL(1)
#endif

/* As scenarios have it, unless they say otherwise. */
#define GMEM_DEFAULT (GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)

/* A new fd, or -1 after failing the request. */
int vm_create(struct request *rq, u64 type);
int gmem_create(struct request *rq, int vm, u64 size, u64 flags);

#endif
