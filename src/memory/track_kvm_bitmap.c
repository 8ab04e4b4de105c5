/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dirty bitmap: the kernel's bits of a slot are fetched, and then, where reporting does not do that by itself,
 * cleared and protected again by a call of its own, in pieces, none of which holds up the vCPUs for long. A write
 * between the two is told twice; one after the second is told by the next sync.
 */
#include "base/bitmap.h"
#include "base/bits.h"
#include "base/err.h"
#include "memory/track_kvm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define CLEAR_PAGES (1u << 18) /* in one KVM_CLEAR_DIRTY_LOG: a multiple of 64 */

static int attach(struct gw_kvm_log *log, const struct gw_kvm_vm *vm, struct gw_error *e)
{
	uint64_t most = 0;

	for (uint32_t i = 0; i < log->nr_slots; i++)
		most = max_u64(most, log->slots[i].nr_pages);
	/* Here and not in sync, which must not fail for want of memory while the guest stands still. */
	log->bits = bitmap_new(most);
	return log->bits ? 0 : err_set(e, -ENOMEM, "kvm", "no memory for the dirty log");
}

static void detach(struct gw_kvm_log *log)
{
	free(log->bits);
	log->bits = NULL;
}

static int clear(struct gw_kvm_log *log, const struct kvm_log_slot *slot, struct gw_error *e)
{
	uint64_t nr = slot->nr_pages;

	for (uint64_t first = 0; first < nr; first += CLEAR_PAGES) {
		uint64_t end = min_u64(first + CLEAR_PAGES, nr);
		struct kvm_clear_dirty_log clear_log = {
			.slot = slot->slot.slot,
			.first_page = first,
			.num_pages = (uint32_t)(end - first),
			.dirty_bitmap = log->bits + first / BITMAP_WORD_BITS,
		};

		if (bitmap_next_set(log->bits, first, end) == end)
			continue;
		if (ioctl(log->vm_fd, KVM_CLEAR_DIRTY_LOG, &clear_log))
			return err_set(e, -errno, "kvm", "the dirty bits of memory slot %u cannot be cleared: %s",
				       slot->slot.slot, strerror(errno));
	}
	return 0;
}

/* The pages are in the slot's bits before they are protected again: whatever fails then, they will be told. */
static int collect_slot(struct gw_kvm_log *log, struct kvm_log_slot *slot, struct gw_error *e)
{
	struct kvm_dirty_log dirty_log = { .slot = slot->slot.slot, .dirty_bitmap = log->bits };

	if (ioctl(log->vm_fd, KVM_GET_DIRTY_LOG, &dirty_log))
		return err_set(e, -errno, "kvm", "the dirty bits of memory slot %u cannot be had: %s", slot->slot.slot,
			       strerror(errno));
	bitmap_or_atomic(slot->written, log->bits, slot->nr_pages);
	return log->manual ? clear(log, slot, e) : 0;
}

static int collect(struct gw_kvm_log *log, uint32_t block, struct gw_error *e)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < log->nr_slots; i++)
		if (log->slots[i].block == block)
			ret = collect_slot(log, &log->slots[i], e);
	return ret;
}

const struct kvm_way kvm_bitmap_way = {
	.mode = GW_KVM_LOG_BITMAP,
	.name = "KVM dirty bitmap",
	.attach = attach,
	.detach = detach,
	.collect = collect,
};
