/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's PCI state in a QEMU stream. It does not say whether the config space has 256 or 4096 bytes: whichever
 * makes the MSI-X capability in it agree with the length of the whole is it.
 */
#include "inspect/qemu_vfio.h"

#define STATE_VERSION   2u
#define VERSION_BYTES   4u
#define IRQ_BYTES       16u
#define PCI_STATUS_CAPS 0x10u
#define PCI_CAP_MSIX    0x11u
#define PCI_FIRST_CAP   0x40u
#define PCI_CAPS_BYTES  256u
#define PCI_MAX_CAPS    48u

/* Config space is little-endian, whatever the stream is. */
static uint16_t le16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] | bytes[1] << 8);
}

/* How many MSI-X vectors the capability list tells of. */
static uint32_t msix_vectors(const uint8_t *config)
{
	uint8_t at = config[0x34] & 0xfc;

	if (!(config[0x06] & PCI_STATUS_CAPS))
		return 0;
	for (unsigned int i = 0; i < PCI_MAX_CAPS && at >= PCI_FIRST_CAP; i++) {
		if (config[at] == PCI_CAP_MSIX)
			return (le16(config + at + 2) & 0x7ff) + 1u;
		at = config[at + 1] & 0xfc;
	}
	return 0;
}

void qemu_pci_state(const uint8_t *bytes, size_t nr_bytes, struct gw_inspected_device *device)
{
	static const uint32_t spaces[] = { 4096, 256 };
	const uint8_t *config = bytes + VERSION_BYTES;
	uint32_t vectors, rest;

	if (nr_bytes < VERSION_BYTES + PCI_CAPS_BYTES + IRQ_BYTES || input_be32(bytes) != STATE_VERSION)
		return;
	vectors = msix_vectors(config);
	rest = VERSION_BYTES + IRQ_BYTES + vectors * 16 + DIV_ROUND_UP(vectors, 8);
	for (size_t i = 0; i < ARRAY_SIZE(spaces) && !device->config_space_bytes; i++) {
		size_t known = rest + spaces[i];

		/* Behind it there may be subsections. */
		if (nr_bytes == known || (nr_bytes > known && bytes[known] == 0x05))
			device->config_space_bytes = spaces[i];
	}
	device->msix_vectors = device->config_space_bytes ? vectors : 0;
	device->vendor_id = le16(config);
	device->device_id = le16(config + 2);
	device->class_revision =
		(uint32_t)config[11] << 24 | (uint32_t)config[10] << 16 | (uint32_t)config[9] << 8 | config[8];
	device->subsystem_vendor_id = le16(config + 0x2c);
	device->subsystem_device_id = le16(config + 0x2e);
	if (device->vendor_id && device->vendor_id != 0xffff)
		device->flags |= GW_INSPECTED_PCI;
}
