/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the operations on VFIO devices. */
#ifndef AGENT_VFIO_H
#define AGENT_VFIO_H

#include <linux/vfio.h>
#include <vfio_mock.h>

#include "request.h"

/* Each fails the request when it returns less than 0. */

/* The node of a device, opened. */
int vfio_open(struct request *rq, u64 device);
/* To an iommufd of its own, which lives as long as the device's file; the id that it has there. */
s64 vfio_bind(struct request *rq, int fd);
int vfio_write_register(struct request *rq, int fd, u64 offset, u64 value);
int vfio_read_registers(struct request *rq, int fd, struct vfio_mock_registers *registers);
/* Where a region is in the device's file. */
s64 vfio_region_offset(struct request *rq, int fd, u32 index, struct vfio_region_info *info);

#endif
