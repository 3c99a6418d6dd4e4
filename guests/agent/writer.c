// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that goes on writing into a memfd, mapping it, punching holes into it and changing its
 * size, while that is sealed in a box or preserved in a session. What it has done last it leaves
 * in the first page: whoever has the memfd then sees whether it is as its writer left it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fdbox.h>

#include "fds.h"
#include "luo.h"
#include "ops.h"
#include "workers.h"

#define MAGIC 0x5772697465724F4BULL
#define WORDS (SZ_4K / sizeof(u64))
#define PAGES_MAX 256U
/* It never has fewer: so that there is always something to write to. */
#define PAGES_MIN 128U
#define WRITING_MS 40

/* What the first page says. */
struct left {
	u64 magic;
	u64 pages;
	u64 steps;
	u64 refused;		/* of them: it was frozen */
	u64 value[PAGES_MAX];	/* each word of each other page */
};

struct writer {
	struct worker *worker;
	u64 *map;
	struct left left;
};

static void wrong(struct writer *writer, const char *what)
{
	worker_wrong(writer->worker, "%s: %s", what, errno_name(errno));
}

/* Whether it was done; who is frozen refuses what changes holes or the size. */
static bool done(struct writer *writer, const char *what, int ret)
{
	if (!ret)
		return true;
	if (errno == EPERM)
		writer->left.refused++;
	else
		wrong(writer, what);
	return false;
}

static void resize(struct writer *writer, u64 pages)
{
	struct left *left = &writer->left;
	u64 page;

	if (!done(writer, "ftruncate", ftruncate(WORKER_FD, pages * SZ_4K)))
		return;
	for (page = pages; page < left->pages; page++)
		left->value[page] = 0;
	left->pages = pages;
}

static void punch(struct writer *writer, u64 page)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	if (done(writer, "punch", fallocate(WORKER_FD, mode, page * SZ_4K, SZ_4K)))
		writer->left.value[page] = 0;
}

static void write_page(struct writer *writer, u64 page, bool mapped)
{
	u64 words[WORDS];
	size_t i;

	for (i = 0; i < WORDS; i++)
		words[i] = writer->left.steps;
	if (mapped)
		memcpy(writer->map + page * WORDS, words, sizeof(words));
	else if (pwrite(WORKER_FD, words, sizeof(words), page * SZ_4K) != sizeof(words))
		return wrong(writer, "pwrite");
	writer->left.value[page] = writer->left.steps;
}

static void step(struct writer *writer)
{
	u64 page = 1 + worker_pick(writer->worker, writer->left.pages - 1);

	writer->left.steps++;
	switch (worker_pick(writer->worker, 8)) {
	case 0:
		resize(writer, PAGES_MIN + worker_pick(writer->worker, PAGES_MAX - PAGES_MIN + 1));
		break;
	case 1:
		done(writer, "fallocate", fallocate(WORKER_FD, 0, page * SZ_4K, SZ_4K));
		break;
	case 2:
	case 3:
		punch(writer, page);
		break;
	case 4:
	case 5:
		write_page(writer, page, true);
		break;
	default:
		write_page(writer, page, false);
	}
}

/* For its time, and where somebody is to freeze the memfd until it was refused something. */
static bool goes_on(const struct writer *writer, u64 end)
{
	bool frozen = writer->left.refused || !writer->worker->context;

	return !*writer->worker->result->wrong && now_ms() < (frozen ? end : end + PATIENCE_MS);
}

/* A context says that the memfd will be frozen. */
static void write_on(struct worker *worker)
{
	struct writer writer = {
		.worker = worker,
		.left = { .magic = MAGIC, .pages = PAGES_MIN },
	};
	u64 end = now_ms() + WRITING_MS;

	writer.map = mmap(NULL, PAGES_MAX * SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED, WORKER_FD,
			  0);
	if (writer.map == MAP_FAILED)
		return wrong(&writer, "mmap");
	while (goes_on(&writer, end))
		step(&writer);
	if (worker->context && !writer.left.refused)
		worker_wrong(worker, "nobody has frozen what is preserved");
	memcpy(writer.map, &writer.left, sizeof(writer.left));
}

/* A memfd, and a process that writes into it; the caller's fd of it, or -1. */
static int start_writing(struct request *rq, struct workers *workers, u64 seed,
			 const void *frozen)
{
	int fd = memfd_create("writer", MFD_CLOEXEC);

	if (fd < 0)
		return fail(rq, "memfd_create");
	*workers = (struct workers){ .kept = { fd }, .nr_kept = 1 };
	if (ftruncate(fd, PAGES_MIN * SZ_4K))
		fail(rq, "ftruncate");
	else if (!workers_start(rq, workers, 1, seed, write_on, frozen))
		return fd;
	close(fd);
	return -1;
}

static int end_writing(struct request *rq, struct workers *workers)
{
	int ret = workers_wait(rq, workers);

	workers_free(workers);
	return ret;
}

static int check_page(struct request *rq, int fd, const struct left *left, u64 page)
{
	ssize_t got;
	u64 words[WORDS];
	size_t i;

	got = pread(fd, words, sizeof(words), page * SZ_4K);
	if (got < 0)
		return fail(rq, "pread");
	if (got != sizeof(words))
		return broken(rq, "page %llu has %zd bytes", page, got);
	for (i = 0; i < WORDS; i++)
		if (words[i] != left->value[page])
			return broken(rq, "page %llu, word %zu: %#llx, and was left as %#llx",
				      page, i, words[i], left->value[page]);
	return 0;
}

static int check_left(struct request *rq, int fd, struct left *left)
{
	struct stat st;
	ssize_t got;
	u64 page;

	got = fstat(fd, &st) ? -1 : pread(fd, left, sizeof(*left), 0);
	if (got < 0)
		return fail(rq, "pread");
	if (got != sizeof(*left))
		return broken(rq, "it has %llu bytes, and its writer wrote more", (u64)st.st_size);
	if (left->magic != MAGIC)
		return broken(rq, "its writer had not ended");
	if ((u64)st.st_size != left->pages * SZ_4K)
		return broken(rq, "it has %llu bytes, and was left with %llu",
			      (u64)st.st_size, left->pages * SZ_4K);
	for (page = 1; page < left->pages; page++)
		if (check_page(rq, fd, left, page))
			return -1;
	return 0;
}

/* Whatever a writer has left in a memfd, in whatever kernel. */
int op_writer_check(struct request *rq)
{
	struct left left;
	int fd = fds_find(rq, &held, "fd");

	if (fd < 0 || check_left(rq, fd, &left))
		return -1;
	buf_member_u64(rq->out, "steps", left.steps);
	buf_member_u64(rq->out, "refused", left.refused);
	return 0;
}

/* As often as it takes: it is refused while the writer has the file. */
static int seal_at_last(struct request *rq, int box, bool prepare, u64 *refused)
{
	u64 end = now_ms() + PATIENCE_MS;

	while (now_ms() < end) {
		if (prepare && ioctl(box, FDBOX_PREPARE, NULL))
			return fail(rq, "FDBOX_PREPARE");
		if (!ioctl(box, FDBOX_SEAL, NULL))
			return 0;
		if (errno != EBUSY)
			break;
		++*refused;
		usleep(100);
	}
	return fail(rq, "FDBOX_SEAL");
}

static int seal_while_written(struct request *rq, int box, const char *name, u64 round,
			      bool prepare, u64 *refused)
{
	struct fdbox_put_fd put = { 0 };
	struct workers workers;
	int fd, ret = 0;

	fd = start_writing(rq, &workers, round, NULL);
	if (fd < 0)
		return -1;
	put.fd = fd;
	memcpy(put.name, name, strlen(name));
	if (ioctl(box, FDBOX_PUT_FD, &put)) {
		ret = fail(rq, "FDBOX_PUT_FD");
		close(fd);
	}
	ret = ret ?: seal_at_last(rq, box, prepare, refused);
	/* It says that it is done before it lets go. */
	if (!ret && !workers.results[0].done)
		ret = broken(rq, "it was sealed while another process had it");
	return end_writing(rq, &workers) ?: ret;
}

/* It was sealed, so its writer had ended. */
static int take_out(struct request *rq, int box, const char *name, u64 *frozen)
{
	struct fdbox_get_fd get = { 0 };
	struct left left;
	int fd, ret;

	memcpy(get.name, name, strlen(name));
	if (ioctl(box, FDBOX_UNSEAL, NULL))
		return fail(rq, "FDBOX_UNSEAL");
	fd = ioctl(box, FDBOX_GET_FD, &get);
	if (fd < 0)
		return fail(rq, "FDBOX_GET_FD");
	ret = check_left(rq, fd, &left);
	*frozen += left.refused;
	close(fd);
	return ret;
}

/* The memfd of the last round stays in the box, which stays sealed. */
int op_writer_seal(struct request *rq)
{
	const char *box = "", *name = "";
	u64 count = 0, round, refused = 0, frozen = 0;
	bool prepare = false;
	char path[512];
	int fd, ret = 0;

	if (arg_string(rq, "box", &box) || arg_string(rq, "name", &name) ||
	    arg_u64(rq, "count", &count) || arg_bool(rq, "prepare", &prepare))
		return -1;
	if (strlen(name) >= FDBOX_NAME_LEN)
		return refuse(rq, "'name' is too long");
	snprintf(path, sizeof(path), "/dev/fdbox/%s", box);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fail(rq, "open of the fdbox device");
	for (round = 1; round <= count && !ret; round++) {
		ret = seal_while_written(rq, fd, name, round, prepare, &refused);
		if (!ret && round < count)
			ret = take_out(rq, fd, name, &frozen);
	}
	close(fd);
	buf_member_u64(rq->out, "refused", refused);
	buf_member_u64(rq->out, "frozen", frozen);
	/* Only PREPARE freezes what others have. */
	if (!ret && !prepare && frozen)
		ret = broken(rq, "SEAL froze what it refused");
	if (!ret && (!refused || (prepare && !frozen)))
		ret = refuse(rq, "nothing was refused: that was no test");
	return ret;
}

static int preserve_while_written(struct request *rq, int session, u64 token, u64 *frozen)
{
	struct luo_fd arg = { .size = sizeof(arg), .token = token };
	struct workers workers;
	struct left left;
	int fd, error, ret;

	fd = start_writing(rq, &workers, token, &token);
	if (fd < 0)
		return -1;
	arg.fd = fd;
	/* Sooner and later. */
	usleep(token * 7919 % (WRITING_MS * 500));
	error = ioctl(session, LUO_PRESERVE_FD, &arg) ? errno : 0;
	ret = end_writing(rq, &workers);
	/* Then nobody has frozen it, which is not what is wrong. */
	if (error) {
		errno = error;
		ret = fail(rq, "LIVEUPDATE_SESSION_PRESERVE_FD");
	}
	if (!ret)
		ret = check_left(rq, fd, &left);
	if (!ret)
		*frozen += left.refused;
	close(fd);
	return ret;
}

/* The tokens are 1, 2 and so on. */
int op_writer_preserve(struct request *rq)
{
	int session = fds_find(rq, &sessions, "session"), ret = 0;
	u64 count = 0, token, frozen = 0;

	if (session < 0 || arg_u64(rq, "count", &count))
		return -1;
	for (token = 1; token <= count && !ret; token++)
		ret = preserve_while_written(rq, session, token, &frozen);
	buf_member_u64(rq->out, "frozen", frozen);
	return ret;
}
