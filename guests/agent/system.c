// SPDX-License-Identifier: GPL-2.0-only
/* What the machine says of itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "ops.h"
#include "version.h"

#define KLOG_READ_ALL 3
#define KLOG_SIZE 10
#define NT_GNU_BUILD_ID 3

/* A whole file, whatever size it claims to have. 0, or -1 with errno. */
static int read_file(const char *path, struct buf *content)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error;
	char data[16384];
	ssize_t got;

	if (fd < 0)
		return -1;
	while ((got = read(fd, data, sizeof(data))) > 0 || (got < 0 && errno == EINTR))
		if (got > 0)
			buf_add(content, data, got);
	error = errno;
	close(fd);
	errno = content->failed ? ENOMEM : error;
	return got < 0 || content->failed ? -1 : 0;
}

/* ELF notes: u32 name size, u32 content size, u32 type, then both, each padded to 4 bytes. */
static void put_build_id(struct buf *out, const struct buf *notes)
{
	size_t at = 0, name, content;
	u32 header[3];

	buf_key(out, "build_id");
	while (at + sizeof(header) <= notes->len) {
		memcpy(header, notes->data + at, sizeof(header));
		name = at + sizeof(header);
		content = name + ((header[0] + 3ULL) & ~3ULL);
		at = content + ((header[1] + 3ULL) & ~3ULL);
		if (content + header[1] > notes->len)
			break;
		if (header[2] == NT_GNU_BUILD_ID && header[0] == 4 &&
		    !memcmp(notes->data + name, "GNU", 4)) {
			buf_hex(out, notes->data + content, header[1]);
			return;
		}
	}
	buf_null(out);
}

int op_hello(struct request *rq)
{
	struct buf boot_id = { 0 }, notes = { 0 };
	struct timespec now;
	struct utsname uts;

	if (read_file("/proc/sys/kernel/random/boot_id", &boot_id) || uname(&uts))
		return fail(rq, "boot_id");
	/* Absent where the kernel was linked without a build id. */
	read_file("/sys/kernel/notes", &notes);
	clock_gettime(CLOCK_BOOTTIME, &now);
	buf_member_string(rq->out, "version", AGENT_VERSION);
	buf_key(rq->out, "boot_id");
	/* Without the newline. */
	buf_text(rq->out, boot_id.data, boot_id.len ? boot_id.len - 1 : 0);
	buf_member_string(rq->out, "release", uts.release);
	put_build_id(rq->out, &notes);
	buf_member_u64(rq->out, "pid", getpid());
	buf_member_u64(rq->out, "machine_uptime_ns", now.tv_sec * 1000000000ULL + now.tv_nsec);
	buf_free(&boot_id);
	buf_free(&notes);
	return 0;
}

int op_kmsg(struct request *rq)
{
	int size = klogctl(KLOG_SIZE, NULL, 0);
	char *text;
	int got;

	if (size < 0)
		return fail(rq, "SYSLOG_ACTION_SIZE_BUFFER");
	text = malloc(size + 1);
	if (!text)
		return fail(rq, "malloc");
	got = klogctl(KLOG_READ_ALL, text, size);
	if (got >= 0) {
		buf_key(rq->out, "text");
		buf_text(rq->out, text, got);
	} else {
		fail(rq, "SYSLOG_ACTION_READ_ALL");
	}
	free(text);
	return rq->error ? -1 : 0;
}

int op_file(struct request *rq)
{
	struct buf content = { 0 };
	const char *path = "";
	int ret = 0;

	if (arg_string(rq, "path", &path))
		return -1;
	if (read_file(path, &content)) {
		ret = fail(rq, "read");
	} else {
		buf_key(rq->out, "hex");
		buf_hex(rq->out, content.data, content.len);
	}
	buf_free(&content);
	return ret;
}
