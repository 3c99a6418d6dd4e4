// SPDX-License-Identifier: GPL-2.0-only
/*
 * More agents: processes of their own, of another user or not, with what is passed to them. Each
 * is asked through its own socket, in a directory of its own.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "fds.h"
#include "ops.h"

/* A busy host: whoever asked for it knows better how long to wait, and hears at once if it died. */
#define START_MS 100000

static int process_dir(struct request *rq, char *path, size_t room)
{
	const char *name = "";

	if (arg_string(rq, "name", &name))
		return -1;
	if (!*name || *name == '.' || strchr(name, '/') ||
	    (size_t)snprintf(path, room, "%s/" PROCESSES_NAME "/%s", agent_dir(), name) >= room)
		return refuse(rq, "'name': '%.64s' cannot be a name", name);
	return 0;
}

static int make_dir(struct request *rq, const char *path, int uid)
{
	char parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%s/" PROCESSES_NAME, agent_dir());
	if (mkdir(parent, 0755) && errno != EEXIST)
		return fail(rq, "mkdir");
	if (mkdir(path, 0700) || chown(path, uid, uid))
		return fail(rq, "mkdir");
	return 0;
}

/* In the child of a process with threads: system calls only. Nothing that is held goes along. */
static void become(char **env, int uid)
{
	static char *const argv[] = { "agent", "serve", "--foreground", NULL };

	syscall(SYS_close_range, 3, ~0U, 0);
	if (uid && (syscall(SYS_setgroups, 0, NULL) || syscall(SYS_setresgid, uid, uid, uid) ||
		    syscall(SYS_setresuid, uid, uid, uid)))
		_exit(2);
	execve("/proc/self/exe", argv, env);
	_exit(2);
}

static int connect_to(const char *dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s/" SOCKET_NAME, dir) >=
	    sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int wait_for(struct request *rq, const char *dir, pid_t child)
{
	int waited, fd;

	for (waited = 0; waited < START_MS; waited++) {
		fd = connect_to(dir);
		if (fd >= 0) {
			close(fd);
			return 0;
		}
		if (kill(child, 0))
			return refuse(rq, "the new process has ended before it listened");
		usleep(1000);
	}
	return refuse(rq, "the new process does not listen");
}

/* Start an agent; the result is the number of its process. */
int op_process(struct request *rq)
{
	char dir[PATH_MAX], variable[PATH_MAX + 16];
	char *env[2] = { variable, NULL };
	int uid = 0;
	pid_t child;

	if (process_dir(rq, dir, sizeof(dir)) || arg_int(rq, "uid", &uid) ||
	    make_dir(rq, dir, uid))
		return -1;
	snprintf(variable, sizeof(variable), "AGENT_DIR=%s", dir);
	child = fork();
	if (child < 0)
		return fail(rq, "fork");
	if (!child)
		become(env, uid);
	if (wait_for(rq, dir, child)) {
		kill(child, SIGKILL);
		return -1;
	}
	buf_member_u64(rq->out, "pid", child);
	buf_member_string(rq->out, "dir", dir);
	return 0;
}

/* A connection's last fd that came with a request. */
static __thread int passed = -1;

ssize_t receive(int socket, void *data, size_t room)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { data, room };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *head = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
		if (passed >= 0)
			close(passed);
		memcpy(&passed, CMSG_DATA(head), sizeof(passed));
	}
	return got;
}

/* Hold the fd that came with this request. */
int op_receive(struct request *rq)
{
	int fd = passed;

	if (fd < 0)
		return refuse(rq, "no fd came with this request");
	passed = -1;
	return fds_add(rq, &held, "as", fd);
}

static int send_fd(int socket, int fd, const char *line)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr head;
	} control = { 0 };
	struct iovec iov = { (void *)line, strlen(line) };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static int pass_fd(struct request *rq, const char *dir, int fd, const char *name)
{
	int socket = connect_to(dir);
	struct buf line = { 0 };
	char reply[1024] = "";
	ssize_t got = -1;

	if (socket < 0)
		return fail(rq, "connect");
	buf_open(&line, '{');
	buf_member_string(&line, "op", "receive");
	buf_member_string(&line, "as", name);
	buf_close(&line, '}');
	buf_add(&line, "\n", 2);
	if (!line.failed && !send_fd(socket, fd, line.data))
		got = read(socket, reply, sizeof(reply) - 1);
	if (got < 0)
		fail(rq, "sendmsg");
	else if (!strstr(reply, ",\"ok\":{"))
		refuse(rq, "the other process says: %.200s", reply);
	buf_free(&line);
	close(socket);
	return rq->error ? -1 : 0;
}

/* A duplicate of fd becomes that of the agent in directory "to", named as argument "as" says. */
int op_pass(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd");
	const char *name = "", *dir = "";

	if (fd < 0 || arg_string(rq, "to", &dir) || arg_string(rq, "as", &name))
		return -1;
	return pass_fd(rq, dir, fd, name);
}

/* End a process, and wait until it is gone: then it has let go of everything. */
int op_process_end(struct request *rq)
{
	char path[32];
	u64 pid = 0;

	if (arg_u64(rq, "pid", &pid))
		return -1;
	if (kill(pid, SIGKILL))
		return fail(rq, "kill");
	snprintf(path, sizeof(path), "/proc/%llu", pid);
	while (!access(path, F_OK))
		usleep(1000);
	return 0;
}
