/* SPDX-License-Identifier: BSD-3-Clause */
/* Results handed out, errors made longer. */
#include "image/result.h"

#include "base/bits.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void image_result_give(struct image_result *result, const struct gw_device *dev, struct gw_image_result *to)
{
	uint32_t size;

	if (!to)
		return;
	size = to->size;
	result->r.size = sizeof(result->r);
	if (dev)
		result->r.state = device_state(dev);
	result->r.nr_arcs = result->arcs.nr;
	memcpy(result->r.arcs, result->arcs.arcs, sizeof(result->r.arcs));
	memcpy(to, &result->r, min_u64(size, sizeof(result->r)));
}

void image_error_add(struct gw_error *e, const char *fmt, ...)
{
	size_t used = e ? strlen(e->what) : 0;
	va_list args;

	if (!e || used + 2 >= sizeof(e->what))
		return;
	memcpy(e->what + used, "; ", 3);
	va_start(args, fmt);
	vsnprintf(e->what + used + 2, sizeof(e->what) - used - 2, fmt, args);
	va_end(args);
}
