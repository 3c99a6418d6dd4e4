// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interrupt of a device. It is enabled while it has an eventfd.
 */
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/uaccess.h>

#include "vfio_mock.h"

/**
 * vfio_mock_irq_info - VFIO_DEVICE_GET_IRQ_INFO
 * @arg: user space's
 *
 * Return: 0, -EFAULT, or -EINVAL when there is no such interrupt.
 */
int vfio_mock_irq_info(struct vfio_irq_info __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz || info.index)
		return -EINVAL;

	info.flags = VFIO_IRQ_INFO_EVENTFD;
	info.count = 1;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

/**
 * vfio_mock_irq_raise - interrupt
 * @mock: the device, locked
 */
void vfio_mock_irq_raise(struct vfio_mock *mock)
{
	if (mock->trigger)
		eventfd_signal(mock->trigger);
}

/**
 * vfio_mock_irq_disable - have no interrupts any more
 * @mock: the device, locked
 */
void vfio_mock_irq_disable(struct vfio_mock *mock)
{
	if (mock->trigger)
		eventfd_ctx_put(mock->trigger);
	mock->trigger = NULL;
}

/* An fd of -1, as for vfio-pci, takes the eventfd away. */
static int set_eventfd(struct vfio_mock *mock, int fd)
{
	struct eventfd_ctx *trigger = NULL;

	if (fd != -1) {
		trigger = eventfd_ctx_fdget(fd);
		if (IS_ERR(trigger))
			return PTR_ERR(trigger);
	}
	mutex_lock(&mock->lock);
	vfio_mock_irq_disable(mock);
	mock->trigger = trigger;
	mutex_unlock(&mock->lock);
	return 0;
}

/* What a test of the wiring does: an interrupt that the device did not ask for. */
static int raise(struct vfio_mock *mock)
{
	mutex_lock(&mock->lock);
	vfio_mock_irq_raise(mock);
	mutex_unlock(&mock->lock);
	return 0;
}

/**
 * vfio_mock_set_irqs - VFIO_DEVICE_SET_IRQS
 * @mock: the device
 * @arg: user space's: ACTION_TRIGGER with an eventfd, or with nothing: to raise
 *	the interrupt, or, with a count of 0, to disable it
 *
 * Return: 0 or a negative errno.
 */
int vfio_mock_set_irqs(struct vfio_mock *mock, struct vfio_irq_set __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_irq_set, count);
	struct vfio_irq_set set;
	size_t size;
	int err, fd;

	if (copy_from_user(&set, arg, minsz))
		return -EFAULT;
	err = vfio_set_irqs_validate_and_prepare(&set, 1, 1, &size);
	if (err)
		return err;

	switch (set.flags) {
	case VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_NONE:
		return set.count ? raise(mock) : set_eventfd(mock, -1);
	case VFIO_IRQ_SET_ACTION_TRIGGER | VFIO_IRQ_SET_DATA_EVENTFD:
		if (size != sizeof(fd))
			return -EINVAL;
		if (copy_from_user(&fd, &arg->data, sizeof(fd)))
			return -EFAULT;
		return set_eventfd(mock, fd);
	default:
		return -EINVAL;
	}
}
