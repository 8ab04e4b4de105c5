/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registers of a device, as a driver reads and writes them: little-endian, at their width. The first failure
 * sticks: later reads give zeros, later writes do nothing, so a driver does a row of accesses and looks once.
 */
#ifndef REF_GUEST_MMIO_H
#define REF_GUEST_MMIO_H

#include <godwit/device.h>

struct mmio {
	struct gw_device *dev;
	uint32_t region;
	struct gw_error error; /* code 0: all accesses went well */
};

uint8_t mmio_get_u8(struct mmio *mmio, uint64_t offset);
uint32_t mmio_get_u32(struct mmio *mmio, uint64_t offset);
uint64_t mmio_get_u64(struct mmio *mmio, uint64_t offset);
void mmio_put_u8(struct mmio *mmio, uint64_t offset, uint8_t value);
void mmio_put_u32(struct mmio *mmio, uint64_t offset, uint32_t value);
void mmio_put_u64(struct mmio *mmio, uint64_t offset, uint64_t value);

#endif
