/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The page by which the VM and the bare guest talk, as both see it: compiled into both by the same compiler. The VM
 * writes the parameters, the works and the image before the guest runs, and later `moves` and `order`; the rest is the
 * guest's. To the VM all of it is guest memory: it takes a copy, and believes nothing in it.
 */
#ifndef REF_GUEST_BARE_MAILBOX_H
#define REF_GUEST_BARE_MAILBOX_H

#include "ref/guest/bare_guest.h"
#include "ref/guest/integrity.h"
#include "ref/guest/work.h"

#define BARE_MAGIC 0x7473657567657261ull /* "areguest" */

enum bare_order {
	BARE_ORDER_NONE,
	BARE_ORDER_TRIPLE_FAULT,   /* an exception without a table of handlers */
	BARE_ORDER_INTERNAL_ERROR, /* instructions from where no memory answers: KVM cannot execute them */
};

struct bare_parameters {
	uint64_t magic;
	uint64_t memory_bytes;
	uint64_t seed;
	uint64_t dirty_bytes_per_s; /* all vCPUs together; 0: as fast as they can */
	uint64_t tsc_khz;
	uint32_t nr_vcpus;
	uint32_t nr_devices;
};

/* What a vCPU tells of itself. */
struct bare_vcpu {
	uint64_t timer_interrupts;
	uint64_t largest_pause_ns; /* between two timer interrupts, beyond their period; since... */
	uint64_t moves;            /* ... the mailbox said this */
	uint64_t operations;
	uint64_t stamps;

	/*
	 * Its work between two steps, so whatever the instruction at which it is stopped there is a whole one: it
	 * writes the other, then counts. RAM is what this one says, or up to one step further.
	 */
	uint64_t nr_steps; /* the work is works[nr_steps % 2] */
	struct work works[2];
};

struct bare_mailbox {
	struct bare_parameters parameters;
	uint64_t moves; /* how often the guest has come to another VM */
	uint64_t order; /* enum bare_order */
	struct integrity integrity;
	struct bare_vcpu vcpus[BARE_MAX_VCPUS];
};

_Static_assert(sizeof(struct bare_mailbox) <= GW_PAGE_BYTES, "the mailbox is one page");

/* Where no memory answers: below the IOAPIC, where BARs, given from below, do not come. */
#define BARE_NOWHERE_GPA 0xfebff000u

#endif
