/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small KVM guest and what a VMM has of it: two vCPUs that write numbers to pages without end, two RAM blocks, three
 * memory slots, a thread a vCPU.
 */
#ifndef TEST_KVM_RIG_H
#define TEST_KVM_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <godwit/kvm.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define NR_VCPUS     2
#define NR_BLOCKS    2
#define NR_SLOTS     3
#define BLOCK_BYTES  (4ull << 20)
#define HIGH_GPA     (16ull << 20)
#define CODE_GPA     0x1000
#define FIRST_GPA    (1ull << 20) /* of what the first vCPU writes; the second writes all of the high block */
#define RING_ENTRIES 1024

/* 32 bits, no paging: number each page from ebx to esi, over and over. */
static const uint8_t code[] = {
	0x89, 0x07,                         /* mov [edi], eax */
	0x40,                               /* inc eax */
	0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, /* add edi, 4096 */
	0x39, 0xf7,                         /* cmp edi, esi */
	0x72, 0xf3,                         /* jb to the first */
	0x89, 0xdf,                         /* mov edi, ebx */
	0xeb, 0xef,                         /* jmp to the first */
};

struct rig;

struct vcpu {
	struct rig *rig;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	atomic_int ended; /* 1: as it was told; 2: it fell over */
};

struct rig {
	int kvm, vm;
	size_t run_bytes;
	struct gw_ram_block ram[NR_BLOCKS];
	uint8_t *shadow[NR_BLOCKS];
	struct vcpu vcpus[NR_VCPUS];
	int fds[NR_VCPUS];
	struct gw_kvm_slot slots[NR_SLOTS];
	struct gw_kvm_log *log;
	atomic_uint nr_full; /* how often a ring was full */
	atomic_int stopping;
};

static inline void on_signal(int number)
{
}

static inline void set_up_vcpu(struct vcpu *v, uint32_t index)
{
	struct kvm_segment flat = {
		.limit = 0xffffffff, .selector = 8, .present = 1, .db = 1, .s = 1, .g = 1, .type = 3
	};
	struct kvm_regs regs = {
		.rip = CODE_GPA,
		.rflags = 2,
		.rbx = index ? HIGH_GPA : FIRST_GPA,
		.rsi = index ? HIGH_GPA + BLOCK_BYTES : BLOCK_BYTES,
		.rdi = index ? HIGH_GPA : FIRST_GPA,
		.rax = 1,
	};
	struct kvm_sregs sregs;

	v->fd = ioctl(v->rig->vm, KVM_CREATE_VCPU, index);
	assert_true(v->fd >= 0);
	v->run = mmap(NULL, v->rig->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	assert_ptr_not_equal(v->run, MAP_FAILED);
	assert_int_equal(ioctl(v->fd, KVM_GET_SREGS, &sregs), 0);
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = flat;
	flat.type = 11;
	sregs.cs = flat;
	sregs.cr0 |= 1;
	assert_int_equal(ioctl(v->fd, KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(ioctl(v->fd, KVM_SET_REGS, &regs), 0);
}

static inline void set_up_ram(struct rig *rig)
{
	static const struct gw_kvm_slot slots[] = {
		{ .slot = 0, .gpa = 0, .size_bytes = BLOCK_BYTES },
		{ .slot = 1, .gpa = HIGH_GPA, .size_bytes = BLOCK_BYTES / 4 },
		{ .slot = 2, .gpa = HIGH_GPA + BLOCK_BYTES / 4, .size_bytes = BLOCK_BYTES - BLOCK_BYTES / 4 },
	};

	for (int i = 0; i < NR_BLOCKS; i++) {
		void *at = mmap(NULL, BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		assert_ptr_not_equal(at, MAP_FAILED);
		rig->ram[i] = (struct gw_ram_block){ .gpa = i ? HIGH_GPA : 0, .size_bytes = BLOCK_BYTES, .hva = at };
		strcpy(rig->ram[i].id, i ? "high" : "low");
		rig->shadow[i] = calloc(1, BLOCK_BYTES);
		assert_non_null(rig->shadow[i]);
	}
	memcpy((uint8_t *)rig->ram[0].hva + CODE_GPA, code, sizeof(code));
	memcpy(rig->shadow[0] + CODE_GPA, code, sizeof(code));
	memcpy(rig->slots, slots, sizeof(slots));
	for (int i = 0; i < NR_SLOTS; i++) {
		const struct gw_ram_block *block = &rig->ram[i ? 1 : 0];
		struct kvm_userspace_memory_region region = {
			.slot = rig->slots[i].slot,
			.guest_phys_addr = rig->slots[i].gpa,
			.memory_size = rig->slots[i].size_bytes,
		};

		rig->slots[i].hva = (uint8_t *)block->hva + (rig->slots[i].gpa - block->gpa);
		region.userspace_addr = (uintptr_t)rig->slots[i].hva;
		assert_int_equal(ioctl(rig->vm, KVM_SET_USER_MEMORY_REGION, &region), 0);
	}
}

static inline struct gw_kvm_vm vm_of(const struct rig *rig)
{
	return (struct gw_kvm_vm){
		.size = sizeof(struct gw_kvm_vm),
		.vcpu_fds = rig->fds,
		.nr_vcpus = NR_VCPUS,
		.slots = rig->slots,
		.nr_slots = NR_SLOTS,
		.ram = rig->ram,
		.nr_ram = NR_BLOCKS,
	};
}

static inline void skip_because(const char *why)
{
	print_message("SKIP: %s\n", why);
	skip();
}

static inline void open_vm(struct rig *rig)
{
	*rig = (struct rig){ .kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC) };
	if (rig->kvm < 0)
		skip_because("there is no /dev/kvm to be used here");
	rig->vm = ioctl(rig->kvm, KVM_CREATE_VM, 0);
	if (rig->vm < 0) {
		close(rig->kvm);
		skip_because("KVM makes no VM here");
	}
}

/* A VM as its VMM has made it, with a log that is yet to be attached. */
static inline void open_rig(struct rig *rig, int mode)
{
	struct sigaction kick = { .sa_handler = on_signal };
	struct gw_error e = GW_ERROR_NONE;
	int ret;

	open_vm(rig);
	ret = gw_kvm_log_new(&rig->log, rig->vm, mode, mode == GW_KVM_LOG_RING ? RING_ENTRIES : 0, &e);
	if (ret == -EOPNOTSUPP) {
		close(rig->vm);
		close(rig->kvm);
		skip_because(e.what);
	}
	assert_int_equal(ret, 0);
	assert_int_equal(gw_kvm_log_mode(rig->log), mode);
	rig->run_bytes = (size_t)ioctl(rig->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	sigaction(SIGUSR1, &kick, NULL);
	sigaction(SIGALRM, &kick, NULL);
	set_up_ram(rig);
	for (uint32_t i = 0; i < NR_VCPUS; i++) {
		rig->vcpus[i].rig = rig;
		set_up_vcpu(&rig->vcpus[i], i);
		rig->fds[i] = rig->vcpus[i].fd;
	}
}

static inline void attach(struct rig *rig)
{
	struct gw_kvm_vm vm = vm_of(rig);
	struct gw_error e = GW_ERROR_NONE;

	assert_int_equal(gw_kvm_log_attach(rig->log, &vm, &e), 0);
}

static inline void close_rig(struct rig *rig)
{
	gw_kvm_log_free(rig->log);
	for (int i = 0; i < NR_VCPUS; i++) {
		munmap(rig->vcpus[i].run, rig->run_bytes);
		close(rig->vcpus[i].fd);
	}
	close(rig->vm);
	close(rig->kvm);
	for (int i = 0; i < NR_BLOCKS; i++) {
		munmap(rig->ram[i].hva, BLOCK_BYTES);
		free(rig->shadow[i]);
	}
}

static inline void *run_vcpu(void *arg)
{
	struct vcpu *v = arg;
	int ended = 0;

	while (!ended) {
		if (!ioctl(v->fd, KVM_RUN, 0)) {
			if (v->run->exit_reason == KVM_EXIT_DIRTY_RING_FULL) {
				v->rig->nr_full++;
				ended = gw_kvm_log_ring_full(v->rig->log, NULL) ? 2 : 0;
			} else {
				ended = 2;
			}
		} else if (errno != EINTR && errno != EAGAIN) {
			ended = 2;
		}
		if (!ended && v->rig->stopping)
			ended = 1;
	}
	v->ended = ended;
	return NULL;
}

static inline void resume(struct rig *rig)
{
	rig->stopping = 0;
	for (int i = 0; i < NR_VCPUS; i++) {
		rig->vcpus[i].ended = 0;
		rig->vcpus[i].run->immediate_exit = 0;
		assert_int_equal(pthread_create(&rig->vcpus[i].thread, NULL, run_vcpu, &rig->vcpus[i]), 0);
	}
}

static inline void pause_guest(struct rig *rig)
{
	rig->stopping = 1;
	for (int i = 0; i < NR_VCPUS; i++) {
		rig->vcpus[i].run->immediate_exit = 1;
		pthread_kill(rig->vcpus[i].thread, SIGUSR1);
	}
	for (int i = 0; i < NR_VCPUS; i++) {
		pthread_join(rig->vcpus[i].thread, NULL);
		assert_int_equal(rig->vcpus[i].ended, 1);
	}
}

#endif
