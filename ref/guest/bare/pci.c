/* SPDX-License-Identifier: BSD-3-Clause */
/* PCI devices on bus 0 by configuration mechanism #1 (PCI Local Bus 3.0, 3.2.2.3 and chapter 6; MSI-X in 6.8.2). */
#include "ref/guest/bare/pci.h"

#include "ref/guest/bare/instructions.h"
#include "ref/guest/bare/lapic.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>

#define PORT_ADDRESS     0xcf8
#define PORT_DATA        0xcfc
#define ADDRESS_ENABLE   (1u << 31)
#define FIRST_NUMBER     1  /* the bridge is 0 */
#define MAX_CAPABILITIES 48 /* more do not fit: a list that goes round ends all the same */

static uint32_t config_get(const struct gw_device *dev, uint32_t offset)
{
	port_put_u32(PORT_ADDRESS, ADDRESS_ENABLE | dev->number << 11 | (offset & 0xfc));
	return port_get_u32(PORT_DATA) >> 8 * (offset & 3);
}

/* All four bytes. */
static void config_put(const struct gw_device *dev, uint32_t offset, uint32_t value)
{
	port_put_u32(PORT_ADDRESS, ADDRESS_ENABLE | dev->number << 11 | offset);
	port_put_u32(PORT_DATA, value);
}

static void find_bars(struct gw_device *dev)
{
	for (uint32_t i = 0; i < BARE_NR_BARS; i++) {
		uint32_t low = config_get(dev, PCI_BASE_ADDRESS_0 + 4 * i);

		dev->bars[i].is_io = low & PCI_BASE_ADDRESS_SPACE_IO;
		if (dev->bars[i].is_io) {
			dev->bars[i].base = low & ~3u;
			continue;
		}
		dev->bars[i].base = low & ~15u;
		if ((low & PCI_BASE_ADDRESS_MEM_TYPE_MASK) != PCI_BASE_ADDRESS_MEM_TYPE_64 || i + 1 == BARE_NR_BARS)
			continue;
		dev->bars[i].base |= (uint64_t)config_get(dev, PCI_BASE_ADDRESS_0 + 4 * (i + 1)) << 32;
		i++;
	}
}

int bare_pci_open(struct gw_device *dev, uint32_t index, uint32_t apic_id, struct gw_device_info *info)
{
	uint32_t ids;

	*dev = (struct gw_device){ .number = FIRST_NUMBER + index, .apic_id = apic_id };
	snprintf(dev->id, sizeof(dev->id), "dev%u", index);
	ids = config_get(dev, PCI_VENDOR_ID);
	if ((ids & 0xffff) == 0xffff)
		return -ENODEV;
	*info = (struct gw_device_info){ .vendor_id = (uint16_t)ids, .device_id = (uint16_t)(ids >> 16) };
	find_bars(dev);
	/* The upper half, the status register, clears what is written as ones. */
	config_put(dev, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	return 0;
}

const char *gw_device_id(const struct gw_device *dev)
{
	return dev->id;
}

static uint32_t find_capability(const struct gw_device *dev, uint8_t id)
{
	uint32_t at = config_get(dev, PCI_CAPABILITY_LIST) & 0xfc;

	for (uint32_t i = 0; at && i < MAX_CAPABILITIES; i++) {
		uint32_t head = config_get(dev, at);

		if ((head & 0xff) == id)
			return at;
		at = head >> 8 & 0xfc;
	}
	return 0;
}

static void set_vector(uint64_t entry, uint32_t apic_id, int vector)
{
	volatile uint32_t *words = (volatile uint32_t *)(uintptr_t)entry;

	words[PCI_MSIX_ENTRY_LOWER_ADDR / 4] = LAPIC_MSI_ADDRESS(apic_id);
	words[PCI_MSIX_ENTRY_UPPER_ADDR / 4] = 0;
	words[PCI_MSIX_ENTRY_DATA / 4] = (uint32_t)vector;
	words[PCI_MSIX_ENTRY_VECTOR_CTRL / 4] = 0;
}

int bare_pci_enable_msix(const struct gw_device *dev, uint32_t nr, const int *vectors)
{
	uint32_t at = find_capability(dev, PCI_CAP_ID_MSIX);
	uint32_t head = at ? config_get(dev, at) : 0;
	uint32_t flags = head >> 16;
	uint32_t table = at ? config_get(dev, at + PCI_MSIX_TABLE) : 0;
	uint32_t bar = table & PCI_MSIX_TABLE_BIR;

	if (!at || nr > (flags & PCI_MSIX_FLAGS_QSIZE) + 1 || bar >= BARE_NR_BARS || !dev->bars[bar].base ||
	    dev->bars[bar].is_io)
		return -ENODEV;
	/* Enabled but masked as a whole while its vectors are written, so none of them goes off half set. */
	config_put(dev, at, (flags | PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) << 16 | (head & 0xffff));
	for (uint32_t i = 0; i < nr; i++)
		set_vector(dev->bars[bar].base + (table & PCI_MSIX_TABLE_OFFSET) + i * PCI_MSIX_ENTRY_SIZE,
			   dev->apic_id, vectors[i]);
	config_put(dev, at,
		   ((flags | PCI_MSIX_FLAGS_ENABLE) & ~(uint32_t)PCI_MSIX_FLAGS_MASKALL) << 16 | (head & 0xffff));
	return 0;
}
