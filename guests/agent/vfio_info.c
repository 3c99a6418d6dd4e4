// SPDX-License-Identifier: GPL-2.0-only
/* What a VFIO device says about itself, and what vfio_mock has in its regions. */
#include <sys/ioctl.h>
#include <unistd.h>

#include "fds.h"
#include "ops.h"
#include "vfio.h"

s64 vfio_region_offset(struct request *rq, int fd, u32 index, struct vfio_region_info *info)
{
	*info = (struct vfio_region_info){ .argsz = sizeof(*info), .index = index };
	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info))
		return fail(rq, "VFIO_DEVICE_GET_REGION_INFO");
	return info->offset;
}

static int read_region(struct request *rq, int fd, u32 index, void *data, size_t length)
{
	struct vfio_region_info info;
	s64 offset = vfio_region_offset(rq, fd, index, &info);
	ssize_t ret;

	if (offset < 0)
		return -1;
	ret = pread(fd, data, length, offset);
	if (ret < 0)
		return fail(rq, "read of a region");
	if ((size_t)ret != length)
		return refuse(rq, "region %u has %zd bytes, not %zu", index, ret, length);
	return 0;
}

int vfio_read_registers(struct request *rq, int fd, struct vfio_mock_registers *registers)
{
	return read_region(rq, fd, VFIO_MOCK_REGION_REGISTERS, registers, sizeof(*registers));
}

static int put_regions(struct request *rq, int fd, u32 count)
{
	struct vfio_region_info info;
	u32 index;

	buf_key(rq->out, "regions");
	buf_open(rq->out, '[');
	for (index = 0; index < count; index++) {
		if (vfio_region_offset(rq, fd, index, &info) < 0)
			return -1;
		buf_open(rq->out, '{');
		buf_member_u64(rq->out, "flags", info.flags);
		buf_member_u64(rq->out, "size", info.size);
		buf_close(rq->out, '}');
	}
	buf_close(rq->out, ']');
	return 0;
}

static int put_irqs(struct request *rq, int fd, u32 count)
{
	u32 index;

	buf_key(rq->out, "irqs");
	buf_open(rq->out, '[');
	for (index = 0; index < count; index++) {
		struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

		if (ioctl(fd, VFIO_DEVICE_GET_IRQ_INFO, &info))
			return fail(rq, "VFIO_DEVICE_GET_IRQ_INFO");
		buf_open(rq->out, '{');
		buf_member_u64(rq->out, "flags", info.flags);
		buf_member_u64(rq->out, "count", info.count);
		buf_close(rq->out, '}');
	}
	buf_close(rq->out, ']');
	return 0;
}

static void put_bool(struct buf *out, const char *key, bool value)
{
	buf_key(out, key);
	buf_bool(out, value);
}

static int put_registers(struct request *rq, int fd)
{
	struct vfio_mock_registers registers;
	struct buf *out = rq->out;
	size_t i;

	if (vfio_read_registers(rq, fd, &registers))
		return -1;
	buf_member_u64(out, "id", registers.id);
	buf_member_u64(out, "generation", registers.generation);
	buf_member_u64(out, "control", registers.control);
	put_bool(out, "running", registers.status & VFIO_MOCK_STATUS_MOVING);
	put_bool(out, "irq", registers.status & VFIO_MOCK_STATUS_IRQ);
	buf_member_u64(out, "irq_every", registers.irq_every);
	buf_member_u64(out, "counter", registers.counter);
	buf_key(out, "registers");
	buf_open(out, '[');
	for (i = 0; i < VFIO_MOCK_NR_SCRATCH; i++)
		buf_u64(out, registers.scratch[i]);
	buf_close(out, ']');
	return 0;
}

static int put_buffers(struct request *rq, int fd)
{
	struct vfio_mock_buffer buffers[VFIO_MOCK_NR_BUFFERS], *buffer;
	struct buf *out = rq->out;

	if (read_region(rq, fd, VFIO_MOCK_REGION_BUFFERS, buffers, sizeof(buffers)))
		return -1;
	buf_key(out, "buffers");
	buf_open(out, '[');
	for (buffer = buffers; buffer < buffers + ARRAY_SIZE(buffers); buffer++) {
		if (!buffer->length)
			continue;
		buf_open(out, '{');
		buf_member_u64(out, "iova", buffer->iova);
		buf_member_u64(out, "offset", buffer->offset);
		buf_member_u64(out, "length", buffer->length);
		buf_close(out, '}');
	}
	buf_close(out, ']');
	return 0;
}

int op_vfio_info(struct request *rq)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int fd = fds_find(rq, &held, "fd");

	if (fd < 0)
		return -1;
	if (ioctl(fd, VFIO_DEVICE_GET_INFO, &info))
		return fail(rq, "VFIO_DEVICE_GET_INFO");
	buf_member_u64(rq->out, "flags", info.flags);
	if (put_regions(rq, fd, info.num_regions) || put_irqs(rq, fd, info.num_irqs) ||
	    put_registers(rq, fd))
		return -1;
	return put_buffers(rq, fd);
}
