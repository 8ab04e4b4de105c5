/* SPDX-License-Identifier: BSD-3-Clause */
/* The VM's bits over the device's configuration space (PCI Local Bus Specification 3.0, chapter 6). */
#include "ref/board/pci_config.h"

#include <linux/pci_regs.h>
#include <string.h>

#define CAPABILITIES_FROM 0x40

void pci_config_own(struct pci_config *config, uint32_t at, uint32_t width, uint32_t bits, uint32_t value,
		    uint32_t writable)
{
	for (uint32_t i = 0; i < width; i++) {
		uint8_t mask = (uint8_t)(bits >> 8 * i);

		config->ours[at + i] |= mask;
		config->value[at + i] = (uint8_t)((config->value[at + i] & ~mask) | (value >> 8 * i & mask));
		config->writable[at + i] = (uint8_t)((config->writable[at + i] & ~mask) | (writable >> 8 * i & mask));
	}
}

uint32_t pci_config_get(const struct pci_config *config, uint32_t at, uint32_t width)
{
	uint32_t value = 0;

	memcpy(&value, config->value + at, width);
	return value;
}

void pci_config_set(struct pci_config *config, uint32_t at, uint32_t width, uint32_t value)
{
	memcpy(config->value + at, &value, width);
}

void pci_config_overlay(const struct pci_config *config, uint32_t at, uint8_t *data, uint32_t size_bytes)
{
	for (uint32_t i = 0; i < size_bytes; i++) {
		uint8_t mask = config->ours[at + i];

		data[i] = (uint8_t)((data[i] & ~mask) | (config->value[at + i] & mask));
	}
}

void pci_config_write(struct pci_config *config, uint32_t at, const uint8_t *data, uint32_t size_bytes)
{
	for (uint32_t i = 0; i < size_bytes; i++) {
		uint8_t mask = config->writable[at + i];

		config->value[at + i] = (uint8_t)((config->value[at + i] & ~mask) | (data[i] & mask));
	}
}

uint32_t pci_config_find(const uint8_t *device, uint8_t id, uint32_t *link)
{
	uint32_t nr = 0;

	if (!(device[PCI_STATUS] & PCI_STATUS_CAP_LIST))
		return 0;
	*link = PCI_CAPABILITY_LIST;
	while (nr++ < PCI_CONFIG_MAX_CAPABILITIES) {
		uint32_t at = device[*link] & ~3u;

		if (at < CAPABILITIES_FROM)
			return 0;
		if (device[at + PCI_CAP_LIST_ID] == id)
			return at;
		*link = at + PCI_CAP_LIST_NEXT;
	}
	return 0;
}
