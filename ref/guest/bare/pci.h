/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * PCI devices as the bare guest finds them on bus 0. A struct gw_device is what drivers hold in their hands and never
 * look into: in a guest of threads it is libgodwit's, here it is this.
 */
#ifndef REF_GUEST_BARE_PCI_H
#define REF_GUEST_BARE_PCI_H

#include <godwit/device.h>
#include <stdint.h>

#define BARE_NR_BARS 6

struct bare_bar {
	uint64_t base; /* 0: none */
	int is_io;
};

struct gw_device {
	char id[GW_DEVICE_ID_BYTES];
	uint32_t number;  /* on the bus */
	uint32_t apic_id; /* of the vCPU that gets its interrupts */
	struct bare_bar bars[BARE_NR_BARS];
};

/* Names it devINDEX, as the VM does; reads what it is and where firmware has put it, and lets it work. -ENODEV. */
int bare_pci_open(struct gw_device *dev, uint32_t index, uint32_t apic_id, struct gw_device_info *info);

/* Its MSI-X vectors 0 to nr - 1 become the vCPU's `vectors`. -ENODEV: it has none, or not so many. */
int bare_pci_enable_msix(const struct gw_device *dev, uint32_t nr, const int *vectors);

#endif
