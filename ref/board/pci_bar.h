/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A BAR: a region of the device at an address that the guest chooses. What the device lets be mapped is guest memory, a
 * slot of KVM's, except pages of the MSI-X table; all of it is a range of the bus, for what KVM does not answer. Calls
 * but those of the bus come one at a time.
 */
#ifndef REF_BOARD_PCI_BAR_H
#define REF_BOARD_PCI_BAR_H

#include "ref/base/bus.h"
#include "ref/board/msix.h"
#include "ref/kvm/kvm_vm.h"

#define PCI_NR_BARS       6
#define PCI_BAR_MAX_PARTS 8 /* that are mapped; what there is beyond is trapped */

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEMORY, PCI_BAR_MEMORY64 };

/* Of the region, in this process at hva. */
struct pci_bar_part {
	uint64_t offset;
	uint64_t size_bytes;
	void *hva;
	uint32_t slot;
	uint32_t in_kvm;
};

struct pci_bar {
	struct gw_device *dev;
	struct msix *msix;
	struct kvm_vm *vm;
	struct bus *bus;
	atomic_ullong *nr_failed;
	uint32_t index;
	enum pci_bar_kind kind;
	uint64_t region_bytes;
	uint64_t size_bytes; /* of the region, rounded up to a power of two; what is beyond the region reads as ones */
	uint64_t base;
	uint32_t shown;
	uint32_t nr_parts;
	struct pci_bar_part parts[PCI_BAR_MAX_PARTS];
};

struct pci_bar_config {
	struct gw_device *dev;
	struct msix *msix;
	struct kvm_vm *vm;
	struct bus *ports;
	struct bus *memory;
	atomic_ullong *nr_failed;
	uint32_t index;
	uint32_t value; /* of the device's BAR register: its low bits say what it is */
};

/* Where the next BARs are put at start, as firmware does. */
struct pci_windows {
	uint64_t port;
	uint64_t low;
	uint64_t high;
};

/* A region that the device does not have, or of no size, is no BAR: kind is PCI_BAR_NONE. Not shown yet. */
int pci_bar_open(struct pci_bar *bar, const struct pci_bar_config *config, struct gw_error *e);
void pci_bar_close(struct pci_bar *bar); /* zeroed is fine */

/* An address for it. -ENOSPC. */
int pci_bar_place(const struct pci_bar *bar, struct pci_windows *windows, uint64_t *base);

/*
 * Answers at base from now on. -EADDRNOTAVAIL, -EEXIST: not there, where RAM, a chip, another BAR or nothing that a BAR
 * can be is; it is not shown then. Another error: it is shown, but KVM maps less of it than it could, so that more of
 * it is trapped.
 */
int pci_bar_show(struct pci_bar *bar, uint64_t base, struct gw_error *e);
void pci_bar_hide(struct pci_bar *bar); /* hidden is fine */

#endif
