/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A godwit device behind the bridge, as the guest sees it: configuration space, of which the command register, BARs and
 * MSI-X control are this VM's and the rest is the device's; BARs, each mapped where the device lets it be mapped and
 * trapped elsewhere; its interrupts. Calls come one at a time (pci_host's lock).
 */
#ifndef REF_BOARD_PCI_DEVICE_H
#define REF_BOARD_PCI_DEVICE_H

#include "ref/base/blob.h"
#include "ref/base/bus.h"
#include "ref/board/intx.h"
#include "ref/board/msix.h"
#include "ref/board/pci_bar.h"
#include "ref/board/pci_config.h"
#include "ref/board/routes.h"
#include "ref/kvm/kvm_vm.h"

#include <godwit/device.h>
#include <linux/pci_regs.h>

#define PCI_BAR_REGISTER(n) (PCI_BASE_ADDRESS_0 + 4 * (n))

/* What the guest can write of the command register and of MSI-X's message control. */
#define PCI_COMMAND_BITS                                                                                    \
	(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR | \
	 PCI_COMMAND_INTX_DISABLE)
#define PCI_MSIX_BITS (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL)

struct pci_device {
	struct gw_device *dev;
	uint32_t number;         /* on bus 0 */
	atomic_ullong nr_failed; /* what the device or KVM has refused while the guest runs; reads give ones then */
	uint32_t config_bytes;   /* of the device's own configuration space */
	uint32_t msix_at;        /* of the capability; 0: none */
	struct pci_config config;
	struct msix msix;
	struct intx intx;
	struct pci_bar bars[PCI_NR_BARS];
};

struct pci_device_config {
	struct gw_device *dev;
	uint32_t number;
	uint32_t gsi; /* of INTx */
	struct kvm_vm *vm;
	struct routes *routes;
	struct bus *ports;
	struct bus *memory;
	struct pci_windows *windows;
};

/* Decoding, its INTx bound (pci_device_open.c). On failure nothing is left. */
int pci_device_open(struct pci_device *device, const struct pci_device_config *config, struct gw_error *e);
void pci_device_close(struct pci_device *device); /* zeroed is fine */

/* 1, 2 or 4 bytes within an aligned word of 4. */
void pci_device_config_read(struct pci_device *device, uint32_t at, void *data, uint32_t size_bytes);
/* 1: a BAR may have moved. Those that did are hidden until pci_device_decode, which the host calls for all devices. */
int pci_device_config_write(struct pci_device *device, uint32_t at, const void *data, uint32_t size_bytes);

/*
 * Shows what should be seen and is not. A BAR that is where another one is, or RAM, is not decoded until one of them
 * has moved: guests do that when they size BARs. What cannot be shown is the error.
 */
int pci_device_decode(struct pci_device *device, struct gw_error *e);

/* Tells the device what the command register is. */
int pci_device_write_command(struct pci_device *device, struct gw_error *e);

/* As board.h has them. */
void pci_device_hold(struct pci_device *device);
int pci_device_release(struct pci_device *device, struct gw_error *e);
void pci_device_save(struct pci_device *device, struct blob_out *out);
/* All of its BARs are hidden after it: they are shown by pci_device_decode. */
int pci_device_load(struct pci_device *device, struct blob_in *in, struct gw_error *e);

#endif
