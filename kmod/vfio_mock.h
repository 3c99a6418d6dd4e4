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

#define VFIO_MOCK_KIND		"vfio-mock-v1"

struct eventfd_ctx;
struct fdbox_blob_head;
struct fdbox_file_args;
struct fdbox_handler;
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
 * @preserved: its file is preserved: it keeps its buffers
 * @frozen: it stands still, for a kexec
 * @arrived: it belongs to a file from the kernel before this one, which has not
 *	been bound to an iommufd yet
 * @travelling: it arrived, and still stands still
 * @opener: who is making that file
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
	bool preserved;
	bool frozen;
	bool arrived;
	bool travelling;
	struct task_struct *opener;
};

/**
 * struct vfio_mock_dma - a range of a file that a device writes into
 * @link: in the device's list, in the order of mapping
 * @iova: where the device sees it
 * @offset: in the file
 * @length: bytes
 * @inode: of the file; a reference
 * @owner: the module that the file needs; a reference
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
	struct module *owner;
	bool pinned;
	unsigned long nr_folios;
	struct folio **folios;
};

/**
 * struct vfio_mock_ser_buffer - a buffer, serialised
 * @iova: where the device sees it
 * @token: the carrier's name for the fd that it is in
 * @offset: in that file
 * @length: bytes
 */
struct vfio_mock_ser_buffer {
	u64 iova;
	u64 token;
	u64 offset;
	u64 length;
};

/**
 * struct vfio_mock_ser - a device, serialised
 * @number: which device
 * @flags: access mode of its file
 * @generation: registers, as the next four
 * @control: register
 * @irq_every: register
 * @nr_buffers: how many there are
 * @counter: register
 * @scratch: registers
 * @buffers: in the order of mapping
 */
struct vfio_mock_ser {
	u32 number;
	u32 flags;
	u32 generation;
	u32 control;
	u32 irq_every;
	u32 nr_buffers;
	u64 counter;
	u32 scratch[VFIO_MOCK_NR_SCRATCH];
	struct vfio_mock_ser_buffer buffers[];
};

/* vfio_mock_main.c */
struct vfio_mock *vfio_mock_find(unsigned int number);

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
int vfio_mock_map(struct vfio_mock *mock, struct file *file, u64 offset, u64 length, u64 iova,
		  bool arrived);
int vfio_mock_unmap(struct vfio_mock *mock, u64 iova);
void vfio_mock_unmap_all(struct vfio_mock *mock);
bool vfio_mock_dma_intact(const struct vfio_mock_dma *dma);
void vfio_mock_dma_write(struct vfio_mock_dma *dma, u64 value);

/* vfio_mock_memory.c */
bool vfio_mock_can_hold(struct file *file);
int vfio_mock_may_hold(const struct vfio_mock_dma *dma, struct file *file, bool arrived);
int vfio_mock_hold(struct vfio_mock_dma *dma, struct file *file, bool arrived);
void vfio_mock_let_go(struct vfio_mock_dma *dma);

/* vfio_mock_tick.c */
bool vfio_mock_moving(const struct vfio_mock *mock);
void vfio_mock_update(struct vfio_mock *mock);
void vfio_mock_tick(struct work_struct *work);

/* vfio_mock_node.c */
void vfio_mock_guard_node(struct vfio_mock *mock);
struct vfio_mock *vfio_mock_of_file(struct file *file);
bool vfio_mock_alone(const struct vfio_mock *mock, unsigned int files);
bool vfio_mock_abandoned(const struct vfio_mock *mock);
void vfio_mock_free(struct vfio_mock *mock);
struct file *vfio_mock_open_node(struct vfio_mock *mock, unsigned int flags);
int vfio_mock_node_init(void);
void vfio_mock_node_exit(void);

/* vfio_mock_ser.c */
struct fdbox_blob_head *vfio_mock_ser_alloc(const struct vfio_mock *mock);
int vfio_mock_ser_write(struct vfio_mock *mock, struct fdbox_file_args *args);
struct vfio_mock_ser *vfio_mock_ser_take(phys_addr_t phys);
int vfio_mock_ser_restore(struct vfio_mock *mock, const struct vfio_mock_ser *ser,
			  struct fdbox_file_args *args);

/* vfio_mock_handler.c */
extern struct fdbox_handler vfio_mock_handler;

/* vfio_mock_faults.c */
enum vfio_mock_op {
	VFIO_MOCK_CAN_PRESERVE,
	VFIO_MOCK_PRESERVE,
	VFIO_MOCK_UNPRESERVE,
	VFIO_MOCK_FREEZE,
	VFIO_MOCK_UNFREEZE,
	VFIO_MOCK_RETRIEVE,
	VFIO_MOCK_CAN_FINISH,
	VFIO_MOCK_FINISH,
	VFIO_MOCK_NR_OPS
};

int vfio_mock_fault(const struct vfio_mock *mock, enum vfio_mock_op op);
int vfio_mock_trace(const struct vfio_mock *mock, enum vfio_mock_op op, int result);
void vfio_mock_faults_init(void);
void vfio_mock_faults_exit(void);

static inline struct vfio_mock *to_vfio_mock(struct vfio_device *vdev)
{
	return container_of(vdev, struct vfio_mock, vdev);
}

#endif /* _VFIO_MOCK_H */
