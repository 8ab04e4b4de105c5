/* SPDX-License-Identifier: BSD-3-Clause */
/* Checking an image without a device. */
#include "image/result.h"
#include "image/source.h"
#include "image/watch.h"

#include "base/err.h"
#include "base/export.h"

GW_EXPORT int gw_image_verify(int fd, const struct gw_image_options *options, struct gw_image_result *result,
			      struct gw_error *e)
{
	struct image_result own = { .r.whole = 0 };
	struct image_source source = { .spool_fd = -1 };
	struct image_watch watch;
	int ret = image_watch_init(&watch, options, e);

	if (!ret)
		ret = image_source_open(&source, fd, 0, &watch, e);
	if (!ret)
		ret = image_source_check(&source, &own.r.head, &own.r.totals, NULL, NULL, e);
	own.r.whole = !ret;
	own.r.total_ns = image_watch_elapsed_ns(&watch);
	image_source_close(&source);
	image_result_give(&own, NULL, result);
	return ret;
}
