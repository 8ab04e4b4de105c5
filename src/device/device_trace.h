/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the trace of one device goes: one call at a time, from any thread. A device that is not traced has none of
 * these, a NULL, which is all that a call then costs.
 */
#ifndef DEVICE_DEVICE_TRACE_H
#define DEVICE_DEVICE_TRACE_H

#include "device/trace_fields.h"

struct device_trace;

/* One call that is being recorded, its text with it. */
struct trace_record {
	struct gw_trace_call call;
	struct trace_room room;
	char text[GW_TRACE_ROOM_BYTES];
};

/* *trace is NULL if `to` is. 0 or -ENOMEM. */
int device_trace_new(struct device_trace **trace, const struct gw_trace *to, const char *device);
void device_trace_free(struct device_trace *trace);

/* kind and name must outlive the record. The time is that between start and end, with which the result is known. */
void device_trace_begin(struct trace_record *record, const char *kind, const char *name);
void device_trace_start(struct trace_record *record);
void device_trace_end(struct trace_record *record, int64_t result);
void device_trace_report(struct device_trace *trace, struct trace_record *record);

#endif
