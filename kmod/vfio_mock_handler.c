// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices in boxes, by the rules of the VFIO live update series: a device is
 * carried only with its interrupt off, while it is bound, and together with the
 * files that it writes into. It is never reset on the way, and nobody else can
 * open it before whom it belongs to has bound it again.
 */
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/io.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>
#include <fdbox_handler.h>

#include "vfio_mock.h"

static bool mock_can_preserve(struct fdbox_handler *handler, struct file *file)
{
	struct vfio_mock *mock = vfio_mock_of_file(file);

	return mock && !vfio_mock_trace(mock, VFIO_MOCK_CAN_PRESERVE,
					vfio_mock_fault(mock, VFIO_MOCK_CAN_PRESERVE));
}

static int preserve(struct vfio_mock *mock, struct fdbox_file_args *args)
{
	struct fdbox_blob_head *blob;

	/* One that arrived stays bound to nothing until its user has it again. */
	if (!mock->opened && !mock->arrived)
		return -EINVAL;
	/* Another file of the device: then it is not known which of them is bound. */
	if (!vfio_mock_alone(mock, 1) || mock->trigger)
		return -EBUSY;

	blob = vfio_mock_ser_alloc(mock);
	if (IS_ERR(blob))
		return PTR_ERR(blob);
	args->serialized_data = virt_to_phys(blob);
	mock->preserved = true;
	return 0;
}

static int mock_preserve(struct fdbox_file_args *args)
{
	struct vfio_mock *mock = vfio_mock_of_file(args->file);
	int err = vfio_mock_fault(mock, VFIO_MOCK_PRESERVE);

	if (!err) {
		mutex_lock(&mock->lock);
		err = preserve(mock, args);
		mutex_unlock(&mock->lock);
	}
	return vfio_mock_trace(mock, VFIO_MOCK_PRESERVE, err);
}

static void mock_unpreserve(struct fdbox_file_args *args)
{
	struct vfio_mock *mock = vfio_mock_of_file(args->file);

	vfio_mock_fault(mock, VFIO_MOCK_UNPRESERVE);
	mutex_lock(&mock->lock);
	mock->preserved = false;
	mutex_unlock(&mock->lock);
	fdbox_blob_free(phys_to_virt(args->serialized_data));
	vfio_mock_trace(mock, VFIO_MOCK_UNPRESERVE, 0);
}

static int freeze(struct vfio_mock *mock, struct fdbox_file_args *args)
{
	int err;

	/* A carrier that leaves the fd with its user until now: it could be on again. */
	if (mock->trigger)
		return -EBUSY;

	err = vfio_mock_ser_write(mock, args);
	if (!err)
		mock->frozen = true;
	return err;
}

static int mock_freeze(struct fdbox_file_args *args)
{
	struct vfio_mock *mock = vfio_mock_of_file(args->file);
	int err = vfio_mock_fault(mock, VFIO_MOCK_FREEZE);

	if (!err) {
		mutex_lock(&mock->lock);
		err = freeze(mock, args);
		mutex_unlock(&mock->lock);
	}
	return vfio_mock_trace(mock, VFIO_MOCK_FREEZE, err);
}

static void mock_unfreeze(struct fdbox_file_args *args)
{
	struct vfio_mock *mock = vfio_mock_of_file(args->file);

	vfio_mock_fault(mock, VFIO_MOCK_UNFREEZE);
	mutex_lock(&mock->lock);
	mock->frozen = false;
	vfio_mock_update(mock);
	mutex_unlock(&mock->lock);
	vfio_mock_trace(mock, VFIO_MOCK_UNFREEZE, 0);
}

/* From now on the device is the arriving file's, which only the caller can open. */
static int claim(struct vfio_mock *mock)
{
	int err = -EBUSY;

	mutex_lock(&mock->lock);
	if (!mock->arrived && vfio_mock_alone(mock, 0)) {
		mock->arrived = true;
		mock->travelling = true;
		mock->opener = current;
		err = 0;
	}
	mutex_unlock(&mock->lock);
	return err;
}

static int retrieve(struct vfio_mock *mock, const struct vfio_mock_ser *ser,
		    struct fdbox_file_args *args)
{
	struct file *file;
	int err;

	err = claim(mock);
	if (err)
		return err;

	/* What fails on demand has to be undone too. */
	err = vfio_mock_fault(mock, VFIO_MOCK_RETRIEVE);
	file = err ? ERR_PTR(err) : vfio_mock_open_node(mock, ser->flags);
	err = PTR_ERR_OR_ZERO(file);
	if (!err) {
		err = vfio_mock_ser_restore(mock, ser, args);
		if (err)
			fput(file);
		else
			args->file = file;
	}

	mutex_lock(&mock->lock);
	mock->opener = NULL;
	if (err)
		vfio_mock_free(mock);
	vfio_mock_update(mock);
	mutex_unlock(&mock->lock);
	return err;
}

static int mock_retrieve(struct fdbox_file_args *args)
{
	struct vfio_mock_ser *ser;
	struct vfio_mock *mock;
	int err = -ENODEV;

	ser = vfio_mock_ser_take(args->serialized_data);
	if (IS_ERR(ser))
		return PTR_ERR(ser);
	mock = vfio_mock_find(ser->number);
	if (mock)
		err = vfio_mock_trace(mock, VFIO_MOCK_RETRIEVE, retrieve(mock, ser, args));
	vfree(ser);
	return err;
}

static bool mock_can_finish(struct fdbox_file_args *args)
{
	struct vfio_mock *mock = vfio_mock_of_file(args->file);

	return !vfio_mock_trace(mock, VFIO_MOCK_CAN_FINISH,
				vfio_mock_fault(mock, VFIO_MOCK_CAN_FINISH));
}

static void mock_finish(struct fdbox_file_args *args)
{
	struct vfio_mock *mock = vfio_mock_of_file(args->file);

	vfio_mock_fault(mock, VFIO_MOCK_FINISH);
	mutex_lock(&mock->lock);
	mock->travelling = false;
	vfio_mock_update(mock);
	mutex_unlock(&mock->lock);
	vfio_mock_trace(mock, VFIO_MOCK_FINISH, 0);
}

static unsigned long mock_get_id(struct file *file)
{
	return (unsigned long)vfio_mock_of_file(file);
}

static const struct fdbox_file_ops mock_ops = {
	.can_preserve	= mock_can_preserve,
	.preserve	= mock_preserve,
	.unpreserve	= mock_unpreserve,
	.freeze		= mock_freeze,
	.unfreeze	= mock_unfreeze,
	.retrieve	= mock_retrieve,
	.can_finish	= mock_can_finish,
	.finish		= mock_finish,
	.get_id		= mock_get_id,
	.owner		= THIS_MODULE,
};

struct fdbox_handler vfio_mock_handler = {
	.ops		= &mock_ops,
	.compatible	= VFIO_MOCK_KIND,
	.luo		= true,
};
