/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The PC around the vCPUs: two buses, a PCI host bridge with the VM's devices behind it, interrupts from the devices to
 * the kernel's interrupt controllers, a serial console and a debug port.
 *
 * Ports: 0x3f8 the console (16550A, IRQ 4), 0xe9 the debug port (every byte written goes to the console's fd, and is
 * dropped where that takes none; SIGPIPE is the program's to ignore), 0xcf8 and 0xcfc PCI configuration.
 * PCI: bus 0, device 0 is the bridge (8086:1237), device 1 + i the i-th of the VM; function 0; INTx pin A of device d
 * is BOARD_INTX_GSI(d). BARs have addresses when the guest starts, as firmware leaves them: memory below BOARD_PCI_END
 * from BOARD_PCI_BASE on, 64-bit ones that are large from BOARD_PCI64_BASE on.
 */
#ifndef REF_BOARD_BOARD_H
#define REF_BOARD_BOARD_H

#include "ref/base/bus.h"
#include "ref/board/pci_device.h"
#include "ref/board/pci_host.h"
#include "ref/board/routes.h"
#include "ref/board/serial.h"
#include "ref/kvm/kvm_vm.h"

#define BOARD_PORT_DEBUG     0xe9
#define BOARD_PORT_SERIAL    0x3f8
#define BOARD_IRQ_SERIAL     4
#define BOARD_MAX_DEVICES    31            /* beside the bridge */
#define BOARD_PCI_BASE       0xc0000000ull /* where RAM below 4 GiB ends at the latest */
#define BOARD_PCI_END        0xfec00000ull /* the IOAPIC */
#define BOARD_PCI64_BASE     (1ull << 38)
#define BOARD_PCI_PORTS_BASE 0x1000 /* ports below are the PC's own */
#define BOARD_PCI_PORTS_END  0x10000
#define BOARD_FIRST_PCI_PORT 0xc000         /* where BARs of ports are at start */
#define BOARD_INTX_GSI(d)    (16 + (d) % 8) /* d: number of the PCI device */

struct board_config {
	struct kvm_vm *vm;
	struct gw_device *const *devices;
	const struct gw_device_info *infos;
	uint32_t nr_devices;
	int console_fd; /* borrowed; -1: what the guest says goes nowhere */
};

struct board {
	struct bus ports;
	struct bus pci_ports; /* BARs of ports: a write to a port of the bridge may move one */
	struct bus memory;
	struct routes routes;
	struct pci_host host;
	struct serial serial;
	int console_fd;
	uint32_t is_open;
	uint32_t nr_devices;
	struct pci_device devices[BOARD_MAX_DEVICES];
};

/* On failure nothing is left. vCPUs do not run at open and close. */
int board_open(struct board *board, const struct board_config *config, struct gw_error *e);
void board_close(struct board *board); /* never opened, but zeroed, is fine */

/*
 * The way of the devices' interrupts into the kernel. hold: when it returns no interrupt is on its way any more: each
 * is in the state of an interrupt controller, or waits at its device's vector, which is state of the board. Before the
 * controllers are read. release: after the controllers were written, before the vCPUs run; what waited goes in.
 * Both may be called again.
 */
void board_hold_interrupts(struct board *board);
int board_release_interrupts(struct board *board, struct gw_error *e);

/*
 * Held. Config space, BARs, vectors and what waits there, INTx, console. load: holds; the devices have their state (and
 * stand still in STOP); vectors are bound at them, and armed by release. -EBADMSG: no state of a board like this one.
 */
void board_save(struct board *board, struct blob_out *out);
int board_load(struct board *board, struct blob_in *in, struct gw_error *e);

#endif
