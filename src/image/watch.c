/* SPDX-License-Identifier: BSD-3-Clause */
/* Progress told, and the wish to stop kept: once asked for it stays. */
#include "image/watch.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <string.h>

#define FLAGS (GW_IMAGE_PRECOPY | GW_IMAGE_FORCE | GW_IMAGE_STAY)

int image_watch_init(struct image_watch *watch, const struct gw_image_options *options, struct gw_error *e)
{
	*watch = (struct image_watch){ .began_ns = clock_now_ns(&clock_monotonic) };
	watch->progress.size = sizeof(watch->progress);
	if (!options)
		return 0;
	memcpy(&watch->options, options, min_u64(sizeof(watch->options), options->size));
	if (options->size < sizeof(options->size) + sizeof(options->flags) || watch->options.flags & ~FLAGS)
		return err_set(e, -EINVAL, "image", "the options have no size, or a flag that is not known");
	return 0;
}

uint64_t image_watch_elapsed_ns(const struct image_watch *watch)
{
	return clock_now_ns(&clock_monotonic) - watch->began_ns;
}

int image_watch_tick(void *ctx)
{
	struct image_watch *watch = ctx;

	if (!watch->options.progress || watch->stopped)
		return watch->stopped;
	watch->progress.elapsed_ns = image_watch_elapsed_ns(watch);
	if (watch->options.progress(watch->options.ctx, &watch->progress))
		watch->stopped = -ECANCELED;
	return watch->stopped;
}
