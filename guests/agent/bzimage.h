/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef AGENT_BZIMAGE_H
#define AGENT_BZIMAGE_H

#include "request.h"
#include "types.h"

/* Load a kernel with kexec_load(2): -1 after failing the request. */
int bzimage_load(struct request *rq, int kernel, int initramfs, const char *cmdline);

#endif
