/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device behind a vfio-user server: the back end's table and its opening. Source of what is said on the wire:
 * the vfio-user specification; doc/vfio-user-extension.md for what godwit adds.
 */
#ifndef DEVICE_USER_H
#define DEVICE_USER_H

#include <godwit/device.h>

extern const struct gw_device_ops user_ops;

/*
 * Connects, agrees on a version, brings the device to RUNNING and asks what it is. *ctx is for user_ops. options are
 * not NULL.
 */
int user_open(void **ctx, const char *id, const char *path, const struct gw_open_options *options, struct gw_error *e);
/* The same on a connected socket, which is taken over also when it fails. */
int user_open_fd(void **ctx, const char *id, int fd, const struct gw_open_options *options, struct gw_error *e);

#endif
