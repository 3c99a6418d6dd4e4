// SPDX-License-Identifier: GPL-2.0-only
/*
 * What travels of a device: what its hardware would keep by itself, and for each
 * of its buffers which fd of the same box it is in.
 */
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/vmalloc.h>
#include <fdbox_handler.h>

#include "vfio_mock.h"

#define VFIO_MOCK_MAGIC		0x4d564246	/* "FBVM" */
#define VFIO_MOCK_VERSION	1

/**
 * vfio_mock_ser_alloc - have room for what will travel of a device
 * @mock: the device, locked
 *
 * Return: a blob that has no contents yet, or an ERR_PTR().
 */
struct fdbox_blob_head *vfio_mock_ser_alloc(const struct vfio_mock *mock)
{
	return fdbox_blob_alloc(struct_size_t(struct vfio_mock_ser, buffers, mock->nr_buffers));
}

static int write_buffers(struct vfio_mock *mock, struct fdbox_blob_writer *writer,
			 struct fdbox_file_args *args)
{
	struct vfio_mock_ser_buffer ser;
	struct vfio_mock_dma *dma;
	int err;

	list_for_each_entry(dma, &mock->buffers, link) {
		if (!vfio_mock_dma_intact(dma))
			return -ENOLINK;
		err = fdbox_token_outgoing(args, (unsigned long)dma->inode, &ser.token);
		if (err)
			return err;
		ser.iova = dma->iova;
		ser.offset = dma->offset;
		ser.length = dma->length;
		fdbox_blob_append(writer, &ser, sizeof(ser));
	}
	return 0;
}

/**
 * vfio_mock_ser_write - write down how a device is
 * @mock: the device, locked
 * @args: its file, and the blob from vfio_mock_ser_alloc()
 *
 * Return: 0, or -ENOLINK when a buffer is not in an fd of the same box.
 */
int vfio_mock_ser_write(struct vfio_mock *mock, struct fdbox_file_args *args)
{
	struct vfio_mock_ser ser = {
		.number = mock->number,
		.flags = args->file->f_flags & O_ACCMODE,
		.generation = mock->generation,
		.control = mock->control,
		.irq_every = mock->irq_every,
		.nr_buffers = mock->nr_buffers,
		.counter = mock->counter,
	};
	struct fdbox_blob_writer writer;
	int err;

	memcpy(ser.scratch, mock->scratch, sizeof(ser.scratch));
	fdbox_blob_begin(&writer, phys_to_virt(args->serialized_data));
	fdbox_blob_append(&writer, &ser, sizeof(ser));
	err = write_buffers(mock, &writer, args);
	if (!err)
		fdbox_blob_end(&writer, VFIO_MOCK_MAGIC, VFIO_MOCK_VERSION);
	return err;
}

static bool ser_valid(const struct vfio_mock_ser *ser, size_t length)
{
	return length >= sizeof(*ser) && ser->nr_buffers <= VFIO_MOCK_NR_BUFFERS &&
	       length == struct_size(ser, buffers, ser->nr_buffers) &&
	       ser->flags < O_ACCMODE && !(ser->control & ~VFIO_MOCK_CONTROL_RUN);
}

/**
 * vfio_mock_ser_take - take what arrived of a device
 * @phys: where it is
 *
 * Return: a device, serialised, for vfree(), its buffers not checked yet; or an
 * ERR_PTR().
 */
struct vfio_mock_ser *vfio_mock_ser_take(phys_addr_t phys)
{
	struct vfio_mock_ser *ser;
	size_t length;

	ser = fdbox_blob_take(phys, VFIO_MOCK_MAGIC, VFIO_MOCK_VERSION, &length);
	if (IS_ERR(ser) || ser_valid(ser, length))
		return ser;
	vfree(ser);
	return ERR_PTR(-EBADMSG);
}

static int restore_buffer(struct vfio_mock *mock, const struct vfio_mock_ser_buffer *ser,
			  struct fdbox_file_args *args)
{
	struct file *file;
	int err;

	err = fdbox_file_incoming(args, ser->token, &file);
	if (err)
		return err;
	mutex_lock(&mock->lock);
	err = vfio_mock_map(mock, file, ser->offset, ser->length, ser->iova, true);
	mutex_unlock(&mock->lock);
	fput(file);
	return err;
}

/**
 * vfio_mock_ser_restore - make a device what it was
 * @mock: the device; stands still
 * @ser: from vfio_mock_ser_take()
 * @args: the fd that arrives
 *
 * Return: 0 or a negative errno.
 */
int vfio_mock_ser_restore(struct vfio_mock *mock, const struct vfio_mock_ser *ser,
			  struct fdbox_file_args *args)
{
	int err = 0;
	u32 i;

	mutex_lock(&mock->lock);
	mock->generation = ser->generation;
	mock->control = ser->control;
	mock->irq_every = ser->irq_every;
	mock->counter = ser->counter;
	memcpy(mock->scratch, ser->scratch, sizeof(mock->scratch));
	mutex_unlock(&mock->lock);

	for (i = 0; i < ser->nr_buffers && !err; i++)
		err = restore_buffer(mock, &ser->buffers[i], args);
	return err;
}
