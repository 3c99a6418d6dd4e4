/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * vfio_mock: a VFIO device without hardware, for tests of live updates.
 *
 * What VFIO has ioctls for is done with those. Regions and ioctls below are the
 * device's own.
 *
 * The device has a table of DMA buffers. While it runs it counts, and writes its
 * count to the first eight bytes of every page of every buffer.
 */
#ifndef _UAPI_LINUX_VFIO_MOCK_H
#define _UAPI_LINUX_VFIO_MOCK_H

#include <linux/types.h>
#include <linux/vfio.h>

/* Indices of its regions: neither can be mapped. */
enum {
	VFIO_MOCK_REGION_REGISTERS,	/* struct vfio_mock_registers; write 4 bytes at a time */
	VFIO_MOCK_REGION_BUFFERS,	/* struct vfio_mock_buffer[64], read-only */
	VFIO_MOCK_NR_REGIONS
};

#define VFIO_MOCK_ID		0x6b636f6d	/* "mock" */
#define VFIO_MOCK_NR_SCRATCH	16
#define VFIO_MOCK_NR_BUFFERS	64

/* Bits of the register control. */
#define VFIO_MOCK_CONTROL_RUN	0x1	/* set by a reset */

/* Bits of the register status. */
#define VFIO_MOCK_STATUS_MOVING	0x1	/* it runs, and has a buffer */
#define VFIO_MOCK_STATUS_IRQ	0x2	/* its interrupt is enabled */

/* A reset clears all but @id and @generation, empties the table, and sets CONTROL_RUN. */
struct vfio_mock_registers {
	__u32 id;		/* VFIO_MOCK_ID */
	__u32 generation;	/* random when the device is new; one more with each reset */
	__u32 control;		/* writable */
	__u32 status;
	__u64 counter;		/* what it wrote last */
	__u32 irq_every;	/* writable; interrupt after so many counts; 0: never */
	__u32 doorbell;		/* any write raises the interrupt; reads as 0 */
	__u32 scratch[VFIO_MOCK_NR_SCRATCH];	/* writable, without effect */
};

struct vfio_mock_buffer {
	__u64 iova;
	__u64 offset;		/* in the file */
	__u64 length;		/* 0: the slot is empty */
};

/*
 * Have the device write into part of a memfd, or of what is there of a
 * guest_memfd. All three numbers are multiples of the page size. The device
 * keeps the memory, not the file open.
 *
 * EBADF; EACCES: not open for writing; EPERM: sealed against writing;
 * EOPNOTSUPP: another kind of file; EINVAL: not within the file; EFAULT: a hole
 * in a guest_memfd; EEXIST: overlaps with another buffer; ENOSPC: table full;
 * EBUSY: the device is preserved.
 */
#define VFIO_MOCK_MAP		_IO(VFIO_TYPE, VFIO_BASE + 100)
struct vfio_mock_map {
	__u32 argsz;
	__u32 flags;		/* must be 0 */
	__s32 fd;
	__u32 pad;		/* must be 0 */
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 iova;
};

/* Remove the buffer that starts at iova. ENOENT; EBUSY: the device is preserved. */
#define VFIO_MOCK_UNMAP		_IO(VFIO_TYPE, VFIO_BASE + 101)
struct vfio_mock_unmap {
	__u32 argsz;
	__u32 flags;		/* must be 0 */
	__aligned_u64 iova;
};

#endif /* _UAPI_LINUX_VFIO_MOCK_H */
