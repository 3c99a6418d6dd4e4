/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the files of vfio_mock.ko.
 *
 * Locks, outermost first: the VFIO core's of the device, the device's own.
 */
#ifndef _VFIO_MOCK_H
#define _VFIO_MOCK_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/vfio.h>
#include <linux/workqueue.h>
#include <uapi/vfio_mock.h>

struct eventfd_ctx;
struct file;
struct folio;
struct inode;

/**
 * struct vfio_mock - a device
 * @vdev: what the VFIO core knows of it
 * @number: which of the devices; never changes
 * @lock: protects what follows
 * @generation: see struct vfio_mock_registers, as the next four
 * @control: register
 * @irq_every: register
 * @counter: register
 * @scratch: registers
 * @trigger: eventfd of the interrupt, or NULL
 * @buffers: list of struct vfio_mock_dma
 * @nr_buffers: its length
 * @tick: writes the counter
 * @opened: an iommufd is bound to it
 */
struct vfio_mock {
	struct vfio_device vdev;
	unsigned int number;
	struct mutex lock;	/* what follows */
	u32 generation;
	u32 control;
	u32 irq_every;
	u64 counter;
	u32 scratch[VFIO_MOCK_NR_SCRATCH];
	struct eventfd_ctx *trigger;
	struct list_head buffers;
	unsigned int nr_buffers;
	struct delayed_work tick;
	bool opened;
};

/**
 * struct vfio_mock_dma - a range of a file that a device writes into
 * @link: in the device's list, in the order of mapping
 * @iova: where the device sees it
 * @offset: in the file
 * @length: bytes
 * @inode: of the file; a reference
 * @pinned: the folios are pinned, not just referenced
 * @nr_folios: how many there are
 * @folios: that make up the range, in the order of the file
 */
struct vfio_mock_dma {
	struct list_head link;
	u64 iova;
	u64 offset;
	u64 length;
	struct inode *inode;
	bool pinned;
	unsigned long nr_folios;
	struct folio **folios;
};

/* vfio_mock_device.c */
struct vfio_mock *vfio_mock_create(struct device *parent, unsigned int number);
void vfio_mock_destroy(struct vfio_mock *mock);
void vfio_mock_reset(struct vfio_mock *mock);

/* vfio_mock_regions.c */
ssize_t vfio_mock_read(struct vfio_device *vdev, char __user *buf, size_t count, loff_t *ppos);
ssize_t vfio_mock_write(struct vfio_device *vdev, const char __user *buf, size_t count,
			loff_t *ppos);
int vfio_mock_region_info(struct vfio_device *vdev, struct vfio_region_info *info,
			  struct vfio_info_cap *caps);

/* vfio_mock_irq.c */
int vfio_mock_irq_info(struct vfio_irq_info __user *arg);
int vfio_mock_set_irqs(struct vfio_mock *mock, struct vfio_irq_set __user *arg);
void vfio_mock_irq_raise(struct vfio_mock *mock);
void vfio_mock_irq_disable(struct vfio_mock *mock);

/* vfio_mock_dma.c */
int vfio_mock_map(struct vfio_mock *mock, struct file *file, u64 offset, u64 length, u64 iova);
int vfio_mock_unmap(struct vfio_mock *mock, u64 iova);
void vfio_mock_unmap_all(struct vfio_mock *mock);
void vfio_mock_dma_write(struct vfio_mock_dma *dma, u64 value);

/* vfio_mock_tick.c */
bool vfio_mock_moving(const struct vfio_mock *mock);
void vfio_mock_update(struct vfio_mock *mock);
void vfio_mock_tick(struct work_struct *work);

static inline struct vfio_mock *to_vfio_mock(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfio_mock, vdev);
}

#endif /* _VFIO_MOCK_H */
