/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference VM's vCPUs with machine code of the test's own, and a device of the test's own at its ports and in its
 * memory: 32 bits, flat, no paging. Skipped where there is no KVM to be used.
 */
#ifndef TEST_VCPU_RUN_RIG_H
#define TEST_VCPU_RUN_RIG_H

#include "ref/kvm/vcpu.h"

#include <errno.h>
#include <linux/kvm.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_VCPUS    4
#define MEMORY_BYTES (1ull << 20)
#define CODE_GPA     0x1000u
#define DATA_GPA     0x8000u
#define DEVICE_PORT  0x100u
#define DEVICE_GPA   0xd0000000u /* the same device on the bus of memory */
#define DEVICE_BYTES 0x2000u
#define MAX_ACCESSES 64
#define PATIENCE_MS  60000

struct access {
	uint64_t at, value;
	uint32_t size_bytes, is_write;
};

/* Remembers the first accesses. Reads give 1, 2, 3 and so on, so one that is done twice shows. */
struct device {
	pthread_mutex_t lock;
	struct access accesses[MAX_ACCESSES];
	_Atomic uint32_t nr;
	_Atomic uint32_t nr_reads;
	_Atomic int hold; /* reads wait until it is 0 */
	_Atomic int held; /* one does */
};

struct rig {
	struct guest_memory memory;
	struct kvm_vm vm;
	struct bus ports, bus;
	struct device device;
	struct vcpus *vcpus;
	struct ref_vm_options options;
};

static inline void wait_ms(int ms)
{
	poll(NULL, 0, ms);
}

/* A test that waits too long has failed. */
#define AWAIT(condition)                       \
	for (int ms = 0; !(condition); ms++) { \
		assert_true(ms < PATIENCE_MS); \
		wait_ms(1);                    \
	}

static inline void note(struct device *device, struct access access)
{
	pthread_mutex_lock(&device->lock);
	if (device->nr < MAX_ACCESSES)
		device->accesses[device->nr] = access;
	device->nr++;
	pthread_mutex_unlock(&device->lock);
}

static inline void device_read(void *ctx, uint64_t offset, void *data, uint32_t size_bytes)
{
	struct device *device = ctx;
	uint64_t value = ++device->nr_reads;

	while (device->hold) {
		device->held = 1;
		wait_ms(1);
	}
	memcpy(data, &value, size_bytes);
	note(device, (struct access){ offset, value, size_bytes, 0 });
}

static inline void device_write(void *ctx, uint64_t offset, const void *data, uint32_t size_bytes)
{
	uint64_t value = 0;

	memcpy(&value, data, size_bytes);
	note(ctx, (struct access){ offset, value, size_bytes, 1 });
}

static const struct bus_ops device_ops = { device_read, device_write };

static inline void set_flat(int fd)
{
	struct kvm_segment flat = {
		.limit = 0xffffffff, .selector = 8, .present = 1, .db = 1, .s = 1, .g = 1, .type = 3
	};
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs sregs;

	assert_int_equal(ioctl(fd, KVM_GET_SREGS, &sregs), 0);
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = flat;
	flat.type = 11;
	sregs.cs = flat;
	sregs.cr0 |= 1;
	assert_int_equal(ioctl(fd, KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(ioctl(fd, KVM_SET_MP_STATE, &runnable), 0);
}

static inline struct kvm_regs regs_of(const struct rig *rig, uint32_t index)
{
	struct kvm_regs regs;

	assert_int_equal(ioctl(vcpus_fds(rig->vcpus)[index], KVM_GET_REGS, &regs), 0);
	return regs;
}

/* All vCPUs begin at the code; eax is 0 and edx the vCPU's index. */
static inline void load_code(struct rig *rig, const void *code, size_t size_bytes)
{
	memcpy(rig->memory.hva + CODE_GPA, code, size_bytes);
	for (uint32_t i = 0; i < vcpus_nr(rig->vcpus); i++) {
		struct kvm_regs regs = { .rip = CODE_GPA, .rflags = 2, .rdx = i, .rsp = DATA_GPA };

		set_flat(vcpus_fds(rig->vcpus)[i]);
		assert_int_equal(ioctl(vcpus_fds(rig->vcpus)[i], KVM_SET_REGS, &regs), 0);
	}
}

static inline void open_vcpus(struct rig *rig, uint32_t nr)
{
	struct vcpus_config config = { .vm = &rig->vm, .ports = &rig->ports, .memory = &rig->bus, .nr = nr };
	struct gw_error e = GW_ERROR_NONE;

	if (vcpus_open(&rig->vcpus, &config, &e))
		fail_msg("%s", e.what);
	assert_int_equal(vcpus_nr(rig->vcpus), nr);
	assert_int_equal(kvm_vm_attach(&rig->vm, &rig->memory, vcpus_fds(rig->vcpus), nr, &e), 0);
}

static inline void open_rig(struct rig *rig, uint32_t nr_vcpus)
{
	struct gw_error e = GW_ERROR_NONE;

	memset(rig, 0, sizeof(*rig));
	ref_vm_options_init(&rig->options);
	assert_int_equal(guest_memory_open(&rig->memory, MEMORY_BYTES, &e), 0);
	if (kvm_vm_open(&rig->vm, &rig->memory, &rig->options, &e)) {
		guest_memory_close(&rig->memory);
		print_message("SKIP: %s\n", e.what);
		skip();
	}
	bus_init(&rig->ports);
	bus_init(&rig->bus);
	pthread_mutex_init(&rig->device.lock, NULL);
	assert_int_equal(bus_add(&rig->ports, DEVICE_PORT, 0x1000, &device_ops, &rig->device), 0);
	assert_int_equal(bus_add(&rig->bus, DEVICE_GPA, DEVICE_BYTES, &device_ops, &rig->device), 0);
	open_vcpus(rig, nr_vcpus);
}

static inline void close_rig(struct rig *rig)
{
	vcpus_close(rig->vcpus);
	kvm_vm_close(&rig->vm);
	bus_fini(&rig->bus);
	bus_fini(&rig->ports);
	pthread_mutex_destroy(&rig->device.lock);
	guest_memory_close(&rig->memory);
}

static inline void resume(struct rig *rig)
{
	struct gw_error e = GW_ERROR_NONE;

	if (vcpus_resume(rig->vcpus, &e))
		fail_msg("%s", e.what);
}

static inline void pause_guest(struct rig *rig)
{
	struct gw_error e = GW_ERROR_NONE;

	if (vcpus_pause(rig->vcpus, &e))
		fail_msg("%s", e.what);
	assert_false(vcpus_running(rig->vcpus));
}

#endif
