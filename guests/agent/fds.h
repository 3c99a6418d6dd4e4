/* SPDX-License-Identifier: GPL-2.0-only */
/* Named fds: they stay open until somebody closes them by name, whoever is connected. */
#ifndef AGENT_FDS_H
#define AGENT_FDS_H

#include "request.h"

struct fds;

extern struct fds held;		/* what requests call "fd" */
extern struct fds sessions;	/* LUO sessions */

/* From now on every held fd has a symbolic link of its name in directory. */
int fds_link_into(const char *directory);

/* The fd that argument arg names, or -1 after it has failed the request. */
int fds_find(struct request *rq, struct fds *set, const char *arg);
/* 0 if argument arg is a good name that is still free; for operations that cannot be undone. */
int fds_check_free(struct request *rq, struct fds *set, const char *arg);
/* Hold fd under the name in argument arg; on failure fd is closed. */
int fds_add(struct request *rq, struct fds *set, const char *arg, int fd);
/* Stop holding what argument arg names; the caller closes it, unless the kernel did. */
void fds_forget(struct request *rq, struct fds *set, const char *arg);

#endif
