/* SPDX-License-Identifier: BSD-3-Clause */
/* How the suite comes by a device, at first and again: the command opens by URI, a test makes one of its own. */
#ifndef TOOL_CHECK_OPENER_H
#define TOOL_CHECK_OPENER_H

#include <godwit/device.h>

struct opener {
	/* flags: GW_OPEN_AS_FOUND or 0, beside what the user asked for. 0 or -errno. */
	int (*open)(void *ctx, struct gw_device **dev, uint32_t flags, struct gw_error *e);
	void *ctx;
};

#endif
