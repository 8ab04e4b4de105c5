/* SPDX-License-Identifier: BSD-3-Clause */
/* File descriptors: -1 is "none", closing is idempotent, transfers are whole. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include <stddef.h>

/* Closes *fd unless it is -1, and makes it -1. errno is kept. */
void fd_close(int *fd);

/* Reads or writes all of it, going on after EINTR and partial transfers. 0, or -errno; -EPIPE: ended early. */
int fd_read_all(int fd, void *buf, size_t size_bytes);
int fd_write_all(int fd, const void *buf, size_t size_bytes); /* a socket: no SIGPIPE */

#endif
