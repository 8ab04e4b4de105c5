/* SPDX-License-Identifier: BSD-3-Clause */
/* Between two trials: what one leaves behind must not reach the next. */
#ifndef TOOL_CHECK_SETTLE_H
#define TOOL_CHECK_SETTLE_H

#include <godwit/device.h>
#include <stdint.h>

/*
 * Ends a data session and brings the device to RUNNING, by SET, and where that fails by reset. 0; a -errno that says
 * that nobody answers; or -EPROTO: it does not get there, *state is where it is.
 */
int settle(struct gw_device *dev, uint32_t *state);

#endif
