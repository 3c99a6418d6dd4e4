// SPDX-License-Identifier: GPL-2.0-only
/*
 * The regions of a device: its registers, and its table of buffers.
 */
#include <linux/align.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "vfio_mock.h"

/* The index of a region in the upper bits of a file position, as vfio-pci does it. */
#define REGION_SHIFT		40
#define REGION_OFFSET(index)	((u64)(index) << REGION_SHIFT)
#define REGION_MASK		(REGION_OFFSET(1) - 1)

static const size_t region_sizes[VFIO_MOCK_NR_REGIONS] = {
	[VFIO_MOCK_REGION_REGISTERS]	= sizeof(struct vfio_mock_registers),
	[VFIO_MOCK_REGION_BUFFERS]	= sizeof(struct vfio_mock_buffer) * VFIO_MOCK_NR_BUFFERS,
};

static void read_registers(struct vfio_mock *mock, struct vfio_mock_registers *registers)
{
	registers->id = VFIO_MOCK_ID;
	registers->generation = mock->generation;
	registers->control = mock->control;
	if (vfio_mock_moving(mock))
		registers->status |= VFIO_MOCK_STATUS_MOVING;
	if (mock->trigger)
		registers->status |= VFIO_MOCK_STATUS_IRQ;
	registers->counter = mock->counter;
	registers->irq_every = mock->irq_every;
	memcpy(registers->scratch, mock->scratch, sizeof(registers->scratch));
}

static void read_buffers(struct vfio_mock *mock, struct vfio_mock_buffer *buffer)
{
	struct vfio_mock_dma *dma;

	list_for_each_entry(dma, &mock->buffers, link) {
		buffer->iova = dma->iova;
		buffer->offset = dma->offset;
		buffer->length = dma->length;
		buffer++;
	}
}

/**
 * vfio_mock_read - read(2) of a device
 * @vdev: the device
 * @buf: where to
 * @count: how much; up to the end of the region at most
 * @ppos: region and offset in it
 *
 * Return: how much was read, or a negative errno.
 */
ssize_t vfio_mock_read(struct vfio_device *vdev, char __user *buf, size_t count, loff_t *ppos)
{
	struct vfio_mock *mock = to_vfio_mock(vdev);
	u64 index = *ppos >> REGION_SHIFT, offset = *ppos & REGION_MASK;
	union {
		struct vfio_mock_registers registers;
		struct vfio_mock_buffer buffers[VFIO_MOCK_NR_BUFFERS];
	} *region;
	ssize_t ret;

	if (index >= VFIO_MOCK_NR_REGIONS || offset >= region_sizes[index])
		return -EINVAL;
	count = min_t(u64, count, region_sizes[index] - offset);

	region = kzalloc_obj(*region);
	if (!region)
		return -ENOMEM;

	mutex_lock(&mock->lock);
	if (index == VFIO_MOCK_REGION_REGISTERS)
		read_registers(mock, &region->registers);
	else
		read_buffers(mock, region->buffers);
	mutex_unlock(&mock->lock);

	ret = count;
	if (copy_to_user(buf, (u8 *)region + offset, count))
		ret = -EFAULT;
	else
		*ppos += count;
	kfree(region);
	return ret;
}

static int write_register(struct vfio_mock *mock, u64 offset, u32 value)
{
	const u64 scratch = offsetof(struct vfio_mock_registers, scratch);

	if (offset >= scratch) {
		mock->scratch[(offset - scratch) / sizeof(u32)] = value;
		return 0;
	}

	switch (offset) {
	case offsetof(struct vfio_mock_registers, control):
		if (value & ~VFIO_MOCK_CONTROL_RUN)
			return -EINVAL;
		mock->control = value;
		vfio_mock_update(mock);
		return 0;
	case offsetof(struct vfio_mock_registers, irq_every):
		mock->irq_every = value;
		return 0;
	case offsetof(struct vfio_mock_registers, doorbell):
		vfio_mock_irq_raise(mock);
		return 0;
	default:
		return -EPERM;
	}
}

/**
 * vfio_mock_write - write(2) of a device
 * @vdev: the device
 * @buf: the value for a register
 * @count: its size, 4
 * @ppos: region and offset in it
 *
 * Return: how much was written, or a negative errno.
 */
ssize_t vfio_mock_write(struct vfio_device *vdev, const char __user *buf, size_t count,
			loff_t *ppos)
{
	struct vfio_mock *mock = to_vfio_mock(vdev);
	u64 index = *ppos >> REGION_SHIFT, offset = *ppos & REGION_MASK;
	u32 value;
	int err;

	if (index != VFIO_MOCK_REGION_REGISTERS)
		return index < VFIO_MOCK_NR_REGIONS ? -EPERM : -EINVAL;
	if (count != sizeof(value) || !IS_ALIGNED(offset, sizeof(value)) ||
	    offset >= region_sizes[index])
		return -EINVAL;
	if (copy_from_user(&value, buf, sizeof(value)))
		return -EFAULT;

	mutex_lock(&mock->lock);
	err = write_register(mock, offset, value);
	mutex_unlock(&mock->lock);
	if (err)
		return err;
	*ppos += count;
	return count;
}

/**
 * vfio_mock_region_info - VFIO_DEVICE_GET_REGION_INFO
 * @vdev: the device
 * @info: with the index of the region; the rest is filled in
 * @caps: stays empty
 *
 * Return: 0, or -EINVAL when there is no such region.
 */
int vfio_mock_region_info(struct vfio_device *vdev, struct vfio_region_info *info,
			  struct vfio_info_cap *caps)
{
	if (info->index >= VFIO_MOCK_NR_REGIONS)
		return -EINVAL;

	info->flags = VFIO_REGION_INFO_FLAG_READ;
	if (info->index == VFIO_MOCK_REGION_REGISTERS)
		info->flags |= VFIO_REGION_INFO_FLAG_WRITE;
	info->size = region_sizes[info->index];
	info->offset = REGION_OFFSET(info->index);
	return 0;
}
