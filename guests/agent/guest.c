// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small guest that counts in its own memory, on a guest_memfd, in real mode.
 *
 * Its vCPU and memslot are kept under the name of its VM: they can stay while the VM is in a box.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fds.h"
#include "gmem.h"
#include "ops.h"

/*
 * The program, at 0, and its counter, a u32: the program has it in EBX, too. So a guest that goes
 * on with old registers on new memory, or the other way round, ends with an error.
 */
static const unsigned char program[] = {
	0x66, 0xa1, 0x00, 0x10,		/*  0: mov eax, [0x1000] */
	0x66, 0x39, 0xd8,		/*  4: cmp eax, ebx */
	0x75, 0x10,			/*  7: jne 25 */
	0x66, 0x43,			/*  9: inc ebx */
	0x66, 0x40,			/* 11: inc eax */
	0x66, 0xa3, 0x00, 0x10,		/* 13: mov [0x1000], eax */
	0x66, 0x49,			/* 17: dec ecx */
	0x75, 0xeb,			/* 19: jnz 0 */
	0xe6, 0x10,			/* 21: out 0x10, al */
	0xeb, 0xe7,			/* 23: jmp 0 */
	0xe6, 0x11,			/* 25: out 0x11, al */
	0xf4,				/* 27: hlt */
	0xeb, 0xfd,			/* 28: jmp 27 */
};

#define COUNTER 0x1000
#define PORT_DONE 0x10
#define PORT_DIFFERENT 0x11

struct state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
};

struct guest {
	struct guest *next;
	char *vm;
	int vcpu;
	struct kvm_run *run;
	size_t run_size;
};

static struct guest *guests;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* With the lock. */
static struct guest *find(const char *vm)
{
	struct guest *guest = guests;

	while (guest && strcmp(guest->vm, vm))
		guest = guest->next;
	return guest;
}

static struct guest *get_guest(struct request *rq)
{
	const char *vm = "";
	struct guest *guest;

	if (arg_string(rq, "vm", &vm))
		return NULL;
	pthread_mutex_lock(&lock);
	guest = find(vm);
	pthread_mutex_unlock(&lock);
	if (!guest)
		refuse(rq, "VM '%.64s' has no guest", vm);
	return guest;
}

static void free_guest(struct guest *guest)
{
	if (guest->run)
		munmap(guest->run, guest->run_size);
	if (guest->vcpu >= 0)
		close(guest->vcpu);
	free(guest->vm);
	free(guest);
}

/* Memslot 0: the guest_memfd, all of it. */
static int set_memory(struct request *rq, int vm, int gmem)
{
	struct kvm_userspace_memory_region2 region = { .flags = KVM_MEM_GUEST_MEMFD };
	struct stat st;

	if (fstat(gmem, &st))
		return fail(rq, "fstat");
	region.memory_size = st.st_size;
	region.guest_memfd = gmem;
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region))
		return fail(rq, "KVM_SET_USER_MEMORY_REGION2");
	return 0;
}

static int make_vcpu(struct request *rq, struct guest *guest, int vm)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), size;
	unsigned long id = 0;

	if (kvm < 0)
		return fail(rq, "open of /dev/kvm");
	size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	close(kvm);
	if (size < 0)
		return fail(rq, "KVM_GET_VCPU_MMAP_SIZE");
	/* A VM never forgets a vCPU: one that was closed still has its number. */
	do
		guest->vcpu = ioctl(vm, KVM_CREATE_VCPU, id++);
	while (guest->vcpu < 0 && errno == EEXIST);
	if (guest->vcpu < 0)
		return fail(rq, "KVM_CREATE_VCPU");
	guest->run_size = size;
	guest->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, guest->vcpu, 0);
	if (guest->run == MAP_FAILED) {
		guest->run = NULL;
		return fail(rq, "mmap of the vCPU");
	}
	return 0;
}

static int set_state(struct request *rq, int vcpu, struct state *state)
{
	if (ioctl(vcpu, KVM_SET_SREGS, &state->sregs))
		return fail(rq, "KVM_SET_SREGS");
	if (ioctl(vcpu, KVM_SET_REGS, &state->regs))
		return fail(rq, "KVM_SET_REGS");
	return 0;
}

static int get_state(struct request *rq, int vcpu, struct state *state)
{
	if (ioctl(vcpu, KVM_GET_SREGS, &state->sregs))
		return fail(rq, "KVM_GET_SREGS");
	if (ioctl(vcpu, KVM_GET_REGS, &state->regs))
		return fail(rq, "KVM_GET_REGS");
	return 0;
}

/* As after a reset, but at 0. */
static int first_state(struct request *rq, int vcpu, struct state *state)
{
	if (get_state(rq, vcpu, state))
		return -1;
	state->sregs.cs.base = 0;
	state->sregs.cs.selector = 0;
	state->regs = (struct kvm_regs){ .rflags = 2 };
	return 0;
}

static int load_program(struct request *rq, int gmem)
{
	void *memory = mmap(NULL, 2 * SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED, gmem, 0);

	if (memory == MAP_FAILED)
		return fail(rq, "mmap of the guest's memory");
	memcpy(memory, program, sizeof(program));
	memset((char *)memory + COUNTER, 0, sizeof(u32));
	munmap(memory, 2 * SZ_4K);
	return 0;
}

/* The guest's first state; or that from another kernel, which argument "state" has. */
static int start_state(struct request *rq, struct guest *guest, bool resume)
{
	struct state state;
	unsigned char *data;
	size_t length;

	if (!resume)
		return first_state(rq, guest->vcpu, &state) ||
		       set_state(rq, guest->vcpu, &state) ? -1 : 0;
	if (arg_hex(rq, "state", &data, &length))
		return -1;
	if (length == sizeof(state))
		memcpy(&state, data, sizeof(state));
	free(data);
	if (length != sizeof(state))
		return refuse(rq, "'state' has %zu bytes instead of %zu", length, sizeof(state));
	return set_state(rq, guest->vcpu, &state);
}

static int keep_guest(struct request *rq, struct guest *guest)
{
	int ret = 0;

	pthread_mutex_lock(&lock);
	if (find(guest->vm)) {
		ret = refuse(rq, "VM '%.64s' has a guest", guest->vm);
	} else {
		guest->next = guests;
		guests = guest;
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

static int new_guest(struct request *rq, bool resume)
{
	int vm = fds_find(rq, &held, "vm"), gmem = fds_find(rq, &held, "fd");
	const char *name = "";
	struct guest *guest;

	if (vm < 0 || gmem < 0 || arg_string(rq, "vm", &name))
		return -1;
	guest = calloc(1, sizeof(*guest));
	if (!guest)
		return fail(rq, "malloc");
	guest->vcpu = -1;
	guest->vm = strdup(name);
	if (set_memory(rq, vm, gmem) || (!resume && load_program(rq, gmem)) ||
	    make_vcpu(rq, guest, vm) || start_state(rq, guest, resume) || keep_guest(rq, guest)) {
		free_guest(guest);
		return -1;
	}
	return 0;
}

int op_guest_start(struct request *rq)
{
	return new_guest(rq, false);
}

int op_guest_resume(struct request *rq)
{
	return new_guest(rq, true);
}

static int run_vcpu(struct request *rq, struct guest *guest)
{
	const struct kvm_run *run = guest->run;

	while (ioctl(guest->vcpu, KVM_RUN, 0))
		if (errno != EINTR)
			return fail(rq, "KVM_RUN");
	if (run->exit_reason != KVM_EXIT_IO)
		return broken(rq, "the guest stopped with exit reason %u", run->exit_reason);
	if (run->io.port == PORT_DIFFERENT)
		return broken(rq, "the guest's memory and its register have different counters");
	return 0;
}

/* An exit is over, and the registers are whole, when KVM_RUN was called again. */
static int end_exit(struct request *rq, struct guest *guest)
{
	int ret;

	guest->run->immediate_exit = 1;
	ret = ioctl(guest->vcpu, KVM_RUN, 0);
	guest->run->immediate_exit = 0;
	if (!ret || errno != EINTR)
		return ret ? fail(rq, "KVM_RUN") : refuse(rq, "immediate_exit did not work");
	return 0;
}

int op_guest_run(struct request *rq)
{
	struct guest *guest = get_guest(rq);
	struct state state;
	u64 count = 0;

	if (!guest || arg_u64(rq, "count", &count))
		return -1;
	if (!count || count > 0xffffffff)
		return refuse(rq, "'count' is from 1 to 2^32 - 1");
	if (get_state(rq, guest->vcpu, &state))
		return -1;
	state.regs.rcx = count;
	if (set_state(rq, guest->vcpu, &state) || run_vcpu(rq, guest) || end_exit(rq, guest) ||
	    get_state(rq, guest->vcpu, &state))
		return -1;
	buf_member_u64(rq->out, "counter", state.regs.rbx);
	buf_key(rq->out, "state");
	buf_hex(rq->out, &state, sizeof(state));
	return 0;
}
