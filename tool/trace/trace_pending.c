/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands whose reply has not come: see trace_pending.h. */
#include "trace_pending.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int trace_pending_init(struct trace_pending *pending)
{
	pending->last = 0;
	pending->commands = calloc(TRACE_PENDING_MAX, sizeof(*pending->commands));
	if (!pending->commands)
		return -ENOMEM;
	pthread_mutex_init(&pending->lock, NULL);
	return 0;
}

void trace_pending_fini(struct trace_pending *pending)
{
	free(pending->commands);
	pthread_mutex_destroy(&pending->lock);
}

/* msg_id -1: any; 0 is as old as a command can be: a free place. */
static struct trace_command *oldest(struct trace_pending *pending, int msg_id)
{
	struct trace_command *found = NULL;

	for (unsigned i = 0; i < TRACE_PENDING_MAX; i++) {
		struct trace_command *command = &pending->commands[i];

		if (msg_id >= 0 && (!command->number || command->msg_id != msg_id))
			continue;
		if (!found || command->number < found->number)
			found = command;
	}
	return found;
}

void trace_pending_put(struct trace_pending *pending, uint16_t msg_id, const void *bytes, size_t size_bytes,
		       uint32_t nr_fds, uint64_t began_ns)
{
	size_t kept = size_bytes < TRACE_PENDING_BYTES ? size_bytes : TRACE_PENDING_BYTES;
	struct trace_command *command;

	pthread_mutex_lock(&pending->lock);
	command = oldest(pending, -1);
	command->number = ++pending->last;
	command->began_ns = began_ns;
	command->nr_fds = nr_fds;
	command->msg_id = msg_id;
	command->size_bytes = (uint16_t)kept;
	memcpy(command->bytes, bytes, kept);
	pthread_mutex_unlock(&pending->lock);
}

bool trace_pending_take(struct trace_pending *pending, uint16_t msg_id, struct trace_command *taken)
{
	struct trace_command *found;

	pthread_mutex_lock(&pending->lock);
	found = oldest(pending, msg_id);
	if (found) {
		*taken = *found;
		found->number = 0;
	}
	pthread_mutex_unlock(&pending->lock);
	return found;
}

bool trace_pending_take_oldest(struct trace_pending *pending, struct trace_command *taken)
{
	struct trace_command *found = NULL;

	pthread_mutex_lock(&pending->lock);
	for (unsigned i = 0; i < TRACE_PENDING_MAX; i++) {
		struct trace_command *command = &pending->commands[i];

		if (command->number && (!found || command->number < found->number))
			found = command;
	}
	if (found) {
		*taken = *found;
		found->number = 0;
	}
	pthread_mutex_unlock(&pending->lock);
	return found;
}
