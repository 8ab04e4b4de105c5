/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A godwit device behind the bridge, as the guest sees it: configuration space, of which the command register, BARs and
 * MSI-X control are this VM's and the rest is the device's; BARs, each mapped where the device lets it be mapped and
 * trapped elsewhere; its interrupts.
 */
#ifndef REF_BOARD_PCI_DEVICE_H
#define REF_BOARD_PCI_DEVICE_H

#include "ref/board/bus.h"
#include "ref/board/routes.h"
#include "ref/vm/blob.h"
#include "ref/vm/kvm_vm.h"

#include <godwit/device.h>

/* The owner of this file fills these in: pci_bar.h, msix.h and intx.h are beside it. */
struct pci_device {
	struct gw_device *dev;
	uint32_t number; /* on bus 0 */
};

#endif
