/* SPDX-License-Identifier: GPL-2.0-only */
/* Small boxfuls of fds of one kind, each of which can be checked. */
#ifndef AGENT_STOCK_H
#define AGENT_STOCK_H

#include "request.h"

#define STOCK_MOST 3U

/* One of the fds. */
struct stock_item {
	struct request *rq;
	unsigned int i;
	int earlier[STOCK_MOST];	/* those before it, while it is made */
};

/* What a box is filled with. */
struct stock {
	const char *kind;
	unsigned int count;
	/* A new fd, or -1 after failing the request. */
	int (*make)(const struct stock_item *item);
	/* Why the fd is not as it was made; NULL: it is. */
	const char *(*check)(const struct stock_item *item, int fd);
};

/* The one that argument "kind" names, memfds if it is absent; NULL after failing the request. */
const struct stock *stock_find(struct request *rq);

#endif
