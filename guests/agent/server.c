// SPDX-License-Identifier: GPL-2.0-only
/*
 * One thread per connection, requests of one connection in order. A connection may end at any
 * time: what is held stays held.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "fds.h"
#include "mapping.h"
#include "pattern.h"
#include "request.h"

#define LINE_MAX_SIZE SZ_1M
#define STACK_SIZE (4 * SZ_64K)
#define MAX_FDS 1048576

/* Handle every whole line of the input and keep the rest. -1: the connection is over. */
static int handle_lines(int fd, struct buf *in)
{
	struct buf reply = { 0 };
	char *line, *end;
	int ret = 0;

	for (line = in->data; !ret; line = end + 1) {
		end = memchr(line, '\n', in->data + in->len - line);
		if (!end)
			break;
		*end = '\0';
		/* A NUL of the sender's would hide the rest of its line. */
		if (strlen(line) == (size_t)(end - line))
			request_handle(line, &reply);
		else
			request_refuse("NUL in the request", &reply);
		ret = write_all(fd, reply.data, reply.len);
		buf_free(&reply);
	}
	in->len = in->data + in->len - line;
	memmove(in->data, line, in->len);
	if (!ret && in->len > LINE_MAX_SIZE) {
		request_refuse("the request is longer than 1 MiB", &reply);
		write_all(fd, reply.data, reply.len);
		buf_free(&reply);
		ret = -1;
	}
	return ret;
}

static void *connection(void *arg)
{
	int fd = (int)(long)arg;
	struct buf in = { 0 };
	char data[16384];
	ssize_t got;

	do {
		got = receive(fd, data, sizeof(data));
		if (got > 0)
			buf_add(&in, data, got);
		if (in.failed || (got > 0 && handle_lines(fd, &in)))
			break;
	} while (got > 0 || (got < 0 && errno == EINTR));
	buf_free(&in);
	close(fd);
	return NULL;
}

static int start_connection(int fd)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	error = pthread_create(&thread, &attr, connection, (void *)(long)fd);
	pthread_attr_destroy(&attr);
	return error;
}

static void accept_for_ever(int listener)
{
	int fd, error;

	for (;;) {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0) {
			/* Out of fds or memory: waiting helps, ending would lose what is held. */
			if (errno != EINTR)
				usleep(10000);
			continue;
		}
		error = start_connection(fd);
		if (error) {
			fprintf(stderr, "agent: thread: %s\n", strerror(error));
			close(fd);
		}
	}
}

static int listen_at_socket(void)
{
	struct sockaddr_un address;
	int fd;

	if (socket_address(&address))
		return -1;
	unlink(address.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64))
		return -1;
	return fd;
}

/* As many fds as may be, whatever the limits were. */
static void raise_fd_limit(void)
{
	struct rlimit limit = { MAX_FDS, MAX_FDS };

	if (!setrlimit(RLIMIT_NOFILE, &limit) || getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int serve(bool foreground)
{
	static char links[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int listener = listen_at_socket();

	if (listener < 0) {
		perror("agent: listen");
		return 1;
	}
	/* Whoever started us may connect as soon as that process has ended. */
	if (!foreground && daemon(0, 1)) {
		perror("agent: daemon");
		return 1;
	}
	snprintf(links, sizeof(links), "%s/" LINKS_NAME, agent_dir());
	if (fds_link_into(links))
		perror(links);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	raise_fd_limit();
	crc32_init();
	mapping_init();
	accept_for_ever(listener);
	return 0;
}
