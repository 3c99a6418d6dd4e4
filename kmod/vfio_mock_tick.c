// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a device does by itself: it counts, and writes the count to its buffers.
 */
#include <linux/jiffies.h>
#include <linux/moduleparam.h>

#include "vfio_mock.h"

static unsigned int interval_ms = 10;
module_param(interval_ms, uint, 0644);
MODULE_PARM_DESC(interval_ms, "milliseconds between two writes of a device into its buffers");

/**
 * vfio_mock_moving - is a device on its own way?
 * @mock: the device, locked
 *
 * Return: whether it is.
 */
bool vfio_mock_moving(const struct vfio_mock *mock)
{
	return (mock->control & VFIO_MOCK_CONTROL_RUN) && !list_empty(&mock->buffers) &&
	       !mock->frozen && !mock->travelling;
}

/**
 * vfio_mock_update - start what has become possible
 * @mock: the device, locked
 *
 * The VFIO core does not tell a driver when a file is closed that was never
 * bound: one that arrived is watched.
 */
void vfio_mock_update(struct vfio_mock *mock)
{
	if (vfio_mock_moving(mock) || mock->arrived)
		schedule_delayed_work(&mock->tick, msecs_to_jiffies(interval_ms));
}

static void count(struct vfio_mock *mock)
{
	struct vfio_mock_dma *dma;

	mock->counter++;
	list_for_each_entry(dma, &mock->buffers, link)
		vfio_mock_dma_write(dma, mock->counter);
	if (mock->irq_every && !(mock->counter % mock->irq_every))
		vfio_mock_irq_raise(mock);
}

/**
 * vfio_mock_tick - a while has passed
 * @work: the device's
 */
void vfio_mock_tick(struct work_struct *work)
{
	struct vfio_mock *mock = container_of(to_delayed_work(work), struct vfio_mock, tick);

	mutex_lock(&mock->lock);
	if (vfio_mock_abandoned(mock))
		vfio_mock_free(mock);
	if (vfio_mock_moving(mock))
		count(mock);
	vfio_mock_update(mock);
	mutex_unlock(&mock->lock);
}
