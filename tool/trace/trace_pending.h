/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands whose reply has not come, by who sent them: each side numbers its own. As many as a sane client has under
 * way are remembered, the first bytes of each; of one more the oldest is forgotten. Two threads.
 */
#ifndef TOOL_TRACE_PENDING_H
#define TOOL_TRACE_PENDING_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_PENDING_MAX   64
#define TRACE_PENDING_BYTES 4096

struct trace_command {
	uint64_t began_ns;
	uint64_t number; /* 0: there is none; the smaller the older */
	uint32_t nr_fds;
	uint16_t msg_id;
	uint16_t size_bytes;
	uint8_t bytes[TRACE_PENDING_BYTES];
};

struct trace_pending {
	pthread_mutex_t lock;
	uint64_t last; /* number given */
	struct trace_command *commands;
};

int trace_pending_init(struct trace_pending *pending); /* 0 or -ENOMEM */
void trace_pending_fini(struct trace_pending *pending);

void trace_pending_put(struct trace_pending *pending, uint16_t msg_id, const void *bytes, size_t size_bytes,
		       uint32_t nr_fds, uint64_t began_ns);
/* The oldest with that id, which is then forgotten. */
bool trace_pending_take(struct trace_pending *pending, uint16_t msg_id, struct trace_command *taken);
/* Any. */
bool trace_pending_take_oldest(struct trace_pending *pending, struct trace_command *taken);

#endif
