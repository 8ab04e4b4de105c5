/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's places in the file system: listening AF_UNIX sockets. Each owned by who opened it, its thread only.
 */
#ifndef REF_DEVICE_LISTENER_H
#define REF_DEVICE_LISTENER_H

/*
 * The listening fd. A socket file that nobody listens on is replaced. -EADDRINUSE: somebody does, or the file is no
 * socket; -ENAMETOOLONG and others as bind(2) has them.
 */
int ref_listener_open(const char *path, unsigned mode); /* mode: of the file, as far as the umask lets it */
void ref_listener_close(int fd, const char *path);

/* The next client's fd; -ECANCELED when stop_fd is readable. */
int ref_listener_accept(int fd, int stop_fd);

#endif
