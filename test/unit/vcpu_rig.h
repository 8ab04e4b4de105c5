/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM of KVM's with two vCPUs, interrupt controllers and a timer, its facts, and a vCPU's state as bytes. */
#ifndef TEST_VCPU_RIG_H
#define TEST_VCPU_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "ref/kvm/host_facts.h"
#include "ref/kvm/vcpu_state.h"

#define NR_VCPUS    2
#define STATE_BYTES (1u << 16)

struct vcpu_rig {
	struct kvm_vm vm;
	int fds[NR_VCPUS];
	struct ref_vm_options options;
	struct host_facts *facts;
};

static inline void skip_because(const char *why)
{
	print_message("SKIP: %s\n", why);
	skip();
}

/* With what went wrong, if it did. */
static inline void assert_fine(int ret, const struct gw_error *e)
{
	if (ret)
		print_message("%s: %s\n", e->where, e->what);
	assert_int_equal(ret, 0);
}

static inline void open_vm(struct vcpu_rig *rig)
{
	struct kvm_pit_config pit = { 0 };

	*rig = (struct vcpu_rig){ .vm = KVM_VM_CLOSED };
	rig->vm.kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (rig->vm.kvm_fd < 0)
		skip_because("there is no /dev/kvm to be used here");
	rig->vm.vm_fd = ioctl(rig->vm.kvm_fd, KVM_CREATE_VM, 0);
	if (rig->vm.vm_fd < 0) {
		close(rig->vm.kvm_fd);
		skip_because("KVM makes no VM here");
	}
	assert_int_equal(ioctl(rig->vm.vm_fd, KVM_SET_TSS_ADDR, 0xfffbd000), 0);
	assert_int_equal(ioctl(rig->vm.vm_fd, KVM_CREATE_IRQCHIP, 0), 0);
	assert_int_equal(ioctl(rig->vm.vm_fd, KVM_CREATE_PIT2, &pit), 0);
	for (int i = 0; i < NR_VCPUS; i++) {
		rig->fds[i] = ioctl(rig->vm.vm_fd, KVM_CREATE_VCPU, i);
		assert_true(rig->fds[i] >= 0);
	}
}

/* With facts of what the host has; lack: as ref_vm_options has it. */
static inline void open_rig(struct vcpu_rig *rig, const char *lack)
{
	struct gw_error e = GW_ERROR_NONE;
	int ret;

	open_vm(rig);
	rig->options.lack = lack;
	ret = host_facts_open(&rig->facts, &rig->vm, rig->fds, NR_VCPUS, &rig->options, &e);
	if (ret == -EOPNOTSUPP)
		skip_because(e.what);
	assert_fine(ret, &e);
}

static inline void close_rig(struct vcpu_rig *rig)
{
	host_facts_close(rig->facts);
	for (int i = 0; i < NR_VCPUS; i++)
		close(rig->fds[i]);
	close(rig->vm.vm_fd);
	close(rig->vm.kvm_fd);
}

struct bytes {
	uint8_t at[STATE_BYTES];
	size_t size_bytes;
};

static inline struct blob_in reader(const struct bytes *bytes)
{
	return (struct blob_in){ .at = bytes->at, .left_bytes = bytes->size_bytes };
}

static inline void vcpu_bytes(const struct vcpu_rig *rig, int vcpu, struct bytes *bytes)
{
	struct blob_out out = { .buf = bytes->at, .size_bytes = sizeof(bytes->at) };
	struct vcpu_state *state = vcpu_state_new();
	struct gw_error e = GW_ERROR_NONE;

	assert_non_null(state);
	assert_fine(vcpu_state_read(state, rig->fds[vcpu], host_facts_msrs(rig->facts), (uint32_t)vcpu, &e), &e);
	vcpu_state_encode(state, &out);
	assert_true(out.used_bytes <= sizeof(bytes->at));
	bytes->size_bytes = out.used_bytes;
	vcpu_state_free(state);
}

static inline int load_vcpu(const struct vcpu_rig *rig, int vcpu, const struct bytes *bytes, struct gw_error *e)
{
	struct vcpu_state *state = vcpu_state_new();
	struct blob_in in = reader(bytes);
	int ret;

	assert_non_null(state);
	ret = vcpu_state_decode(state, &in);
	if (!ret && !blob_ended(&in))
		ret = -EBADMSG;
	if (!ret)
		ret = vcpu_state_write(state, rig->fds[vcpu], (uint32_t)vcpu, e);
	vcpu_state_free(state);
	return ret;
}

static inline void set_msr(int vcpu_fd, uint32_t index, uint64_t value)
{
	struct kvm_msr_entry entry = { .index = index, .data = value };

	assert_int_equal(msr_io(vcpu_fd, KVM_SET_MSRS, &entry, 1), 1);
}

static inline uint64_t get_msr(int vcpu_fd, uint32_t index)
{
	struct kvm_msr_entry entry = { .index = index };

	assert_int_equal(msr_io(vcpu_fd, KVM_GET_MSRS, &entry, 1), 1);
	return entry.data;
}

#endif
