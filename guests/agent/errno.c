// SPDX-License-Identifier: GPL-2.0-only
/* Names of errno values; the table is made from the C library's own header (see the Makefile). */
#include <errno.h>
#include <stdio.h>

#include "request.h"

static const char *const names[] = {
#include "errnames.h"
};

const char *errno_name(int error)
{
	static __thread char number[16];

	if (error > 0 && error < (int)ARRAY_SIZE(names) && names[error])
		return names[error];
	/* The kernel's own, which should not leave it: ENOTSUPP is 524. */
	snprintf(number, sizeof(number), "E%d", error);
	return number;
}
