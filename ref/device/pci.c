/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Configuration space from a table of fields (PCI Local Bus 3.0, chapter 6; MSI-X in 6.8.2), and the MSI-X table.
 */
#include "ref/device/pci.h"

#include <linux/pci_regs.h>
#include <string.h>

#define MSIX_CAP 0x40
#define COMMAND_BITS \
	(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE)
#define BAR_REGISTER(n) (PCI_BASE_ADDRESS_0 + 4 * (n))
#define BAR_MASK(size)  (0u - (uint32_t)(size))

static const struct config_field {
	uint16_t offset;
	uint16_t width;
	uint32_t value;
	uint32_t writable;
} fields[] = {
	{ PCI_VENDOR_ID, 2, REFDEV_VENDOR_ID, 0 },
	{ PCI_DEVICE_ID, 2, REFDEV_DEVICE_ID, 0 },
	{ PCI_COMMAND, 2, 0, COMMAND_BITS },
	{ PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0 },
	{ PCI_CLASS_REVISION, 4, REFDEV_CLASS_CODE << 8 | REFDEV_REVISION, 0 },
	{ PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
	{ BAR_REGISTER(REFDEV_BAR_REGISTERS), 4, 0, BAR_MASK(REFDEV_REGISTERS_SIZE) },
	{ BAR_REGISTER(REFDEV_BAR_MSIX), 4, 0, BAR_MASK(REFDEV_MSIX_SIZE) },
	{ PCI_SUBSYSTEM_VENDOR_ID, 2, REFDEV_VENDOR_ID, 0 },
	{ PCI_SUBSYSTEM_ID, 2, REFDEV_DEVICE_ID, 0 },
	{ PCI_CAPABILITY_LIST, 1, MSIX_CAP, 0 },
	{ PCI_INTERRUPT_LINE, 1, 0, 0xff },
	{ MSIX_CAP + PCI_CAP_LIST_ID, 1, PCI_CAP_ID_MSIX, 0 },
	{ MSIX_CAP + PCI_MSIX_FLAGS, 2, REFDEV_NR_VECTORS - 1, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL },
	{ MSIX_CAP + PCI_MSIX_TABLE, 4, REFDEV_MSIX_TABLE | REFDEV_BAR_MSIX, 0 },
	{ MSIX_CAP + PCI_MSIX_PBA, 4, REFDEV_MSIX_PBA | REFDEV_BAR_MSIX, 0 },
};

static void set_field(struct pci *pci, const struct config_field *field)
{
	memcpy(pci->config + field->offset, &field->value, field->width);
	memcpy(pci->writable + field->offset, &field->writable, field->width);
}

/* The memory BAR is the one whose size is an option: two registers, 64 bits. */
static void set_memory_bar(struct pci *pci, uint64_t size)
{
	uint64_t mask = 0 - size;
	struct config_field low = {
		.offset = BAR_REGISTER(REFDEV_BAR_MEMORY),
		.width = 4,
		.value = PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH,
		.writable = (uint32_t)mask,
	};
	struct config_field high = {
		.offset = BAR_REGISTER(REFDEV_BAR_MEMORY + 1),
		.width = 4,
		.writable = (uint32_t)(mask >> 32),
	};

	set_field(pci, &low);
	set_field(pci, &high);
}

void ref_pci_reset(struct pci *pci, uint64_t memory_bar_size)
{
	*pci = (struct pci){ 0 };
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		set_field(pci, &fields[i]);
	set_memory_bar(pci, memory_bar_size);
	for (size_t v = 0; v < REFDEV_NR_VECTORS; v++)
		pci->table[v * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

void ref_pci_config_read(const struct pci *pci, uint64_t offset, uint8_t *buf, size_t size)
{
	memcpy(buf, pci->config + offset, size);
}

void ref_pci_config_write(struct pci *pci, uint64_t offset, const uint8_t *buf, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint8_t mask = pci->writable[offset + i];

		pci->config[offset + i] = (uint8_t)((pci->config[offset + i] & ~mask) | (buf[i] & mask));
	}
}

void ref_pci_msix_read(const struct pci *pci, uint32_t pending, uint64_t offset, uint8_t *buf, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint64_t at = offset + i;

		if (at < PCI_TABLE_BYTES)
			buf[i] = pci->table[at];
		else if (at - REFDEV_MSIX_PBA < sizeof(pending))
			buf[i] = (uint8_t)(pending >> (8 * (at - REFDEV_MSIX_PBA)));
		else
			buf[i] = 0;
	}
}

void ref_pci_msix_write(struct pci *pci, uint64_t offset, const uint8_t *buf, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (offset + i < PCI_TABLE_BYTES)
			pci->table[offset + i] = buf[i];
}
