/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam between the VM and what executes its guest: threads of this process that run the guest's work as C code
 * (ref/guest/threads.c), or KVM with a PC around its vCPUs (executor_kvm.c). One guest at a time, paused at first.
 *
 * Calls come one at a time unless it says otherwise. Errors are -errno with *e set; e may be NULL.
 */
#ifndef REF_VM_EXECUTOR_H
#define REF_VM_EXECUTOR_H

#include "ref/base/guest_memory.h"
#include "ref/vm/ref_vm.h"

#include <godwit/godwit.h>
#include <stdint.h>

#define GUEST_ERROR_BYTES 256

/* What is known of a guest while it runs; what an executor cannot know is 0. */
struct guest_counters {
	uint64_t errors; /* that the guest has found in its memory, devices and interrupts */
	char first_error[GUEST_ERROR_BYTES];
	uint32_t nr_vcpus;
	int running;
	uint64_t pages_written;
	uint64_t pages_checked;
	uint64_t operations;
	uint64_t stamps;
	uint64_t peer_writes;
	uint64_t timer_interrupts; /* KVM: taken by all vCPUs */
	uint64_t largest_pause_ns; /* KVM: that a timer interrupt came late, since it came here or started */
	uint32_t throttle_percent;
	uint32_t has_peers; /* its devices write to each other's memory */
};

struct executor_config {
	const struct ref_vm_options *options;
	const struct guest_memory *memory;
	struct gw_device *const *devices; /* open and mapped */
	const struct gw_device_info *infos;
	uint32_t nr_devices;
};

struct executor_ops {
	const char *name; /* "threads", "KVM" */

	/* On failure nothing is left. close: of NULL is fine; in any state. */
	int (*open)(void **ctx, const struct executor_config *config, struct gw_error *e);
	void (*close)(void *ctx);

	/* A guest that starts here. Still paused after it. */
	int (*boot)(void *ctx, struct gw_error *e);

	struct gw_vm_ops vm; /* godwit's callbacks, with this guest as their ctx; throttle comes at any time */

	/* Looks at all of the guest's memory, paused meanwhile; it runs afterwards if it ran before. */
	void (*check)(void *ctx);

	/* Any time. log_name: what tracks the vCPUs' writes, for people. */
	void (*counters)(void *ctx, struct guest_counters *counters);
	const char *(*log_name)(void *ctx);

	/* The guest's driver of a device and what it has found, for people. "" where there is none. */
	const char *(*driver)(void *ctx, uint32_t device, uint64_t *peer_writes);

	/* The guest cannot run any more (a vCPU has failed): -errno with the reason; else 0. Any time. */
	int (*failure)(void *ctx, struct gw_error *e);

	/* Makes the guest, or what executes it, fail on purpose: ref_vm_faults. NULL: none of them. */
	int (*fault)(void *ctx, const char *kind, struct gw_error *e);
};

extern const struct executor_ops executor_threads;

/* Where there is no KVM to build for, its open says so. */
extern const struct executor_ops executor_kvm;

/*
 * Whether KVM can execute a guest here at a speed that serves: 0, or -errno and the reason. -EAGAIN: it can, but it
 * emulates, and is too slow to be chosen unasked (about a million instructions a second instead of a billion).
 */
int executor_kvm_usable(struct gw_error *e);

#endif
