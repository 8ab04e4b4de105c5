/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the trace of one device goes: see device_trace.h. */
#include "device/device_trace.h"

#include "base/bits.h"
#include "base/clock.h"

#include <errno.h>
#include <godwit/device.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct device_trace {
	struct gw_trace to; /* a copy */
	char device[GW_DEVICE_ID_BYTES];
	pthread_mutex_t lock; /* one call at a time */
};

int device_trace_new(struct device_trace **trace, const struct gw_trace *to, const char *device)
{
	*trace = NULL;
	if (!to || to->size < sizeof(*to) || !to->call)
		return 0;
	*trace = calloc(1, sizeof(**trace));
	if (!*trace)
		return -ENOMEM;
	(*trace)->to = *to;
	snprintf((*trace)->device, sizeof((*trace)->device), "%s", device);
	pthread_mutex_init(&(*trace)->lock, NULL);
	return 0;
}

void device_trace_free(struct device_trace *trace)
{
	if (!trace)
		return;
	pthread_mutex_destroy(&trace->lock);
	free(trace);
}

void device_trace_begin(struct trace_record *record, const char *kind, const char *name)
{
	record->call = (struct gw_trace_call){ .size = sizeof(record->call), .kind = kind, .name = name };
	record->room = (struct trace_room){ .at = record->text, .left = sizeof(record->text) };
}

void device_trace_start(struct trace_record *record)
{
	record->call.began_ns = clock_now_ns(&clock_monotonic);
}

void device_trace_end(struct trace_record *record, int64_t result)
{
	record->call.took_ns = clock_now_ns(&clock_monotonic) - record->call.began_ns;
	record->call.result = result > INT32_MAX ? INT32_MAX : (int32_t)result;
}

void device_trace_report(struct device_trace *trace, struct trace_record *record)
{
	record->call.device = trace->device;
	pthread_mutex_lock(&trace->lock);
	trace->to.call(trace->to.ctx, &record->call);
	pthread_mutex_unlock(&trace->lock);
}
