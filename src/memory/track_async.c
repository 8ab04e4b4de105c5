/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dirty log "userfaultfd (async)": the kernel itself lifts the protection of a page that is written
 * (UFFD_FEATURE_WP_ASYNC), and PAGEMAP_SCAN reports the pages that have none and protects them again
 * (Documentation/admin-guide/mm/pagemap.rst).
 *
 * No write is lost: report and protection of a page are one step under its page-table lock, and the ioctl flushes
 * the processors' translations before it returns. A write before that is in the page when the caller reads it
 * after the sync; a write after it faults, lifts the protection, and is reported by the next sync.
 */
#include "base/bitmap.h"
#include "base/err.h"
#include "base/fd.h"
#include "memory/track_process.h"
#include "memory/uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define NR_REGIONS 1024u

/* Protected shared memory, and memory that is not there yet: a page that is first made by a write counts. */
#define FEATURES (UFFD_FEATURE_WP_ASYNC | UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_WP_UNPOPULATED)

static int arm(struct gw_process_log *log,
	       int (*enlist)(const struct uffd *uffd, const struct ram *ram, struct gw_error *e), struct gw_error *e)
{
	int ret;

	if (log->features_hidden & FEATURES)
		return err_set(e, -EOPNOTSUPP, "ram", "a feature that this needs is not to be used");
	ret = uffd_open(&log->uffd, FEATURES, 0, e);
	if (!ret)
		ret = enlist(&log->uffd, &log->ram, e);
	if (ret)
		return ret;
	log->async.pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (log->async.pagemap < 0)
		return err_set(e, -errno, "ram", "/proc/self/pagemap cannot be opened: %s", strerror(errno));
	log->async.regions = calloc(NR_REGIONS, sizeof(*log->async.regions));
	return log->async.regions ? 0 : err_set(e, -ENOMEM, "ram", "no memory for the dirty log");
}

static void stop(struct gw_process_log *log)
{
	uffd_close(&log->uffd);
	fd_close(&log->async.pagemap);
	free(log->async.regions);
	log->async.regions = NULL;
}

/* One answer: how many regions, or -errno. *at goes on to where the scan has come. */
static int scan(struct gw_process_log *log, uint64_t flags, uint64_t *at, uint64_t end)
{
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.flags = flags | PM_SCAN_CHECK_WPASYNC,
		.start = *at,
		.end = end,
		.vec = (uintptr_t)log->async.regions,
		.vec_len = NR_REGIONS,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN,
	};
	int nr = ioctl(log->async.pagemap, PAGEMAP_SCAN, &arg);

	if (nr < 0)
		return -errno;
	if (arg.walk_end <= *at || arg.walk_end > end)
		return -EIO;
	*at = arg.walk_end;
	return nr;
}

static int probe(struct gw_process_log *log, struct gw_error *e)
{
	uint64_t at = (uintptr_t)log->ram.blocks[0].hva;
	int ret = arm(log, uffd_register_some, e);

	if (!ret) {
		ret = scan(log, 0, &at, at + min_u64(log->ram.blocks[0].size_bytes, LIMIT_CHUNK_BYTES));
		if (ret < 0)
			err_set(e, ret, "ram", "PAGEMAP_SCAN does not work here: %s", strerror(-ret));
	}
	stop(log);
	return ret < 0 ? ret : 0;
}

static int start(struct gw_process_log *log, struct gw_error *e)
{
	int ret = arm(log, uffd_register, e);

	return ret ? ret : uffd_protect_all(&log->uffd, &log->ram, e);
}

static int take(struct gw_process_log *log, uint32_t block, uint64_t *bitmap, struct gw_error *e)
{
	uint64_t first = (uintptr_t)log->ram.blocks[block].hva, at = first;
	uint64_t end = first + log->ram.blocks[block].size_bytes;

	while (at < end) {
		int nr = scan(log, PM_SCAN_WP_MATCHING, &at, end);

		if (nr < 0)
			return err_set(e, nr, "ram", "PAGEMAP_SCAN of RAM block %s failed: %s",
				       log->ram.blocks[block].id, strerror(-nr));
		for (int i = 0; i < nr; i++) {
			const struct page_region *region = &log->async.regions[i];

			bitmap_set_range(bitmap, (region->start - first) / GW_PAGE_BYTES,
					 (region->end - region->start) / GW_PAGE_BYTES);
		}
	}
	return 0;
}

const struct track_ops track_async_ops = {
	.name = "userfaultfd (async)",
	.probe = probe,
	.start = start,
	.sync = take,
	.stop = stop,
};
