/* SPDX-License-Identifier: BSD-3-Clause */
/* PCI identity: offsets of the PCI Local Bus Specification 3.0, section 6.1. */
#include "device/pci_id.h"

#include "wire/cursor.h"

#define HEADER_TYPE_MASK 0x7f /* the top bit says that there are more functions */

void pci_id_read(const uint8_t header[PCI_HEADER_BYTES], struct gw_device_info *info)
{
	struct wire_in id = wire_in(header, PCI_HEADER_BYTES);
	struct wire_in class = wire_in(header + 0x08, 4);
	struct wire_in type = wire_in(header + 0x0e, 1);
	struct wire_in subsystem = wire_in(header + 0x2c, 4);

	info->vendor_id = wire_get_u16(&id);
	info->device_id = wire_get_u16(&id);
	info->class_revision = wire_get_u32(&class);
	if ((wire_get_u8(&type) & HEADER_TYPE_MASK) != 0)
		return;
	info->subsystem_vendor_id = wire_get_u16(&subsystem);
	info->subsystem_device_id = wire_get_u16(&subsystem);
}
