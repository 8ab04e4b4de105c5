/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the modes of the process's dirty log (gw_process_log_*, include/godwit/vm.h) have in common. A mode is a row
 * of functions; its state is in the log. Calls on one log come one at a time.
 */
#ifndef MEMORY_TRACK_PROCESS_H
#define MEMORY_TRACK_PROCESS_H

#include "memory/ram.h"
#include "memory/uffd.h"

#include <pthread.h>

struct page_region;

struct track_async {
	int pagemap;                 /* /proc/self/pagemap */
	struct page_region *regions; /* what one scan can answer */
};

struct track_sync {
	pthread_mutex_t lock; /* of written and error, and of protection: see track_sync.c */
	pthread_t thread;
	int stop; /* an eventfd: the thread ends; -1: there is no thread */
	uint64_t *written[GW_MAX_RAM_BLOCKS];
	uint64_t page_bytes[GW_MAX_RAM_BLOCKS]; /* what can be protected by itself: hugetlbfs has large pages only */
	int error; /* -errno: a fault could not be resolved as it should, the log is not whole */
};

struct gw_process_log {
	struct ram ram;
	const struct track_ops *ops;
	bool started;
	uint64_t features_hidden; /* UFFD_FEATURE_* to do without, for tests of what older kernels do */
	struct uffd uffd;         /* open while started */
	struct track_async async;
	struct track_sync sync;
};

struct track_ops {
	const char *name;
	/* Would start work here? Leaves nothing behind. */
	int (*probe)(struct gw_process_log *log, struct gw_error *e);
	int (*start)(struct gw_process_log *log, struct gw_error *e); /* stop is due also if it fails */
	int (*sync)(struct gw_process_log *log, uint32_t block, uint64_t *bitmap, struct gw_error *e);
	void (*stop)(struct gw_process_log *log);
};

extern const struct track_ops track_async_ops;
extern const struct track_ops track_sync_ops;
extern const struct track_ops track_sync_user_ops; /* the same, named for what it cannot do */

/* gw_process_log_new, doing without features_hidden. */
int track_process_new(struct gw_process_log **log, const struct gw_ram_block *blocks, uint32_t nr_blocks, int mode,
		      uint64_t features_hidden, struct gw_error *e);

#endif
