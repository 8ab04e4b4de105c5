/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a guest starts: what lies in RAM, and the registers of the vCPUs. Either the bare guest (ref/guest/bare), all of
 * whose vCPUs start at once in 64-bit mode, or a Linux kernel (bzImage, by its 32-bit entry) with an MP table, whose
 * first vCPU starts and wakes the others.
 */
#ifndef REF_BOARD_BOOT_H
#define REF_BOARD_BOOT_H

#include "ref/base/guest_memory.h"
#include "ref/vm/ref_vm.h"

struct boot {
	const struct ref_vm_options *options;
	const struct guest_memory *memory;
	const int *vcpu_fds;
	uint32_t nr_vcpus;
	uint32_t nr_devices;
	uint64_t tsc_khz;
};

int boot_bare(const struct boot *boot, struct gw_error *e);
int boot_linux(const struct boot *boot, struct gw_error *e);

/* The part of boot_linux that is in RAM. *entry: where the first vCPU starts. */
int boot_linux_load(const struct boot *boot, uint32_t *entry, struct gw_error *e);

/*
 * An MP table (Intel MultiProcessor Specification 1.4) in the last KiB below 640 KiB, where kernels look for one: CPUs,
 * IOAPIC, ISA and PCI interrupts. More vCPUs than MP_TABLE_MAX_VCPUS have no room; bus 0 has no more devices.
 */
#define MP_TABLE_GPA         0x9fc00u
#define MP_TABLE_BYTES       0x400u
#define MP_TABLE_MAX_VCPUS   16
#define MP_TABLE_MAX_DEVICES 31
void mp_table_write(uint8_t *at, uint32_t nr_vcpus, uint32_t nr_devices);

#endif
