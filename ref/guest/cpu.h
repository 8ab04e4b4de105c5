/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam between the guest and what executes it. Today its vCPUs are threads that run a workload
 * (cpu_thread.c); vCPUs of KVM are another table. Calls come one at a time, except throttle and counters.
 */
#ifndef REF_GUEST_CPU_H
#define REF_GUEST_CPU_H

#include "ref/base/blob.h"
#include "ref/guest/integrity.h"
#include "ref/vm/ref_vm.h"

#include <godwit/error.h>
#include <stdint.h>

struct cpu_config {
	uint32_t nr;
	uint8_t *ram;
	uint64_t nr_pages;
	uint64_t nr_reserved_pages; /* at the start of RAM: not the vCPUs' */
	uint64_t seed;
	uint64_t dirty_bytes_per_s; /* all together; 0: as fast as they can */
	enum ref_vm_fill fill;
	struct integrity *integrity;

	/*
	 * Called on each vCPU while it executes, every so often: interrupts are looked at, drivers run. turn counts
	 * 0 .. nr_turns - 1, over and over: one that asks for a pause waits for one turn, not for all.
	 */
	void (*tick)(void *ctx, uint32_t cpu, uint32_t turn, uint64_t now_ns);
	uint32_t nr_turns; /* 0: as 1 */
	void *tick_ctx;
};

struct cpu_counters {
	uint64_t pages_written;
	uint64_t pages_checked;
};

struct cpu_ops {
	const char *name;

	/* Creates the vCPUs, paused. */
	int (*start)(void **ctx, const struct cpu_config *config, struct gw_error *e);
	/* Ends them in any state; NULL is fine. */
	void (*stop)(void *ctx);

	/* A guest that starts here: fills what it works on. Paused only. */
	void (*boot)(void *ctx);
	/* When it returns none executes, and none will before resume. */
	void (*pause)(void *ctx);
	void (*resume)(void *ctx);
	/* The share of time in which they do not execute, 0 to 99. */
	void (*throttle)(void *ctx, uint32_t percent);

	/* Paused only. load: 0, or -EBADMSG with *e set. */
	void (*check)(void *ctx);
	void (*save)(void *ctx, struct blob_out *out);
	int (*load)(void *ctx, struct blob_in *in, struct gw_error *e);

	void (*counters)(void *ctx, struct cpu_counters *counters);
};

extern const struct cpu_ops cpu_thread_ops;

#endif
