/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How fast KVM is here. A CPU that virtualises executes a guest's loop as fast as its own; a KVM that emulates takes a
 * thousand times as long for it. Time is the CPU's that this process used: a busy machine makes nothing slow.
 */
#include "ref/base/vm_thread.h"
#include "ref/kvm/vcpu.h"
#include "ref/vm/executor.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define ENOUGH_PER_S 50000000ull
#define TRY_CPU_NS   (5 * NS_PER_MS)
#define TRY_MAX_NS   NS_PER_S /* a machine so busy that the vCPU does not get its share */
#define TRY_BYTES    (64u << 10)
#define CODE_GPA     0x1000u

static uint64_t cpu_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* 32 bits, flat, no paging: every CPU's KVM executes that itself. */
static int put_loop(int vcpu_fd, uint8_t *code)
{
	static const uint8_t loop[] = { 0x40, 0xeb, 0xfd }; /* inc eax; jmp to it */
	struct kvm_segment flat = { .limit = ~0u, .selector = 8, .present = 1, .db = 1, .s = 1, .g = 1, .type = 3 };
	struct kvm_regs regs = { .rip = CODE_GPA, .rflags = 2 };
	struct kvm_sregs sregs;

	memcpy(code, loop, sizeof(loop));
	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = flat;
	flat.type = 11;
	sregs.cs = flat;
	sregs.cr0 |= 1;
	return ioctl(vcpu_fd, KVM_SET_SREGS, &sregs) || ioctl(vcpu_fd, KVM_SET_REGS, &regs) ? -errno : 0;
}

static int run_loop(struct vcpus *vcpus, uint64_t *per_s, struct gw_error *e)
{
	const struct timespec tick = { .tv_nsec = NS_PER_MS };
	uint64_t cpu_ns = cpu_now_ns(), deadline_ns = vm_thread_now_ns() + TRY_MAX_NS;
	struct kvm_regs regs;
	int ret = vcpus_resume(vcpus, e);

	while (!ret && cpu_now_ns() - cpu_ns < TRY_CPU_NS && vm_thread_now_ns() < deadline_ns)
		nanosleep(&tick, NULL);
	if (!ret)
		ret = vcpus_pause(vcpus, e);
	if (ret)
		return ret;
	if (ioctl(vcpus_fds(vcpus)[0], KVM_GET_REGS, &regs))
		return gw_error_set(e, -errno, "vCPUs", "KVM does not tell registers: %s", strerror(errno));
	*per_s = 2 * regs.rax * NS_PER_S / (cpu_now_ns() - cpu_ns + 1);
	return 0;
}

static int try_vcpu(struct kvm_vm *vm, uint8_t *ram, uint64_t *per_s, struct gw_error *e)
{
	struct vcpus_config config = { .vm = vm, .nr = 1 }; /* its loop accesses nothing */
	struct vcpus *vcpus;
	int ret = vcpus_open(&vcpus, &config, e);

	if (ret)
		return ret;
	ret = put_loop(vcpus_fds(vcpus)[0], ram + CODE_GPA);
	if (ret)
		gw_error_set(e, ret, "vCPUs", "KVM does not take registers: %s", strerror(-ret));
	else
		ret = run_loop(vcpus, per_s, e);
	vcpus_close(vcpus);
	return ret;
}

int executor_kvm_usable(struct gw_error *e)
{
	const struct ref_vm_options options = { .log = REF_VM_LOG_AUTO };
	struct guest_memory memory;
	struct kvm_vm vm;
	uint64_t per_s = 0;
	int ret = guest_memory_open(&memory, TRY_BYTES, e);

	if (ret)
		return ret;
	ret = kvm_vm_open(&vm, &memory, &options, e);
	if (!ret) {
		ret = try_vcpu(&vm, memory.hva, &per_s, e);
		kvm_vm_close(&vm);
	}
	guest_memory_close(&memory);
	if (!ret && per_s < ENOUGH_PER_S)
		return gw_error_set(e, -EAGAIN, "vCPUs",
				    "/dev/kvm here only emulates: %.1f million instructions a second",
				    (double)per_s / 1e6);
	return ret;
}
