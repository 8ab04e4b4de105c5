/* SPDX-License-Identifier: BSD-3-Clause */
/* The VFIO devices of a QEMU stream, in its sections and in multifd packets. */
#ifndef INSPECT_QEMU_VFIO_H
#define INSPECT_QEMU_VFIO_H

#include "inspect/inspector.h"
#include "inspect/reading.h"

#define VFIO_END_OF_STATE      0xffffffffef100001u
#define VFIO_CONFIG_STATE      0xffffffffef100002u
#define VFIO_SETUP_STATE       0xffffffffef100003u
#define VFIO_DATA_STATE        0xffffffffef100004u
#define VFIO_INIT_DATA_SENT    0xffffffffef100005u
#define VFIO_CONFIG_LOAD_READY 0xffffffffef100006u

/* The device of a section or packet; made when it is first heard of. NULL after it was said why. */
struct vfio_state *qemu_vfio_state(struct reading *r, const char *name, uint32_t instance);

/* A piece of its state from the input's place on, which is then behind it. 0 or as a reader. */
int qemu_vfio_piece(struct reading *r, struct pieces *pieces, struct piece piece);

/*
 * The device's PCI state as QEMU keeps it ("VFIOPCIDevice" version 1): u32 version 2, the config space, 4 × u32 of
 * interrupts, MSI-X table and pending bits, perhaps more. Takes from it what it shows, which may be nothing.
 */
void qemu_pci_state(const uint8_t *bytes, size_t nr_bytes, struct gw_inspected_device *device);

#endif
