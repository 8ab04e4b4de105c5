/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dirty log of memory that this process's own threads write: the public functions, the choice of a mode, and
 * the mode that needs nothing of the kernel. Owned by the VMM; calls on one log come one at a time.
 *
 * What is not seen, in any mode but "all": writes through other mappings, by other processes and by devices, and
 * pages that the VMM gives back to the kernel (madvise, fallocate). Those are the VMM's to report.
 */
#include "memory/track_process.h"

#include "base/bitmap.h"
#include "base/err.h"
#include "base/export.h"

#include <errno.h>
#include <stdlib.h>

static int probe_all(struct gw_process_log *log, struct gw_error *e)
{
	return 0;
}

static int sync_all(struct gw_process_log *log, uint32_t block, uint64_t *bitmap, struct gw_error *e)
{
	bitmap_set_range(bitmap, 0, ram_block_pages(&log->ram, block));
	return 0;
}

static void stop_all(struct gw_process_log *log)
{
}

static const struct track_ops all_ops = {
	.name = "every page, always",
	.probe = probe_all,
	.start = probe_all,
	.sync = sync_all,
	.stop = stop_all,
};

static const struct track_ops *const modes[] = {
	[GW_PROCESS_LOG_ASYNC] = &track_async_ops,
	[GW_PROCESS_LOG_SYNC] = &track_sync_ops,
	[GW_PROCESS_LOG_ALL] = &all_ops,
};

static int choose(struct gw_process_log *log, int mode, struct gw_error *e)
{
	log->ops = modes[mode];
	return log->ops->probe(log, e);
}

/* Never sync in user mode only: system calls of the VMM into guest RAM would fail. Whoever wants it asks for it. */
static int choose_best(struct gw_process_log *log, struct gw_error *e)
{
	if (!choose(log, GW_PROCESS_LOG_ASYNC, NULL))
		return 0;
	if (!choose(log, GW_PROCESS_LOG_SYNC, NULL) && log->ops != &track_sync_user_ops)
		return 0;
	return choose(log, GW_PROCESS_LOG_ALL, e);
}

int track_process_new(struct gw_process_log **log, const struct gw_ram_block *blocks, uint32_t nr_blocks, int mode,
		      uint64_t features_hidden, struct gw_error *e)
{
	struct gw_process_log *made;
	int ret;

	*log = NULL;
	if (mode < GW_PROCESS_LOG_AUTO || mode > GW_PROCESS_LOG_ALL)
		return err_set(e, -EINVAL, "ram", "dirty log: there is no mode %d", mode);
	made = calloc(1, sizeof(*made));
	if (!made)
		return err_set(e, -ENOMEM, "ram", "no memory for a dirty log");
	made->features_hidden = features_hidden;
	made->uffd.fd = -1;
	made->async.pagemap = -1;
	made->sync.stop = -1;
	pthread_mutex_init(&made->sync.lock, NULL);
	ret = ram_init(&made->ram, blocks, nr_blocks, e);
	if (!ret)
		ret = mode == GW_PROCESS_LOG_AUTO ? choose_best(made, e) : choose(made, mode, e);
	if (ret) {
		gw_process_log_free(made);
		return ret;
	}
	*log = made;
	return 0;
}

GW_EXPORT int gw_process_log_new(struct gw_process_log **log, const struct gw_ram_block *ram, uint32_t nr_ram, int mode,
				 struct gw_error *e)
{
	if (!log || !ram)
		return err_set(e, -EINVAL, "ram", "gw_process_log_new: an argument is NULL");
	return track_process_new(log, ram, nr_ram, mode, 0, e);
}

GW_EXPORT int gw_process_log_start(struct gw_process_log *log, struct gw_error *e)
{
	int ret;

	if (log->started)
		return err_set(e, -EALREADY, "ram", "the dirty log has been started already");
	ret = log->ops->start(log, e);
	if (ret)
		log->ops->stop(log);
	log->started = !ret;
	return ret;
}

GW_EXPORT int gw_process_log_sync(struct gw_process_log *log, uint32_t block, uint64_t *bitmap, struct gw_error *e)
{
	if (!log->started)
		return err_set(e, -EINVAL, "ram", "the dirty log has not been started");
	if (block >= log->ram.nr_blocks || !bitmap)
		return err_set(e, -EINVAL, "ram", "gw_process_log_sync: no RAM block %u, or no bitmap", block);
	return log->ops->sync(log, block, bitmap, e);
}

GW_EXPORT void gw_process_log_stop(struct gw_process_log *log)
{
	if (!log->started)
		return;
	log->ops->stop(log);
	log->started = false;
}

GW_EXPORT void gw_process_log_free(struct gw_process_log *log)
{
	if (!log)
		return;
	gw_process_log_stop(log);
	pthread_mutex_destroy(&log->sync.lock);
	free(log);
}

GW_EXPORT const char *gw_process_log_name(const struct gw_process_log *log)
{
	return log->ops->name;
}
