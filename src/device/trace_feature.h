/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DEVICE_FEATURE as fields of a trace: the numbers, operations and data that the kernel's ioctl and the vfio-user
 * message have in common.
 */
#ifndef DEVICE_TRACE_FEATURE_H
#define DEVICE_TRACE_FEATURE_H

#include "device/trace_fields.h"

/* From argsz on, head and all. The reply's bytes begin with its own head, which is not believed. */
void trace_feature_request(struct trace_list *arguments, const void *bytes, size_t size_bytes);
void trace_feature_reply(struct trace_list *answers, uint32_t flags, const void *bytes, size_t size_bytes);

#endif
