/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The Live Update Orchestrator, Linux 6.19 and later. Its header
 * (include/uapi/linux/liveupdate.h) is not in the distribution's yet, so what we use of it is
 * declared here.
 */
#ifndef AGENT_LUO_H
#define AGENT_LUO_H

#include <linux/ioctl.h>
#include <linux/types.h>

#include "request.h"

#define LUO_CREATE_SESSION	_IO(0xBA, 0x00)
#define LUO_RETRIEVE_SESSION	_IO(0xBA, 0x01)
#define LUO_PRESERVE_FD		_IO(0xBA, 0x40)
#define LUO_RETRIEVE_FD		_IO(0xBA, 0x41)
#define LUO_FINISH		_IO(0xBA, 0x42)
#define LUO_GET_NAME		_IO(0xBA, 0x43)
#define LUO_NAME_LENGTH		64

struct luo_session {
	__u32 size;
	__s32 fd;	/* out */
	__u8 name[LUO_NAME_LENGTH];
};

struct luo_fd {
	__u32 size;
	__s32 fd;	/* in to preserve, out of retrieve */
	__aligned_u64 token;
};

struct luo_finish {
	__u32 size;
	__u32 reserved;
};

struct luo_name {
	__u32 size;
	__u32 reserved;
	__u8 name[LUO_NAME_LENGTH];	/* out */
};

/* The device, which has a single opener at a time: the agent. -1 after failing the request. */
int luo_device(struct request *rq);

#endif
