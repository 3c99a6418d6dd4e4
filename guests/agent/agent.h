/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands of the agent; each returns an exit status. */
#ifndef AGENT_H
#define AGENT_H

#include "types.h"

#include <sys/types.h>
#include <sys/un.h>

/* EXIT_ERROR of harness/verdict.py: this says nothing about the kernel. */
#define CANNOT_TELL 125

#define SOCKET_NAME "agent.sock"
#define LINKS_NAME "fd"
#define PROCESSES_NAME "process"

int serve(bool foreground);	/* server.c */
int restart(void);		/* restart.c */
/* read(), and what fd came along is kept for the next request. process.c */
ssize_t receive(int socket, void *data, size_t room);
int relay(void);		/* client.c */
/* 0, 1 when a call failed or the kernel did wrong, CANNOT_TELL when the agent could not ask. */
int call_once(const char *request);
int run_rfc(int count, char **args);	/* rfc.c */

/* Where socket and links are: $AGENT_DIR, or /run. */
const char *agent_dir(void);
int socket_address(struct sockaddr_un *address);
/* All of it, however many calls that takes; 0, or -1 with errno. */
int write_all(int fd, const char *data, size_t len);

#endif
