/* SPDX-License-Identifier: BSD-3-Clause */
/* Registers of a device, by its BARs: in memory, or at ports. */
#include "ref/guest/mmio.h"

#include "ref/guest/bare/instructions.h"
#include "ref/guest/bare/pci.h"

#include <errno.h>
#include <stddef.h>

/* NULL: there is no such register, or there was an error before. */
static const struct bare_bar *bar_of(struct mmio *mmio)
{
	const struct bare_bar *bar = mmio->region < BARE_NR_BARS ? &mmio->dev->bars[mmio->region] : NULL;

	if (!mmio->error.code && (!bar || !bar->base))
		gw_error_set(&mmio->error, -ENXIO, mmio->dev->id, "its BAR %u has no address", mmio->region);
	return mmio->error.code ? NULL : bar;
}

static volatile void *at(const struct bare_bar *bar, uint64_t offset)
{
	return (volatile void *)(uintptr_t)(bar->base + offset);
}

static uint16_t port(const struct bare_bar *bar, uint64_t offset)
{
	return (uint16_t)(bar->base + offset);
}

uint8_t mmio_get_u8(struct mmio *mmio, uint64_t offset)
{
	const struct bare_bar *bar = bar_of(mmio);

	if (!bar)
		return 0;
	return bar->is_io ? port_get_u8(port(bar, offset)) : *(volatile uint8_t *)at(bar, offset);
}

uint32_t mmio_get_u32(struct mmio *mmio, uint64_t offset)
{
	const struct bare_bar *bar = bar_of(mmio);

	if (!bar)
		return 0;
	return bar->is_io ? port_get_u32(port(bar, offset)) : *(volatile uint32_t *)at(bar, offset);
}

/* Ports have no access of 64 bits. */
uint64_t mmio_get_u64(struct mmio *mmio, uint64_t offset)
{
	const struct bare_bar *bar = bar_of(mmio);

	if (!bar)
		return 0;
	if (!bar->is_io)
		return *(volatile uint64_t *)at(bar, offset);
	return port_get_u32(port(bar, offset)) | (uint64_t)port_get_u32(port(bar, offset + 4)) << 32;
}

void mmio_put_u8(struct mmio *mmio, uint64_t offset, uint8_t value)
{
	const struct bare_bar *bar = bar_of(mmio);

	if (bar && bar->is_io)
		port_put_u8(port(bar, offset), value);
	else if (bar)
		*(volatile uint8_t *)at(bar, offset) = value;
}

void mmio_put_u32(struct mmio *mmio, uint64_t offset, uint32_t value)
{
	const struct bare_bar *bar = bar_of(mmio);

	if (bar && bar->is_io)
		port_put_u32(port(bar, offset), value);
	else if (bar)
		*(volatile uint32_t *)at(bar, offset) = value;
}

void mmio_put_u64(struct mmio *mmio, uint64_t offset, uint64_t value)
{
	const struct bare_bar *bar = bar_of(mmio);

	if (bar && bar->is_io) {
		port_put_u32(port(bar, offset), (uint32_t)value);
		port_put_u32(port(bar, offset + 4), (uint32_t)(value >> 32));
	} else if (bar) {
		*(volatile uint64_t *)at(bar, offset) = value;
	}
}
