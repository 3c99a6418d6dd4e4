// SPDX-License-Identifier: GPL-2.0-only
/* Contents: written from a seed, summed up, and single bytes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fds.h"
#include "holes.h"
#include "mapping.h"
#include "ops.h"
#include "pattern.h"

#define CHUNK SZ_1M	/* one checksum for so many bytes */
#define READ_MAX SZ_64K

static int fill_piece(void *context, void *data, u64 offset, size_t length)
{
	pattern_copy(context, data, offset, length);
	return 0;
}

int op_fill(struct request *rq)
{
	struct mapping m = { .prot = PROT_READ | PROT_WRITE, .piece = fill_piece };
	u64 seed = 0, size;
	struct pattern *pattern;
	int ret;

	m.fd = fds_find(rq, &held, "fd");
	if (m.fd < 0 || arg_u64(rq, "seed", &seed) ||
	    arg_range(rq, m.fd, &m.offset, &m.length, &size))
		return -1;
	pattern = malloc(sizeof(*pattern));
	if (!pattern)
		return fail(rq, "malloc");
	pattern_init(pattern, seed);
	m.context = pattern;
	ret = mapping_walk(rq, &m);
	free(pattern);
	return ret;
}

struct digest {
	struct buf *out;
	u32 crc;
	size_t done;	/* of the current chunk */
};

static void digest_end_chunk(struct digest *d)
{
	char text[9];

	snprintf(text, sizeof(text), "%08x", d->crc);
	buf_string(d->out, text);
	d->crc = 0;
	d->done = 0;
}

static int digest_piece(void *context, void *data, u64 offset, size_t length)
{
	struct digest *d = context;
	size_t step;

	(void)offset;
	for (; length; length -= step, data = (char *)data + step) {
		step = length < CHUNK - d->done ? length : CHUNK - d->done;
		d->crc = crc32_update(d->crc, data, step);
		d->done += step;
		if (d->done == CHUNK)
			digest_end_chunk(d);
	}
	return 0;
}

static int digest_read(struct request *rq, const struct mapping *m)
{
	u64 offset = m->offset, end = m->offset + m->length;
	char *data = malloc(CHUNK);
	ssize_t got;
	int ret = 0;

	if (!data)
		return fail(rq, "malloc");
	while (offset < end && !ret) {
		got = pread(m->fd, data, end - offset < CHUNK ? end - offset : CHUNK, offset);
		if (got > 0)
			digest_piece(m->context, data, offset, got);
		else if (!got)
			ret = refuse(rq, "the file ended early, at %llu", offset);
		else if (errno != EINTR)
			ret = fail(rq, "pread");
		offset += got > 0 ? got : 0;
	}
	free(data);
	return ret;
}

int op_digest(struct request *rq)
{
	struct digest d = { .out = rq->out };
	struct mapping m = { .prot = PROT_READ, .piece = digest_piece, .context = &d };
	const char *via = "read";
	u64 size;
	int ret;

	m.fd = fds_find(rq, &held, "fd");
	if (m.fd < 0 || arg_string(rq, "via", &via) ||
	    arg_range(rq, m.fd, &m.offset, &m.length, &size))
		return -1;
	buf_member_u64(rq->out, "size", size);
	buf_key(rq->out, "chunks");
	buf_open(rq->out, '[');
	if (!strcmp(via, "read") && !is_guest_memfd(m.fd))
		ret = digest_read(rq, &m);
	else if (!strcmp(via, "read") || !strcmp(via, "mmap"))
		ret = mapping_walk(rq, &m);
	else
		ret = refuse(rq, "'via' is 'read' or 'mmap'");
	if (d.done)
		digest_end_chunk(&d);
	buf_close(rq->out, ']');
	return ret;
}

/* What pread() and pwrite() do, for a file that has only mmap(). */
struct copy {
	unsigned char *data;
	u64 offset;
};

static int read_piece(void *context, void *data, u64 offset, size_t length)
{
	const struct copy *copy = context;

	memcpy(copy->data + (offset - copy->offset), data, length);
	return 0;
}

static int write_piece(void *context, void *data, u64 offset, size_t length)
{
	const struct copy *copy = context;

	memcpy(data, copy->data + (offset - copy->offset), length);
	return 0;
}

static ssize_t copy_mapped(struct request *rq, int fd, struct copy *copy, size_t length, bool write)
{
	struct mapping m = {
		.fd = fd, .prot = write ? PROT_READ | PROT_WRITE : PROT_READ,
		.offset = copy->offset, .length = length,
		.piece = write ? write_piece : read_piece, .context = copy,
	};

	return mapping_walk(rq, &m) ? -1 : (ssize_t)length;
}

int op_read(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd");
	u64 offset = 0, length = 0;
	ssize_t got;
	char *data;

	if (fd < 0 || arg_u64(rq, "offset", &offset) || arg_u64(rq, "length", &length))
		return -1;
	if (length > READ_MAX)
		return refuse(rq, "'length' is at most %lu", READ_MAX);
	data = malloc(length + 1);
	if (!data)
		return fail(rq, "malloc");
	if (is_guest_memfd(fd))
		got = copy_mapped(rq, fd, &(struct copy){ (unsigned char *)data, offset }, length,
				  false);
	else
		got = pread(fd, data, length, offset);
	if (got >= 0) {
		buf_key(rq->out, "hex");
		buf_hex(rq->out, data, got);
	} else if (!rq->error) {
		fail(rq, "pread");
	}
	free(data);
	return rq->error ? -1 : 0;
}

int op_write(struct request *rq)
{
	int fd = fds_find(rq, &held, "fd");
	unsigned char *data;
	u64 offset = 0;
	size_t length;
	ssize_t put;

	if (fd < 0 || arg_u64(rq, "offset", &offset) || arg_hex(rq, "hex", &data, &length))
		return -1;
	if (is_guest_memfd(fd))
		put = copy_mapped(rq, fd, &(struct copy){ data, offset }, length, true);
	else
		put = pwrite(fd, data, length, offset);
	if (put < 0 && !rq->error)
		fail(rq, "pwrite");
	else if (put >= 0 && (size_t)put != length)
		refuse(rq, "only %zd of %zu bytes were written", put, length);
	free(data);
	return rq->error ? -1 : 0;
}
