/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One vfio-user connection passed on: a thread each way carries whole messages, descriptors with them, and writes each
 * command with its reply into the trace. What it does not understand it passes on all the same. A socket that the
 * server hands out in VERSION becomes a relay of its own, by the owner's `handed_out`.
 */
#ifndef TOOL_TRACE_RELAY_H
#define TOOL_TRACE_RELAY_H

#include "trace_file.h"

struct trace_relay;

struct trace_relay_owner {
	struct trace_file *file;
	/* The fd to hand to the client in place of the server's, which is taken over then; -1: pass it on as it is. */
	int (*handed_out)(void *ctx, int fd);
	void (*ended)(void *ctx); /* by a relay's thread, once: no more is carried */
	void *ctx;
};

/* Takes both fds over, also when it fails: 0 or -errno. name is that in the trace. */
int trace_relay_start(struct trace_relay **relay, const char *name, int client_fd, int server_fd,
		      const struct trace_relay_owner *owner);
/* Ends it, if it has not ended by itself; from any thread but its own. */
void trace_relay_stop(struct trace_relay *relay);
/* After stop: waits for its threads. */
void trace_relay_free(struct trace_relay *relay);

/* A sentence in the trace. */
void trace_relay_note(struct trace_file *file, const char *name, const char *sentence);

#endif
