/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the suite knows of one device beside the uAPI: how to make godwit's reference device, told by its PCI identity,
 * do something. Of every other device these say that they cannot. Needs the device to run.
 */
#ifndef TOOL_CHECK_REFDEV_H
#define TOOL_CHECK_REFDEV_H

#include "check.h"

bool refdev_is(const struct gw_device_info *info);

/* All 0 or -errno; -ETIMEDOUT: not done within a second. */

/* Fills local memory with what follows from the seed, so that its state has no part that is nothing but zeroes. */
int refdev_fill(struct gw_device *dev, uint64_t seed);
/* Writes a word of local memory, or reads it. */
int refdev_poke(struct gw_device *dev, uint64_t offset, uint64_t word);
int refdev_peek(struct gw_device *dev, uint64_t offset, uint64_t *word);
/* Writes 8 bytes by DMA. iova: a multiple of 8 that is mapped. */
int refdev_write_guest(struct gw_device *dev, uint64_t iova);

#endif
