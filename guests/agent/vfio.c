// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO devices through their cdev, as vfio_mock makes them. Not all distributions' headers have
 * the cdev yet, so what we use of that is declared here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fds.h"
#include "ops.h"
#include "vfio.h"

#ifndef VFIO_DEVICE_BIND_IOMMUFD
#define VFIO_DEVICE_BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)
struct vfio_device_bind_iommufd {
	__u32 argsz;
	__u32 flags;
	__s32 iommufd;
	__u32 out_devid;
};
#endif

int vfio_open(struct request *rq, u64 device)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/vfio/devices/vfio%llu", device);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? fail(rq, "open of the vfio device") : fd;
}

int op_vfio_open(struct request *rq)
{
	u64 device = 0;
	int fd;

	if (fds_check_free(rq, &held, "fd") || arg_u64(rq, "device", &device))
		return -1;
	fd = vfio_open(rq, device);
	return fd < 0 ? -1 : fds_add(rq, &held, "fd", fd);
}

s64 vfio_bind(struct request *rq, int fd)
{
	struct vfio_device_bind_iommufd arg = { .argsz = sizeof(arg) };
	int ret;

	arg.iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (arg.iommufd < 0)
		return fail(rq, "open of /dev/iommu");
	ret = ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &arg);
	if (ret)
		fail(rq, "VFIO_DEVICE_BIND_IOMMUFD");
	close(arg.iommufd);
	return ret ? -1 : (s64)arg.out_devid;
}

int op_vfio_bind(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd");
	s64 devid;

	if (fd < 0)
		return -1;
	devid = vfio_bind(rq, fd);
	if (devid < 0)
		return -1;
	buf_member_u64(rq->out, "devid", devid);
	return 0;
}

static int set_trigger(struct request *rq, int fd, int eventfd)
{
	struct {
		struct vfio_irq_set set;
		__s32 eventfd;
	} arg = {
		.set = {
			.argsz = sizeof(arg),
			.flags = VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD,
			.count = 1,
		},
		.eventfd = eventfd,
	};

	return ioctl(fd, VFIO_DEVICE_SET_IRQS, &arg) ? fail(rq, "VFIO_DEVICE_SET_IRQS") : 0;
}

/* Who names the eventfd can count its interrupts; the device keeps it enabled either way. */
int op_vfio_irq(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd"), eventfd_fd, ret;
	bool enable = false;

	if (fd < 0 || arg_bool(rq, "enable", &enable))
		return -1;
	if (!enable)
		return set_trigger(rq, fd, -1);
	if (json_get(rq->args, "as") && fds_check_free(rq, &held, "as"))
		return -1;

	eventfd_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (eventfd_fd < 0)
		return fail(rq, "eventfd");
	ret = set_trigger(rq, fd, eventfd_fd);
	if (!ret && json_get(rq->args, "as"))
		return fds_add(rq, &held, "as", eventfd_fd);
	close(eventfd_fd);
	return ret;
}

/* How many interrupts there were since the last time that somebody asked. */
int op_vfio_irqs(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd");
	eventfd_t count = 0;

	if (fd < 0)
		return -1;
	if (eventfd_read(fd, &count) && errno != EAGAIN)
		return fail(rq, "read of the eventfd");
	buf_member_u64(rq->out, "count", count);
	return 0;
}

int op_vfio_reset(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd");

	if (fd < 0)
		return -1;
	return ioctl(fd, VFIO_DEVICE_RESET) ? fail(rq, "VFIO_DEVICE_RESET") : 0;
}

int op_vfio_map(struct request *rq)
{
	struct vfio_mock_map arg = { .argsz = sizeof(arg) };
	int fd = fds_find(rq, &held, "fd");
	u64 offset = 0, length = 0, iova = 0;

	if (fd < 0)
		return -1;
	arg.fd = fds_find(rq, &held, "buffer");
	if (arg.fd < 0 || arg_u64(rq, "offset", &offset) || arg_u64(rq, "length", &length) ||
	    arg_u64(rq, "iova", &iova))
		return -1;
	arg.offset = offset;
	arg.length = length;
	arg.iova = iova;
	return ioctl(fd, VFIO_MOCK_MAP, &arg) ? fail(rq, "VFIO_MOCK_MAP") : 0;
}

int op_vfio_unmap(struct request *rq)
{
	struct vfio_mock_unmap arg = { .argsz = sizeof(arg) };
	int fd = fds_find(rq, &held, "fd");
	u64 iova = 0;

	if (fd < 0 || arg_u64(rq, "iova", &iova))
		return -1;
	arg.iova = iova;
	return ioctl(fd, VFIO_MOCK_UNMAP, &arg) ? fail(rq, "VFIO_MOCK_UNMAP") : 0;
}

int vfio_write_register(struct request *rq, int fd, u64 offset, u64 value)
{
	struct vfio_region_info info;
	s64 base = vfio_region_offset(rq, fd, VFIO_MOCK_REGION_REGISTERS, &info);
	__u32 word = value;

	if (base < 0)
		return -1;
	if (word != value)
		return refuse(rq, "'value' has more than 32 bits");
	if (pwrite(fd, &word, sizeof(word), base + offset) != sizeof(word))
		return fail(rq, "write of a register");
	return 0;
}

/* One of the registers without effect, by its index. */
int op_vfio_reg(struct request *rq)
{
	const size_t scratch = offsetof(struct vfio_mock_registers, scratch);
	int fd = fds_find(rq, &held, "fd");
	u64 index = 0, value = 0;

	if (fd < 0 || arg_u64(rq, "index", &index) || arg_u64(rq, "value", &value))
		return -1;
	return vfio_write_register(rq, fd, scratch + index * sizeof(__u32), value);
}

/* Any register, by its offset. */
int op_vfio_write(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd");
	u64 offset = 0, value = 0;

	if (fd < 0 || arg_u64(rq, "offset", &offset) || arg_u64(rq, "value", &value))
		return -1;
	return vfio_write_register(rq, fd, offset, value);
}
