/* SPDX-License-Identifier: BSD-3-Clause */
/* Who a PCI device is, from the standard header of its configuration space. Pure, any thread. */
#ifndef DEVICE_PCI_ID_H
#define DEVICE_PCI_ID_H

#include <godwit/device.h>
#include <stdint.h>

#define PCI_HEADER_BYTES 64u

/* Fills the ids and the class of info. A bridge (another kind of header) has no subsystem ids: they are 0. */
void pci_id_read(const uint8_t header[PCI_HEADER_BYTES], struct gw_device_info *info);

#endif
