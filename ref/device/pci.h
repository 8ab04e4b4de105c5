/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PCI side of the device: 256 bytes of configuration space with a writable mask, so that BARs can be sized and
 * the command register keeps what was written, and the MSI-X table. Under the device's lock; part of its state.
 * Like for any VFIO device the client emulates what the bits mean: neither Bus Master nor a vector's mask bit is
 * enforced here, DMA follows the maps and interrupts follow DEVICE_SET_IRQS.
 */
#ifndef REF_DEVICE_PCI_H
#define REF_DEVICE_PCI_H

#include "ref/device_registers.h"

#include <stddef.h>
#include <stdint.h>

#define PCI_CONFIG_BYTES 256
#define PCI_TABLE_BYTES  (REFDEV_NR_VECTORS * 16)

struct pci {
	uint8_t config[PCI_CONFIG_BYTES];
	uint8_t writable[PCI_CONFIG_BYTES];
	uint8_t table[PCI_TABLE_BYTES];
};

void ref_pci_reset(struct pci *pci, uint64_t memory_bar_size);

/* offset + size is inside the region. */
void ref_pci_config_read(const struct pci *pci, uint64_t offset, uint8_t *buf, size_t size);
void ref_pci_config_write(struct pci *pci, uint64_t offset, const uint8_t *buf, size_t size);
void ref_pci_msix_read(const struct pci *pci, uint32_t pending, uint64_t offset, uint8_t *buf, size_t size);
void ref_pci_msix_write(struct pci *pci, uint64_t offset, const uint8_t *buf, size_t size);

#endif
