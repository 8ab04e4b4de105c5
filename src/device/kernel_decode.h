/* SPDX-License-Identifier: BSD-3-Clause */
/* The ioctls of the kernel back end as fields of a trace, by a table. Pure functions, any thread. */
#ifndef DEVICE_KERNEL_DECODE_H
#define DEVICE_KERNEL_DECODE_H

#include "device/trace_fields.h"

/* Numbers of the device's and the container's requests overlap. */
enum kernel_file { KERNEL_FILE_OTHER = 0, KERNEL_FILE_CONTAINER };

/* "VFIO_DEVICE_FEATURE"; "ioctl" for a number that this back end does not use. */
const char *kernel_decode_name(enum kernel_file file, unsigned long request);

/* The argument as it goes in, and as it comes back. Pointers in it are not followed. */
void kernel_decode_argument(struct trace_list *arguments, enum kernel_file file, unsigned long request,
			    const void *arg);
void kernel_decode_answer(struct trace_list *answers, enum kernel_file file, unsigned long request, const void *arg);

#endif
