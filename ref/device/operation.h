/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The operation in flight: FILL, COPY_IN, COPY_OUT, CHECKSUM of ref/device_registers.h. Its parameters and its
 * progress are registers, so it moves with them and goes on where it was. All with the device's lock held.
 */
#ifndef REF_DEVICE_OPERATION_H
#define REF_DEVICE_OPERATION_H

#include <stdint.h>

struct ref_device;

void ref_operation_start(struct ref_device *dev);  /* the doorbell */
void ref_operation_repace(struct ref_device *dev); /* the rate has changed */

/* Does a piece if one is due (the lock is given up meanwhile); when the next one is, or PACE_NEVER. */
uint64_t ref_operation_run(struct ref_device *dev, uint64_t now_ns);

#endif
