/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VM as godwit sees it: RAM blocks, devices, and a few callbacks. The VMM owns all of it and keeps it
 * alive and unmoved for as long as a source or a destination uses it. Callbacks are called from godwit's
 * threads, never two at once for one VM.
 */
#ifndef GODWIT_VM_H
#define GODWIT_VM_H

#include <godwit/device.h>
#include <godwit/error.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GW_NAME_BYTES     64
#define GW_MAX_DEVICES    32
#define GW_MAX_RAM_BLOCKS 64
#define GW_PAGE_BYTES     4096u /* godwit's unit of RAM, on every host */

#define GW_MAX_NEEDS_BYTES 16384 /* of gw_vm_ops.needs */

struct gw_blocker; /* <godwit/report.h> */

/* hva is page aligned, mapped shared or private, readable and writable; gpa and size are multiples of a page. */
struct gw_ram_block {
	char id[GW_NAME_BYTES]; /* both sides must use the same */
	uint64_t gpa;
	uint64_t size_bytes;
	void *hva;
};

/* In all of them e may be NULL; gw_error_set fills it. */
struct gw_vm_ops {
	uint32_t size; /* sizeof(struct gw_vm_ops) of the caller */

	/*
	 * Stops every vCPU, and whatever else of the VMM writes to guest RAM: when it returns 0 only the devices of
	 * the list still may, and nothing else will before resume. Paused already: 0.
	 */
	int (*pause)(void *ctx, struct gw_error *e);
	/*
	 * Lets them run; called also after a pause that failed. On a destination this is the first time, devices are
	 * RUNNING when it is called, and a failure must mean that no vCPU has run: the guest may then go back to the
	 * source.
	 */
	int (*resume)(void *ctx, struct gw_error *e);

	/*
	 * The vCPUs' dirty log. sync ORs a bit for each page of the block written since the last sync (or since
	 * start) into bitmap, bit 0 for the block's first page, and begins a new interval. A page counts as
	 * written from the moment the log was re-armed: read it after sync returns, and nothing is lost. A start that
	 * failed gets no stop. Devices' logs are read by the same addresses: a DMA map of guest RAM has its gpa for
	 * iova.
	 */
	int (*dirty_start)(void *ctx, struct gw_error *e);
	int (*dirty_sync)(void *ctx, uint32_t block, uint64_t *bitmap, struct gw_error *e);
	void (*dirty_stop)(void *ctx);

	/*
	 * The VMM's own opaque state: vCPUs, interrupt controllers, whatever is not RAM and not a device of the
	 * list. Called with the guest paused and the devices stopped. save returns the bytes it needs; if more
	 * than size_bytes nothing was written and it is called again; 16 MiB are the most. load gets the same bytes at
	 * the other side, after all RAM and device state.
	 */
	ssize_t (*state_save)(void *ctx, void *buf, size_t size_bytes, struct gw_error *e);
	int (*state_load)(void *ctx, const void *buf, size_t size_bytes, struct gw_error *e);

	/*
	 * 0 to 99: the share of time in which the vCPUs must not run, until the next call; 0: full speed. It slows a
	 * guest that writes faster than its writes can be sent. NULL: this VM cannot be throttled.
	 */
	int (*throttle)(void *ctx, uint32_t percent, struct gw_error *e);

	/*
	 * What the guest needs of a host beside RAM and devices: CPU features, MSRs, a size of FPU state. needs, at the
	 * source, describes it in the VMM's own bytes, GW_MAX_NEEDS_BYTES at most, and returns how many they are; a
	 * failure, or more, ends the migration. It is called once, before the source connects. lacks, at the
	 * destination, is given these bytes (they came over a network) and says what this host lacks of it: it returns
	 * how many things, of which it fills the first max_blockers (where, what; the code is godwit's), or -errno if
	 * it cannot tell. Either refuses the migration, as "host-lacks", before anything was sent. It is called for
	 * each source that comes, with 0 bytes if that one told nothing. Both are called while the guest runs, in a dry
	 * run too. NULL: nothing is needed; nothing is compared.
	 */
	ssize_t (*needs)(void *ctx, void *buf, size_t size_bytes, struct gw_error *e);
	int (*lacks)(void *ctx, const void *needs, size_t size_bytes, struct gw_blocker *blockers,
		     uint32_t max_blockers);
};

struct gw_vm {
	uint32_t size; /* sizeof(struct gw_vm) of the caller */
	const char *name;
	const struct gw_vm_ops *ops;
	void *ctx;
	const struct gw_ram_block *ram;
	uint32_t nr_ram;
	struct gw_device *const *devices;
	uint32_t nr_devices;
};

/*
 * A dirty log for guest RAM that the VMM's own threads write (vCPUs that are not KVM's): userfaultfd
 * write-protection. Modes, best first: "async" (UFFD_FEATURE_WP_ASYNC with PAGEMAP_SCAN, Linux 6.7), "sync" (a
 * thread resolves the faults, Linux 5.19 for shared memory), "all" (nothing to track with: every page counts as
 * written at every sync; right, and slow to converge). It sees only writes through this process's mappings.
 */
struct gw_process_log;

#define GW_PROCESS_LOG_AUTO  0
#define GW_PROCESS_LOG_ASYNC 1
#define GW_PROCESS_LOG_SYNC  2
#define GW_PROCESS_LOG_ALL   3

int gw_process_log_new(struct gw_process_log **log, const struct gw_ram_block *ram, uint32_t nr_ram, int mode,
		       struct gw_error *e);
int gw_process_log_start(struct gw_process_log *log, struct gw_error *e);
int gw_process_log_sync(struct gw_process_log *log, uint32_t block, uint64_t *bitmap, struct gw_error *e);
void gw_process_log_stop(struct gw_process_log *log);
void gw_process_log_free(struct gw_process_log *log); /* NULL is fine */
/* "userfaultfd (async)" and the like: what is in use, for people. */
const char *gw_process_log_name(const struct gw_process_log *log);

#ifdef __cplusplus
}
#endif
#endif
