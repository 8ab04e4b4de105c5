/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stream of records into a ring of guest memory (ref/device_registers.h). Indexes and status are registers, so
 * the stream goes on after a move with the next record. All with the device's lock held.
 */
#ifndef REF_DEVICE_STREAM_H
#define REF_DEVICE_STREAM_H

#include <stdint.h>

struct ref_device;

void ref_stream_control(struct ref_device *dev, uint32_t control);
void ref_stream_move_consumer(struct ref_device *dev, uint64_t consumer);
void ref_stream_repace(struct ref_device *dev); /* the rate has changed */

/* Writes records that are due (the lock is given up meanwhile); when the next ones are, or PACE_NEVER. */
uint64_t ref_stream_run(struct ref_device *dev, uint64_t now_ns);

/* Raises the vector if it may be raised again; when it may be, or PACE_NEVER. */
uint64_t ref_stream_raise(struct ref_device *dev, uint64_t now_ns);

#endif
