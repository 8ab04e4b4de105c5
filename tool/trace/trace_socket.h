/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AF_UNIX stream sockets for who stands between a client and a server: bytes and the descriptors that came with them.
 * 0, a count or -errno; blocking. -EPIPE is the end, however it came.
 */
#ifndef TOOL_TRACE_SOCKET_H
#define TOOL_TRACE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

#define TRACE_MAX_FDS 253 /* as many as the kernel lets through in one message */

/* Descriptors on their way: closed by whoever holds them last. */
struct trace_fds {
	int list[TRACE_MAX_FDS];
	unsigned nr;
};

void trace_fds_close(struct trace_fds *fds);

/* A socket at path, for this user and group; one that lost its listener is replaced. The fd, or -errno. */
int trace_socket_listen(const char *path);
int trace_socket_connect(const char *path);

/* At least one byte, and at most so many; what came with them is added to *fds. */
int trace_socket_receive(int fd, void *buf, size_t size_bytes, struct trace_fds *fds);
/* All of it, the descriptors with the first byte; they stay the caller's. */
int trace_socket_send(int fd, const void *buf, size_t size_bytes, const struct trace_fds *fds);

/* Is it a connected stream socket, such as servers hand out for more of the same protocol? */
bool trace_socket_is_stream(int fd);

#endif
