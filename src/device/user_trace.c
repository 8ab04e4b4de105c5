/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The trace of a vfio-user connection: what a call holds in several buffers is put together as the message that it is
 * on the wire, as far as it tells anything, so that there is one decoder for this and for who reads sockets.
 */
#include "device/user_trace.h"

#include "base/bits.h"
#include "base/clock.h"
#include "device/device_trace.h"
#include "device/user_decode.h"

#include <string.h>

/* The first bytes of a message: a dirty report is counted up to here. */
#define KEPT_BYTES 4096u

struct kept {
	size_t used;
	uint8_t bytes[KEPT_BYTES];
};

static void keep(struct kept *kept, const void *bytes, size_t size_bytes)
{
	size_t n = min_u64(size_bytes, KEPT_BYTES - kept->used);

	if (n)
		memcpy(kept->bytes + kept->used, bytes, n);
	kept->used += n;
}

static void keep_header(struct kept *kept, const struct user_header *header)
{
	user_header_encode(kept->bytes, header);
	kept->used = USER_HEADER_BYTES;
}

static void keep_request(struct kept *kept, const struct user_call *call)
{
	struct user_header header = {
		.command = call->command,
		.msg_size = (uint32_t)(USER_HEADER_BYTES + call->request_bytes + call->payload_bytes),
	};

	keep_header(kept, &header);
	keep(kept, call->request, call->request_bytes);
	keep(kept, call->payload, call->payload_bytes);
}

static void keep_reply(struct kept *kept, const struct user_call *call)
{
	size_t head_bytes = min_u64(call->reply_bytes, call->reply_size);
	struct user_header header = {
		.command = call->command,
		.msg_size = (uint32_t)(USER_HEADER_BYTES + call->reply_bytes),
		.flags = USER_TYPE_REPLY | (call->refused ? USER_ERROR : 0),
		.error = (uint32_t)-call->refused,
	};

	keep_header(kept, &header);
	keep(kept, call->reply, head_bytes);
	keep(kept, call->data, call->reply_bytes - head_bytes);
}

static void add_fds(struct trace_list list, unsigned nr_fds)
{
	if (nr_fds)
		trace_add_number(&list, "fds", GW_TRACE_NUMBER, nr_fds);
}

static void report(struct device_trace *trace, struct trace_record *record, uint64_t began_ns)
{
	record->call.began_ns = began_ns;
	record->call.took_ns = clock_now_ns(&clock_monotonic) - began_ns;
	device_trace_report(trace, record);
}

void user_trace_call(struct device_trace *trace, const struct user_call *call, int ret, uint64_t began_ns)
{
	struct trace_record record;
	struct kept request, reply;

	device_trace_begin(&record, "message", "");
	keep_request(&request, call);
	if (!ret || call->refused) {
		keep_reply(&reply, call);
		user_decode(reply.bytes, reply.used, request.bytes, request.used, &record.call, &record.room);
	} else {
		user_decode(request.bytes, request.used, NULL, 0, &record.call, &record.room);
		record.call.result = ret;
	}
	add_fds(trace_arguments(&record.call, &record.room), call->nr_fds);
	if (call->fds_taken)
		add_fds(trace_answers(&record.call, &record.room), call->fds_taken->nr);
	report(trace, &record, began_ns);
}

void user_trace_command(struct device_trace *trace, const struct user_header *header, const void *payload,
			size_t payload_bytes, int ret, uint64_t began_ns)
{
	struct trace_record record;
	struct kept command;

	device_trace_begin(&record, "command", "");
	keep_header(&command, header);
	keep(&command, payload, payload_bytes);
	user_decode(command.bytes, command.used, NULL, 0, &record.call, &record.room);
	record.call.kind = "command"; /* whatever it asks for: it came from the server */
	record.call.result = ret > 0 ? -ret : ret;
	report(trace, &record, began_ns);
}
