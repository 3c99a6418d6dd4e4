// SPDX-License-Identifier: GPL-2.0-only
/*
 * The side of the agent that is run again and again: hands lines to the server and its replies
 * back.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"

const char *agent_dir(void)
{
	const char *dir = getenv("AGENT_DIR");

	return dir && *dir ? dir : "/run";
}

int socket_address(struct sockaddr_un *address)
{
	const char *dir = agent_dir();

	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	if ((size_t)snprintf(address->sun_path, sizeof(address->sun_path), "%s/" SOCKET_NAME, dir) <
	    sizeof(address->sun_path))
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

int write_all(int fd, const char *data, size_t len)
{
	ssize_t put;

	while (len) {
		put = write(fd, data, len);
		if (put < 0 && errno != EINTR)
			return -1;
		if (put > 0) {
			data += put;
			len -= put;
		}
	}
	return 0;
}

static int dial(void)
{
	struct sockaddr_un address;
	int fd = -1;

	if (!socket_address(&address))
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		perror("agent: connect");
		return -1;
	}
	return fd;
}

/*
 * What is there to be read goes from one to the other; 0 at the end of from, -1 when either is
 * broken.
 */
static int pump(int from, int to)
{
	char data[65536];
	ssize_t got;

	do
		got = read(from, data, sizeof(data));
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got;
	return write_all(to, data, got) ? -1 : 1;
}

int relay(void)
{
	struct pollfd fds[2] = { { .fd = 0, .events = POLLIN }, { .events = POLLIN } };
	int moved;

	fds[1].fd = dial();
	if (fds[1].fd < 0)
		return 1;
	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (fds[1].revents && pump(fds[1].fd, 1) <= 0)
			return 0;
		if (!fds[0].revents)
			continue;
		moved = pump(0, fds[1].fd);
		if (moved < 0)
			return 1;
		if (!moved) {
			/* No more requests; replies may still be on their way. */
			shutdown(fds[1].fd, SHUT_WR);
			fds[0].fd = -1;
		}
	}
}

int call_once(const char *request)
{
	char start[4096];
	size_t len = 0;
	int fd = dial();
	ssize_t got;

	if (fd < 0 || write_all(fd, request, strlen(request)) || write_all(fd, "\n", 1))
		return CANNOT_TELL;
	shutdown(fd, SHUT_WR);
	/* The id comes first, then "ok" or "error": the start tells which. */
	while (len < sizeof(start) && (got = read(fd, start + len, sizeof(start) - len)) > 0)
		len += got;
	if (write_all(1, start, len))
		return CANNOT_TELL;
	while (pump(fd, 1) > 0)
		;
	if (memmem(start, len, ",\"ok\":{", 7))
		return 0;
	/* Refused by the agent itself (refuse()), or there was no answer. */
	return !len || memmem(start, len, ",\"call\":null,", 13) ? CANNOT_TELL : 1;
}
