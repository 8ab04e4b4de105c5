/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference VM as a program part: RAM, vCPUs that check themselves, devices by URI, and a control socket,
 * built around libgodwit as a VMM's author would. Everything else in this folder is behind these names. It
 * prints nothing and installs no signal handler; the caller owns the options and stop_fd.
 */
#ifndef REF_VM_H
#define REF_VM_H

#include <godwit/godwit.h>
#include <stdint.h>

#define REF_VM_MIN_MEMORY_BYTES    (16ull << 20)
#define REF_VM_MAX_VCPUS           64
#define REF_VM_DIRTY_BYTES_PER_S   200000000ull
#define REF_VM_DEVICE_WINDOW_BYTES 0 /* the library's default */

/* How much of guest RAM holds data that cannot be compressed when a guest starts; the rest is zero. */
enum ref_vm_fill {
	REF_VM_FILL_HALF,
	REF_VM_FILL_ALL,  /* but what the drivers use */
	REF_VM_FILL_NONE, /* a few MiB, which the vCPUs work on */
	REF_VM_NR_FILLS,
};

extern const char *const ref_vm_fill_names[]; /* by enum ref_vm_fill; ended by NULL */

/* What executes the guest. AUTO: KVM where it can, and threads of this process elsewhere (executor_kvm_usable). */
enum ref_vm_cpu { REF_VM_CPU_AUTO, REF_VM_CPU_KVM, REF_VM_CPU_THREAD };

extern const char *const ref_vm_cpu_names[]; /* by enum ref_vm_cpu; ended by NULL */

/* How the writes of the vCPUs are tracked. */
enum ref_vm_log {
	REF_VM_LOG_AUTO,
	REF_VM_LOG_ASYNC, /* threads: GW_PROCESS_LOG_* */
	REF_VM_LOG_SYNC,
	REF_VM_LOG_ALL,
	REF_VM_LOG_BITMAP, /* KVM: GW_KVM_LOG_* */
	REF_VM_LOG_RING,
};

extern const char *const ref_vm_log_names[]; /* by enum ref_vm_log; ended by NULL */

/* What to do when a migration does not converge, as a user says it. */
extern const char *const ref_vm_no_converge_names[]; /* by enum gw_no_converge; ended by NULL */

/* What there is to say when a VM is ready. */
struct ref_vm_news {
	const char *incoming_uri; /* NULL: the guest runs */
	const char *executor;     /* "threads", "KVM" */
	const char *why;          /* it is not KVM though it was left open; NULL: nothing to say */
};

struct ref_vm_options {
	const char *name;      /* of the VM; default "godwit" */
	uint64_t memory_bytes; /* a multiple of 1 MiB; default 256 MiB */
	uint32_t nr_vcpus;     /* default 2 */
	uint32_t nr_devices;
	uint64_t dirty_bytes_per_s;              /* all vCPUs together; 0: as fast as they can */
	uint64_t seed;                           /* of everything the guest writes; a guest that comes brings its own */
	enum ref_vm_fill fill;                   /* a guest that comes brings its own; default half */
	uint64_t device_window_bytes;            /* gw_limits.device_window_bytes of an incoming migration */
	const char *device_uris[GW_MAX_DEVICES]; /* get the ids dev0, dev1, ... */
	const struct gw_trace *trace;            /* of what is said to them, by any thread; NULL: none */
	const char *incoming_uri;                /* NULL: a guest starts here; else one is awaited */
	const char *arbiter_uri;                 /* of an incoming migration; NULL: none */
	const char *control_path;                /* NULL: no control socket */
	enum ref_vm_log log;
	int p2p; /* devices write to each other's memory all the time */
	enum ref_vm_cpu cpu;

	/* KVM. Without a kernel its guest is the bare one (ref/guest/bare). */
	const char *kernel_path; /* a bzImage; at the destination too: it says what kind of guest comes */
	const char *initrd_path; /* NULL: none */
	const char *append;      /* the kernel's command line; NULL: "console=ttyS0" and what goes with it */
	int console_fd;          /* what the guest says goes there; -1: nowhere */
	const char *lack; /* of this host, as if it were so: "msr:0xNUMBER", "cpuid:LEAF", "slot"; NULL: nothing */

	/* May be NULL. Called once, when the guest runs (uri NULL) or the VM listens for one. */
	void (*ready)(void *ctx, const struct ref_vm_news *news);
	void *ready_ctx;
};

void ref_vm_options_init(struct ref_vm_options *options);

/*
 * Runs until "quit" on the control socket or stop_fd (-1: none) is readable: 0. Without a control socket a failed
 * incoming migration ends it too: -errno, as any failure to start. *e holds the sentence.
 */
int ref_vm_run(const struct ref_vm_options *options, int stop_fd, struct gw_error *e);

#endif
