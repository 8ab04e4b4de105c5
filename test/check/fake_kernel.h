/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device as a kernel driver would present it, in this process: device state has a data fd that comes with an arc,
 * outlives it and can be closed, polled, and asked for its pre-copy bytes. For the rules of the suite that a vfio-user
 * device cannot be held to. It does one thing wrong if told to. One thread.
 */
#ifndef TEST_CHECK_FAKE_KERNEL_H
#define TEST_CHECK_FAKE_KERNEL_H

#include <godwit/device.h>

struct fake_kernel;

/*
 * flags: GW_MIGRATION_*. fault NULL: none. Else one of
 *   "fd:FROM-TO"       a SET of TO in FROM tells a data fd if there is none, and none if there is
 *   "fd-get"           GET tells the data fd
 *   "fd-closed"        SET STOP in STOP_COPY spoils the next save where the data fd was closed before
 *   "poll-data", "poll-end", "precopy-poll-data"   it is not readable: before the first read in STOP_COPY, after
 *                      the last one there, before the first in pre-copy
 *   "precopy-poll-waits"   it is readable in pre-copy, when all was read
 *   "info-v2"          MIG_PRECOPY_INFOv2 can be probed, and not be set
 *   "second-open"      it can be opened twice
 *   "precopy-zero"     a read in pre-copy that finds nothing is 0, and not ENOMSG
 *   "precopy-flags"    GET_PRECOPY_INFO leaves the flags that came
 *   "no-ranges"        a log without ranges is started
 *   "only-sets"        a report clears the bitmap first
 * NULL: no memory.
 */
struct fake_kernel *fake_kernel_new(uint32_t flags, const char *fault);
void fake_kernel_free(struct fake_kernel *kernel);

/* For struct opener: ctx is the fake_kernel. */
int fake_kernel_open(void *ctx, struct gw_device **dev, uint32_t flags, struct gw_error *e);

#endif
