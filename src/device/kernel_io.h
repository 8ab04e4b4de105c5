/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The system calls of the kernel back end on what the kernel gave it: all of them go through here, where they can be
 * traced. One call each; a result, or -errno.
 */
#ifndef DEVICE_KERNEL_IO_H
#define DEVICE_KERNEL_IO_H

#include "device/kernel_device.h"

/* arg is a pointer, or the number that the request takes for one. */
int kernel_ioctl(const struct kernel_device *dev, int fd, unsigned long request, void *arg);

/* The data fd. */
ssize_t kernel_read(const struct kernel_device *dev, void *buf, size_t size_bytes);
ssize_t kernel_write(const struct kernel_device *dev, const void *buf, size_t size_bytes);

/* A region: `at` in the device's file. */
ssize_t kernel_pread(const struct kernel_device *dev, uint32_t region, void *buf, size_t size_bytes, off_t at);
ssize_t kernel_pwrite(const struct kernel_device *dev, uint32_t region, const void *buf, size_t size_bytes, off_t at);

#endif
