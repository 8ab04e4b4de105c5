/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bare guest as the VM sees it: where it lies in RAM, and the page by which the two talk. The guest's side is
 * ref/guest/bare/. All of it is guest RAM, so all of it moves with the guest; the VM writes to it only before the guest
 * runs (boot, arrival), and orders.
 */
#ifndef REF_GUEST_BARE_GUEST_H
#define REF_GUEST_BARE_GUEST_H

#include "ref/base/guest_memory.h"
#include "ref/guest/work.h"
#include "ref/vm/executor.h"

#define BARE_MAX_VCPUS     4
#define BARE_MAX_RAM_BYTES (128ull << 30) /* for more there is no room for page tables */

/* Guest physical. Below: the VM's page tables and GDT. */
#define BARE_IMAGE_GPA   0x100000u
#define BARE_MAILBOX_GPA 0x300000u
#define BARE_AREAS_GPA   0x400000u      /* DRIVER_AREA_BYTES for each device, then the pages that are worked on */
#define BARE_RAM_VA      0x100000000000 /* all of RAM in one piece, in the order of the file */

/* The image, as it is in this program. */
extern const uint8_t bare_image[];
extern const uint8_t bare_image_end[];

/* Fills RAM as the guest's first pass would, puts image and mailbox there. */
int bare_guest_load(const struct guest_memory *memory, const struct ref_vm_options *options, uint32_t nr_devices,
		    uint64_t tsc_khz, struct gw_error *e);

/* It has come here: the largest pause is counted from now on. Paused. */
void bare_guest_arrived(const struct guest_memory *memory);

/* Paused. By the same rules as the guest's own: every page of its work. Adds what is wrong to *errors. */
void bare_guest_check(const struct guest_memory *memory, uint64_t *errors, char first_error[GUEST_ERROR_BYTES]);

/* Any time; what it reads may be torn, and is bounded. running, throttle_percent and has_peers are not its. */
void bare_guest_counters(const struct guest_memory *memory, struct guest_counters *counters);

/* "ref", "mtty", "" */
const char *bare_guest_driver(const struct gw_device_info *info);

/* "triple-fault", "internal-error": it is told to. -EINVAL: no such kind. */
int bare_guest_order(const struct guest_memory *memory, const char *kind, struct gw_error *e);

#endif
