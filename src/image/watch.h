/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who watches a save or a load: what the caller's progress function is told, and its wish to stop. Lives as long as
 * the call, in its thread.
 */
#ifndef IMAGE_WATCH_H
#define IMAGE_WATCH_H

#include <godwit/image.h>

struct image_watch {
	struct gw_image_options options; /* all of it, what the caller's did not reach is 0 */
	struct gw_image_progress progress;
	uint64_t began_ns;
	int stopped; /* 0, or -ECANCELED for good */
};

/* -EINVAL: flags that there are not, or a size of nothing. */
int image_watch_init(struct image_watch *watch, const struct gw_image_options *options, struct gw_error *e);

uint64_t image_watch_elapsed_ns(const struct image_watch *watch);

/* Tells how far it is; the tick of an image_io, too. 0, or -ECANCELED once the caller has asked to stop. */
int image_watch_tick(void *watch);

#endif
