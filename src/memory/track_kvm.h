/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the two ways of KVM's dirty log (include/godwit/kvm.h) have in common: slots, each with the bits of what was
 * written and not yet taken. The lock is for the ring's sake, which vCPU threads empty when it is full.
 */
#ifndef MEMORY_TRACK_KVM_H
#define MEMORY_TRACK_KVM_H

#include <godwit/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct kvm_ring;
struct kvm_handed;
struct kvm_way;

struct kvm_log_slot {
	struct gw_kvm_slot slot;
	uint32_t block;
	uint64_t first_page; /* of the block */
	uint64_t nr_pages;
	uint64_t *written; /* a bit a page; under the lock */
	uint64_t *loose;   /* pages that KVM may not log until the next start: each sync tells them; ring only */
	bool has_loose;
};

struct gw_kvm_log {
	const struct kvm_way *way;
	int vm_fd;
	bool started;
	bool manual; /* KVM_GET_DIRTY_LOG leaves the protection to KVM_CLEAR_DIRTY_LOG */
	pthread_mutex_t lock;
	struct kvm_log_slot *slots; /* NULL: not attached */
	uint32_t nr_slots;
	uint32_t nr_blocks;
	uint64_t *bits; /* bitmap: as many as the largest slot has pages */

	uint32_t ring_entries;
	struct kvm_ring *rings; /* one a vCPU */
	uint32_t nr_rings;
	struct kvm_handed *handed; /* pages of the entries that are being given back */
	uint64_t nr_handed;
	uint64_t nr_unreset; /* entries given back that the kernel has not said it took */
	const char *lost;    /* why writes were lost, and the rings are not to be relied on any more; NULL: they are */
};

/* All: lock held, but for attach and detach. */
struct kvm_way {
	int mode;
	const char *name;
	int (*attach)(struct gw_kvm_log *log, const struct gw_kvm_vm *vm, struct gw_error *e);
	void (*detach)(struct gw_kvm_log *log); /* of an attach that failed half way, too */
	/*
	 * Adds what the kernel knows of a block's slots to their bits; their pages are protected again when it returns.
	 * A failure leaves the bits that it has got.
	 */
	int (*collect)(struct gw_kvm_log *log, uint32_t block, struct gw_error *e);
};

extern const struct kvm_way kvm_bitmap_way;
extern const struct kvm_way kvm_ring_way;

/* track_kvm_ring.c, for a vCPU that has a full one: empties all into the slots' bits. Lock held. */
int kvm_ring_full(struct gw_kvm_log *log, struct gw_error *e);

/* track_kvm_slot.c: the VMM's slots, checked against its blocks. */
int kvm_slots_set(struct gw_kvm_log *log, const struct gw_kvm_vm *vm, struct gw_error *e);
void kvm_slots_free(struct gw_kvm_log *log);
/* Its bits, ORed into its block's, are forgotten. */
void kvm_slot_take(struct kvm_log_slot *slot, uint64_t *bitmap);
void kvm_slot_forget(struct kvm_log_slot *slot);
int kvm_slot_set_logging(struct gw_kvm_log *log, const struct kvm_log_slot *slot, bool on, struct gw_error *e);

#endif
