/* SPDX-License-Identifier: BSD-3-Clause */
/* The PCI host bridge: configuration mechanism #1, ports 0xcf8 and 0xcfc (PCI Local Bus Specification 3.0, 3.2.2.3). */
#ifndef REF_BOARD_PCI_HOST_H
#define REF_BOARD_PCI_HOST_H

#include "ref/base/blob.h"
#include "ref/base/bus.h"
#include "ref/board/pci_device.h"

struct pci_host {
	pthread_mutex_t lock;
	uint32_t address; /* what 0xcf8 holds */
	struct pci_device *devices;
	uint32_t nr_devices;
};

/* Answers at its ports from then on. devices: the board's, at numbers 1 and up. */
int pci_host_open(struct pci_host *host, struct bus *ports, struct pci_device *devices, uint32_t nr_devices);
void pci_host_close(struct pci_host *host, struct bus *ports);

void pci_host_save(struct pci_host *host, struct blob_out *out);
int pci_host_load(struct pci_host *host, struct blob_in *in);

#endif
