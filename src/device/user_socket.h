/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vfio-user socket: whole messages, file descriptors with their first byte. -EPIPE is the end of the connection,
 * however it came. Sending waits no longer than its deadline; receiving waits until the socket is shut down.
 */
#ifndef DEVICE_USER_SOCKET_H
#define DEVICE_USER_SOCKET_H

#include "device/user_proto.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define USER_MAX_FDS_TAKEN 16

/* Descriptors that came with a message: closed by whoever holds them at the end. */
struct user_fds {
	int list[USER_MAX_FDS_TAKEN];
	unsigned nr;
};

/* -ETIMEDOUT: the server takes no connections, all that it may keep waiting are waiting already. */
int user_socket_connect(const char *path, uint64_t timeout_ns, int *fd);

/* The iovec is used up. After an error part of a message may be out: the connection is of no more use. */
int user_socket_send(int fd, struct iovec *iov, unsigned nr_iov, const int *fds, unsigned nr_fds, uint64_t deadline_ns);

/* The first bytes of a message and what came with them; also after an error *fds must be closed. */
int user_socket_receive_header(int fd, uint8_t buf[USER_HEADER_BYTES], struct user_fds *fds);
int user_socket_receive(int fd, void *buf, size_t size_bytes);
int user_socket_drain(int fd, size_t size_bytes);

/* One of the descriptors, which is the caller's then; -1: there is no such. */
int user_fds_take(struct user_fds *fds, unsigned index);
void user_fds_close(struct user_fds *fds);

#endif
