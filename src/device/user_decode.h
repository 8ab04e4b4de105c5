/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfio-user messages as fields of a trace, by tables. The bytes are a peer's: any length, any content. Pure functions,
 * any thread.
 */
#ifndef DEVICE_USER_DECODE_H
#define DEVICE_USER_DECODE_H

#include "device/trace_fields.h"

/*
 * As gw_trace_decode; of a message its first bytes will do: what they do not reach is left out. A request that is
 * none, or none of this reply, counts as NULL.
 */
int user_decode(const void *message, size_t size_bytes, const void *request, size_t request_bytes,
		struct gw_trace_call *call, struct trace_room *room);

#endif
