// SPDX-License-Identifier: GPL-2.0-only
/*
 * kexec_load(2): user space lays out the next kernel itself, by the x86 boot protocol. What KHO
 * adds to a kernel that kexec_file_load(2) loads is missing then: it is handed nothing.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bzimage.h"

#define BOOT_PARAMS "/sys/kernel/boot_params/data"
#define HEADER 0x53726448 /* "HdrS" */
#define SECTOR 512
#define ENTRY_64 0x200
#define LOADER_UNKNOWN 0xff
#define SZ_2M (2UL * SZ_1M)
/* Memory below 640 KiB that every PC has, and that neither firmware nor kernel keeps for itself. */
#define LOW 0x10000UL

/* The pages at LOW. */
struct low {
	struct boot_params params;
	u8 start[SZ_4K];
	char cmdline[SZ_4K];
};

/* The whole of a file. The caller frees. */
static void *slurp(struct request *rq, int fd, size_t *size)
{
	struct stat st;
	ssize_t got;
	char *data;

	if (fstat(fd, &st)) {
		fail(rq, "fstat of what is to be loaded");
		return NULL;
	}
	data = malloc(st.st_size + 1);
	if (!data) {
		fail(rq, "memory for what is to be loaded");
		return NULL;
	}
	for (*size = 0; *size < (size_t)st.st_size; *size += got) {
		got = pread(fd, data + *size, st.st_size - *size, *size);
		if (got > 0)
			continue;
		errno = got ? errno : ENODATA;
		fail(rq, "read of what is to be loaded");
		free(data);
		return NULL;
	}
	return data;
}

/* What this kernel was told of the machine, memory map included, is what the next one is told. */
static int own_params(struct request *rq, struct boot_params *params)
{
	int fd = open(BOOT_PARAMS, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return fail(rq, "open of " BOOT_PARAMS);
	got = read(fd, params, sizeof(*params));
	close(fd);
	if (got < 0)
		return fail(rq, "read of " BOOT_PARAMS);
	if (got != sizeof(*params))
		return refuse(rq, BOOT_PARAMS " has %zd bytes", got);
	return 0;
}

static void put_u64(u8 *to, u64 value)
{
	memcpy(to, &value, sizeof(value));
}

/* The kernel wants the address of its parameters in RSI; kexec_load() clears all registers. */
static void start_code(u8 *code, u64 params, u64 entry)
{
	code[0] = 0x48; /* movabs $params, %rsi */
	code[1] = 0xbe;
	put_u64(code + 2, params);
	code[10] = 0x48; /* movabs $entry, %rax */
	code[11] = 0xb8;
	put_u64(code + 12, entry);
	code[20] = 0xff; /* jmp *%rax */
	code[21] = 0xe0;
}

/* The header of the new kernel, with what a boot loader fills in; what is left 0 is absent. */
static void fill(struct low *low, const struct setup_header *image, u64 initrd, size_t size,
		 const char *cmdline)
{
	struct setup_header *header = &low->params.hdr;

	*header = *image;
	header->type_of_loader = LOADER_UNKNOWN;
	header->code32_start = image->pref_address;
	header->ramdisk_image = initrd;
	header->ramdisk_size = size;
	header->cmd_line_ptr = LOW + offsetof(struct low, cmdline);
	header->setup_data = 0;
	low->params.ext_ramdisk_image = 0;
	low->params.ext_ramdisk_size = 0;
	low->params.ext_cmd_line_ptr = 0;
	memcpy(low->cmdline, cmdline, strlen(cmdline) + 1);
	start_code(low->start, LOW, image->pref_address + ENTRY_64);
}

static int load(struct request *rq, struct low *low, const u8 *image, size_t size,
		const void *initrd, size_t initrd_size, const char *cmdline)
{
	const struct setup_header *header = &((const struct boot_params *)image)->hdr;
	struct kexec_segment segments[3] = { 0 };
	size_t setup;
	u64 behind;

	if (size < SZ_64K || header->header != HEADER || !(header->xloadflags & XLF_KERNEL_64))
		return refuse(rq, "the kernel is no 64-bit bzImage");
	setup = (header->setup_sects + 1) * SECTOR;
	if (setup >= size)
		return refuse(rq, "the kernel ends within its setup code");
	if (strlen(cmdline) >= sizeof(low->cmdline))
		return refuse(rq, "the command line is longer than %zu", sizeof(low->cmdline) - 1);
	behind = (header->pref_address + header->init_size + SZ_2M - 1) & ~(SZ_2M - 1);
	if (own_params(rq, &low->params))
		return -1;
	fill(low, header, behind, initrd_size, cmdline);

	segments[0].buf = low;
	segments[0].bufsz = sizeof(*low);
	segments[0].mem = (void *)LOW;
	segments[0].memsz = sizeof(*low);
	segments[1].buf = image + setup;
	segments[1].bufsz = size - setup;
	segments[1].mem = (void *)(uintptr_t)header->pref_address;
	segments[1].memsz = behind - header->pref_address;
	segments[2].buf = initrd;
	segments[2].bufsz = initrd_size;
	segments[2].mem = (void *)(uintptr_t)behind;
	segments[2].memsz = (initrd_size + SZ_4K - 1) & ~(SZ_4K - 1);
	if (syscall(SYS_kexec_load, LOW + offsetof(struct low, start), ARRAY_SIZE(segments),
		    segments, KEXEC_ARCH_DEFAULT))
		return fail(rq, "kexec_load");
	return 0;
}

int bzimage_load(struct request *rq, int kernel, int initramfs, const char *cmdline)
{
	size_t size = 0, initrd_size = 0;
	void *image, *initrd = NULL;
	struct low *low;
	int ret = -1;

	low = calloc(1, sizeof(*low));
	if (!low)
		return fail(rq, "memory for the boot parameters");
	image = slurp(rq, kernel, &size);
	if (image)
		initrd = slurp(rq, initramfs, &initrd_size);
	if (initrd)
		ret = load(rq, low, image, size, initrd, initrd_size, cmdline);
	free(initrd);
	free(image);
	free(low);
	return ret;
}
