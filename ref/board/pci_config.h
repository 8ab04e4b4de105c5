/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's configuration space as the guest sees it: bits that are the VM's lie over what the device says. Locking is
 * the caller's.
 */
#ifndef REF_BOARD_PCI_CONFIG_H
#define REF_BOARD_PCI_CONFIG_H

#include <stdint.h>

#define PCI_CONFIG_BYTES 256 /* what configuration mechanism #1 reaches */

#define PCI_CONFIG_MAX_CAPABILITIES ((PCI_CONFIG_BYTES - 0x40) / 4)

struct pci_config {
	uint8_t value[PCI_CONFIG_BYTES];
	uint8_t ours[PCI_CONFIG_BYTES];     /* bits that are the VM's: their value is kept here */
	uint8_t writable[PCI_CONFIG_BYTES]; /* of those, what the guest can write */
};

/* From now on `bits` of the register at `at`, 1, 2 or 4 bytes wide, are the VM's. */
void pci_config_own(struct pci_config *config, uint32_t at, uint32_t width, uint32_t bits, uint32_t value,
		    uint32_t writable);

uint32_t pci_config_get(const struct pci_config *config, uint32_t at, uint32_t width);
void pci_config_set(struct pci_config *config, uint32_t at, uint32_t width, uint32_t value);

/* Puts what is the VM's over `data`, which the device gave. at + size_bytes is inside. */
void pci_config_overlay(const struct pci_config *config, uint32_t at, uint8_t *data, uint32_t size_bytes);
/* The guest writes what it may. */
void pci_config_write(struct pci_config *config, uint32_t at, const uint8_t *data, uint32_t size_bytes);

/*
 * Where the capability `id` is in a copy of a device's own configuration space, and in *link which byte points to it;
 * 0: there is none. A list that has no end, or leaves the space, is one that ends there.
 */
uint32_t pci_config_find(const uint8_t *device, uint8_t id, uint32_t *link);

#endif
