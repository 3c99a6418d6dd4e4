// SPDX-License-Identifier: GPL-2.0-only
/* Small boxfuls of fds of one kind, each of which can be checked. */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gmem.h"
#include "stamp.h"
#include "stock.h"
#include "vfio.h"

/* A blob of more than one page, and tables of KHO that are not there yet. */
#define BIG_AT (8 * (off_t)SZ_4K)
#define BIG_SIZE (600 * (off_t)SZ_4K)
#define BIG_BYTE 0x3c
/* Of guest_memfds, and of what a device writes into. */
#define MEMORY_PAGES 4U
#define MEMORY_BYTE 0x5a
/* The last one: scenarios count from 0. */
#define DEVICE 7U
#define MARK 0x6b72616dU
#define PATIENCE_MS 10000

static bool is_big(unsigned int i)
{
	return i == 1;
}

static const char *big(void)
{
	static char data[BIG_SIZE];

	return memset(data, BIG_BYTE, sizeof(data));
}

/* Behind what the stamp is about; a hole in between. */
static int make_big(int fd)
{
	return pwrite(fd, big(), BIG_SIZE, BIG_AT) == BIG_SIZE ? 0 : -1;
}

/* It is as it was made. */
static const char *check_big(int fd)
{
	struct stat st;
	off_t filled;
	char *data;
	bool same;

	if (fstat(fd, &st) || st.st_size != BIG_AT + BIG_SIZE)
		return "has another size";
	filled = lseek(fd, SZ_4K, SEEK_DATA);
	if (filled != BIG_AT || lseek(fd, 0, SEEK_SET))
		return "has pages in its hole";
	data = mmap(NULL, BIG_SIZE, PROT_READ, MAP_SHARED, fd, BIG_AT);
	if (data == MAP_FAILED)
		return "cannot be mapped";
	same = !memcmp(data, big(), BIG_SIZE);
	munmap(data, BIG_SIZE);
	return same ? NULL : "has other contents";
}

static int make_memfd(const struct stock_item *item)
{
	int fd = stamp_create(item->i);

	if (fd < 0 || (is_big(item->i) && make_big(fd)))
		return fail(item->rq, "memfd_create");
	return fd;
}

/* The big one is longer than its stamp says. */
static const char *check_memfd(const struct stock_item *item, int fd)
{
	const char *why = is_big(item->i) ? check_big(fd) : NULL;

	if (why)
		return why;
	if (is_big(item->i) && ftruncate(fd, SZ_4K))
		return "cannot be cut";
	why = stamp_check(fd, item->i);
	if (!why && is_big(item->i) && make_big(fd))
		why = "cannot grow";
	return why;
}

/* Each page as it was written, but for its first @skip bytes. */
static const char *check_memory(int fd, size_t skip)
{
	unsigned char *memory, expected[SZ_4K];
	const char *why = NULL;
	struct stat st;
	size_t page;

	if (fstat(fd, &st) || st.st_size != (off_t)(MEMORY_PAGES * SZ_4K))
		return "has another size";
	memory = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return "cannot be mapped";
	memset(expected, MEMORY_BYTE, sizeof(expected));
	for (page = 0; page < MEMORY_PAGES && !why; page++)
		if (memcmp(memory + page * SZ_4K + skip, expected + skip, SZ_4K - skip))
			why = "has other contents";
	munmap(memory, st.st_size);
	return why;
}

static int fill_memory(struct request *rq, int fd)
{
	void *memory;

	if (fd < 0)
		return -1;
	memory = mmap(NULL, MEMORY_PAGES * SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		close(fd);
		return fail(rq, "mmap");
	}
	memset(memory, MEMORY_BYTE, MEMORY_PAGES * SZ_4K);
	munmap(memory, MEMORY_PAGES * SZ_4K);
	return fd;
}

/* A VM, and its memory. */
static int make_gmem(const struct stock_item *item)
{
	struct request *rq = item->rq;

	if (item->i == 0)
		return vm_create(rq, 0);
	return fill_memory(rq, gmem_create(rq, item->earlier[0], MEMORY_PAGES * SZ_4K,
					   GMEM_DEFAULT));
}

static const char *check_gmem(const struct stock_item *item, int fd)
{
	if (item->i)
		return check_memory(fd, 0);
	return ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) > 0 ? NULL : "is no VM";
}

static int make_buffer(struct request *rq)
{
	int fd = memfd_create("buffer", MFD_CLOEXEC);

	if (fd < 0)
		return fail(rq, "memfd_create");
	if (ftruncate(fd, MEMORY_PAGES * SZ_4K)) {
		close(fd);
		return fail(rq, "ftruncate");
	}
	return fill_memory(rq, fd);
}

static int set_up_device(const struct stock_item *item, int fd)
{
	struct vfio_mock_map map = {
		.argsz = sizeof(map),
		.fd = item->earlier[0],
		.length = MEMORY_PAGES * SZ_4K,
	};

	if (vfio_bind(item->rq, fd) < 0 ||
	    vfio_write_register(item->rq, fd, offsetof(struct vfio_mock_registers, scratch), MARK))
		return -1;
	return ioctl(fd, VFIO_MOCK_MAP, &map) ? fail(item->rq, "VFIO_MOCK_MAP") : 0;
}

/* A memfd, and a device that writes into it. */
static int make_device(const struct stock_item *item)
{
	int fd;

	if (item->i == 0)
		return make_buffer(item->rq);
	fd = vfio_open(item->rq, DEVICE);
	if (fd >= 0 && set_up_device(item, fd)) {
		close(fd);
		return -1;
	}
	return fd;
}

static const char *check_device(const struct stock_item *item, int fd)
{
	struct vfio_mock_registers first, now;
	unsigned int ms;

	if (item->i == 0)
		return check_memory(fd, sizeof(u64));
	if (vfio_read_registers(item->rq, fd, &first))
		return "cannot be read";
	if (first.scratch[0] != MARK)
		return "was reset";
	for (ms = 0; ms < PATIENCE_MS; ms++) {
		if (vfio_read_registers(item->rq, fd, &now))
			return "cannot be read";
		if (now.counter != first.counter)
			return NULL;
		usleep(1000);
	}
	return "does not go on";
}

static const struct stock stocks[] = {
	{ "memfd", 3, make_memfd, check_memfd },
	{ "vm", 1, make_gmem, check_gmem },
	{ "guest_memfd", 2, make_gmem, check_gmem },
	{ "vfio_mock", 2, make_device, check_device },
};

const struct stock *stock_find(struct request *rq)
{
	const char *kind = "memfd";
	size_t i;

	if (arg_string(rq, "kind", &kind))
		return NULL;
	for (i = 0; i < ARRAY_SIZE(stocks); i++)
		if (!strcmp(stocks[i].kind, kind))
			return &stocks[i];
	refuse(rq, "no 'kind' is called '%.64s'", kind);
	return NULL;
}
