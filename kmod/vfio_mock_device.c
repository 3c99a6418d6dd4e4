// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device, as the VFIO core sees it.
 *
 * Like vfio-pci it is reset when an iommufd is bound to it, and when the last
 * user closes it: nobody gets what somebody else left there.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/random.h>
#include <linux/uaccess.h>

#include "vfio_mock.h"

/**
 * vfio_mock_reset - put a device into the state of a new one
 * @mock: the device, locked
 *
 * As a real device would it forgets what it was told. The interrupt is VFIO's
 * and stays.
 */
void vfio_mock_reset(struct vfio_mock *mock)
{
	vfio_mock_unmap_all(mock);
	mock->generation++;
	mock->control = VFIO_MOCK_CONTROL_RUN;
	mock->irq_every = 0;
	mock->counter = 0;
	memset(mock->scratch, 0, sizeof(mock->scratch));
}

static int vfio_mock_init_device(struct vfio_device *vdev)
{
	struct vfio_mock *mock = to_vfio_mock(vdev);

	mutex_init(&mock->lock);
	INIT_LIST_HEAD(&mock->buffers);
	INIT_DELAYED_WORK(&mock->tick, vfio_mock_tick);
	/* One that is new is never taken for one that survived. */
	mock->generation = get_random_u32_below(S32_MAX);
	mock->control = VFIO_MOCK_CONTROL_RUN;
	return 0;
}

static void vfio_mock_release_device(struct vfio_device *vdev)
{
	mutex_destroy(&to_vfio_mock(vdev)->lock);
}

static int vfio_mock_open_device(struct vfio_device *vdev)
{
	struct vfio_mock *mock = to_vfio_mock(vdev);

	mutex_lock(&mock->lock);
	/* What one arrived with is its user's. */
	if (!mock->arrived)
		vfio_mock_reset(mock);
	mock->arrived = false;
	mock->opened = true;
	mutex_unlock(&mock->lock);
	return 0;
}

static void vfio_mock_close_device(struct vfio_device *vdev)
{
	struct vfio_mock *mock = to_vfio_mock(vdev);

	mutex_lock(&mock->lock);
	mock->opened = false;
	vfio_mock_irq_disable(mock);
	vfio_mock_free(mock);
	mutex_unlock(&mock->lock);
}

static int device_info(struct vfio_device_info __user *arg)
{
	const size_t minsz = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info;

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;

	info.flags = VFIO_DEVICE_FLAGS_PLATFORM | VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = VFIO_MOCK_NR_REGIONS;
	info.num_irqs = 1;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

static int device_reset(struct vfio_mock *mock)
{
	int err = -EBUSY;

	mutex_lock(&mock->lock);
	if (!mock->preserved) {
		vfio_mock_reset(mock);
		err = 0;
	}
	mutex_unlock(&mock->lock);
	return err;
}

static int device_map(struct vfio_mock *mock, struct vfio_mock_map __user *arg)
{
	struct vfio_mock_map map;
	struct file *file;
	int err;

	if (copy_from_user(&map, arg, sizeof(map)))
		return -EFAULT;
	if (map.argsz < sizeof(map) || map.flags || map.pad)
		return -EINVAL;

	file = fget(map.fd);
	if (!file)
		return -EBADF;
	mutex_lock(&mock->lock);
	err = -EBUSY;
	if (!mock->preserved)
		err = vfio_mock_map(mock, file, map.offset, map.length, map.iova, false);
	mutex_unlock(&mock->lock);
	fput(file);
	return err;
}

static int device_unmap(struct vfio_mock *mock, struct vfio_mock_unmap __user *arg)
{
	struct vfio_mock_unmap unmap;
	int err;

	if (copy_from_user(&unmap, arg, sizeof(unmap)))
		return -EFAULT;
	if (unmap.argsz < sizeof(unmap) || unmap.flags)
		return -EINVAL;

	mutex_lock(&mock->lock);
	err = mock->preserved ? -EBUSY : vfio_mock_unmap(mock, unmap.iova);
	mutex_unlock(&mock->lock);
	return err;
}

static long vfio_mock_ioctl(struct vfio_device *vdev, unsigned int cmd, unsigned long arg)
{
	struct vfio_mock *mock = to_vfio_mock(vdev);
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return device_info(uarg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return vfio_mock_irq_info(uarg);
	case VFIO_DEVICE_SET_IRQS:
		return vfio_mock_set_irqs(mock, uarg);
	case VFIO_DEVICE_RESET:
		return device_reset(mock);
	case VFIO_MOCK_MAP:
		return device_map(mock, uarg);
	case VFIO_MOCK_UNMAP:
		return device_unmap(mock, uarg);
	default:
		return -ENOTTY;
	}
}

static const struct vfio_device_ops vfio_mock_ops = {
	.name			= KBUILD_MODNAME,
	.init			= vfio_mock_init_device,
	.release		= vfio_mock_release_device,
	.open_device		= vfio_mock_open_device,
	.close_device		= vfio_mock_close_device,
	.read			= vfio_mock_read,
	.write			= vfio_mock_write,
	.ioctl			= vfio_mock_ioctl,
	.get_region_info_caps	= vfio_mock_region_info,
	.bind_iommufd		= vfio_iommufd_emulated_bind,
	.unbind_iommufd		= vfio_iommufd_emulated_unbind,
	.attach_ioas		= vfio_iommufd_emulated_attach_ioas,
	.detach_ioas		= vfio_iommufd_emulated_detach_ioas,
};

/**
 * vfio_mock_create - make a device and register it with the VFIO core
 * @parent: the device that it belongs to
 * @number: of the device
 *
 * Return: the device, for vfio_mock_destroy(), or an ERR_PTR().
 */
struct vfio_mock *vfio_mock_create(struct device *parent, unsigned int number)
{
	struct vfio_mock *mock;
	int err;

	mock = vfio_alloc_device(vfio_mock, vdev, parent, &vfio_mock_ops);
	if (IS_ERR(mock))
		return mock;
	mock->number = number;

	err = vfio_register_emulated_iommu_dev(&mock->vdev);
	if (err) {
		vfio_put_device(&mock->vdev);
		return ERR_PTR(err);
	}
	vfio_mock_guard_node(mock);
	return mock;
}

/**
 * vfio_mock_destroy - undo vfio_mock_create()
 * @mock: the device
 *
 * Waits until nobody has it open.
 */
void vfio_mock_destroy(struct vfio_mock *mock)
{
	vfio_unregister_group_dev(&mock->vdev);
	disable_delayed_work_sync(&mock->tick);
	/* Of a file that arrived and was closed just now: no tick has noticed. */
	mutex_lock(&mock->lock);
	vfio_mock_unmap_all(mock);
	mutex_unlock(&mock->lock);
	vfio_put_device(&mock->vdev);
}
