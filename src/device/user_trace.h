/* SPDX-License-Identifier: BSD-3-Clause */
/* The trace of a vfio-user connection: each call with its reply, and what the server asked. */
#ifndef DEVICE_USER_TRACE_H
#define DEVICE_USER_TRACE_H

#include "device/user_conn.h"

/* A call that has ended with ret, which was begun at began_ns. */
void user_trace_call(struct device_trace *trace, const struct user_call *call, int ret, uint64_t began_ns);

/* A command of the server, answered with an errno (positive) or as it wished (0); negative: the connection failed. */
void user_trace_command(struct device_trace *trace, const struct user_header *header, const void *payload,
			size_t payload_bytes, int ret, uint64_t began_ns);

#endif
