/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the operations on VFIO devices. */
#ifndef AGENT_VFIO_H
#define AGENT_VFIO_H

#include <linux/vfio.h>

#include "request.h"

/* Where a region is in the device's file, or -1 after failing the request. */
s64 vfio_region_offset(struct request *rq, int fd, u32 index, struct vfio_region_info *info);

#endif
