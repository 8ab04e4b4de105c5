/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device of the kernel's VFIO: the back end's table and its opening. Source: linux/vfio.h, linux/iommufd.h.
 */
#ifndef DEVICE_KERNEL_H
#define DEVICE_KERNEL_H

#include "device/uri.h"

#include <godwit/device.h>

extern const struct gw_device_ops kernel_ops;

/*
 * Opens what a vfio: URI names and brings it to RUNNING: through its own file and iommufd, or, where it has no
 * such file or the URI says so, through its group. *ctx is for kernel_ops. options are not NULL.
 */
int kernel_open(void **ctx, const char *id, const struct uri *uri, const struct gw_open_options *options,
		struct gw_error *e);

/* A device fd that somebody else opened, bound and will close. It stays in the state it is in. */
int kernel_borrow(void **ctx, const char *id, int fd, struct gw_error *e);

#endif
