/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's place in the file system: a listening AF_UNIX socket. Owned by ref_device_run, its thread only.
 */
#ifndef REF_DEVICE_LISTENER_H
#define REF_DEVICE_LISTENER_H

/*
 * The listening fd. A socket file that nobody listens on is replaced. -EADDRINUSE: somebody does, or the file is no
 * socket; -ENAMETOOLONG and others as bind(2) has them.
 */
int ref_listener_open(const char *path);
void ref_listener_close(int fd, const char *path);

/* The next client's fd; -ECANCELED when stop_fd is readable. */
int ref_listener_accept(int fd, int stop_fd);

#endif
