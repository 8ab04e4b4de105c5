/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's regions by VFIO index: three BARs and configuration space. Takes the device's lock itself, for at most
 * a block of memory at a time.
 *
 * While device state is read or loaded (STOP_COPY, RESUMING) registers and local memory cannot be written (EBUSY):
 * the write would be in nobody's state. Configuration space and the MSI-X table can be in every state, as the uAPI
 * asks, since the client's own save and load of PCI uses them.
 */
#ifndef REF_DEVICE_REGION_H
#define REF_DEVICE_REGION_H

#include <stddef.h>
#include <stdint.h>

#define REGION_COUNT 9 /* VFIO_PCI_NUM_REGIONS */

struct ref_device;

/* index < REGION_COUNT; a region of size 0 is not there. */
uint64_t ref_region_size(const struct ref_device *dev, uint32_t index);
uint32_t ref_region_flags(uint32_t index); /* VFIO_REGION_INFO_FLAG_* */

/* The part of a region with VFIO_REGION_INFO_FLAG_MMAP that can be mapped, and a descriptor for it, the caller's. */
int ref_region_share(struct ref_device *dev, uint32_t index, uint64_t *offset, uint64_t *size);

/* 0, -EINVAL (no such region, or not inside it), or for a write -EBUSY. */
int ref_region_read(struct ref_device *dev, uint32_t index, uint64_t offset, uint8_t *buf, size_t size);
int ref_region_write(struct ref_device *dev, uint32_t index, uint64_t offset, const uint8_t *buf, size_t size);

#endif
