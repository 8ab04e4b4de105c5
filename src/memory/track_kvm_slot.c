/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory slots of a VM: where they lie in the RAM blocks, and what of them was written and not yet taken. */
#include "base/bitmap.h"
#include "base/bits.h"
#include "base/err.h"
#include "memory/track_kvm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

static const char where[] = "kvm";

static int no_memory(struct gw_error *e)
{
	return err_set(e, -ENOMEM, where, "no memory for the dirty log");
}

static bool is_within(const struct gw_kvm_slot *slot, const struct gw_ram_block *block)
{
	return slot->gpa >= block->gpa && slot->size_bytes <= block->size_bytes &&
	       slot->gpa - block->gpa <= block->size_bytes - slot->size_bytes;
}

static int check_slot(const struct gw_kvm_slot *slot, struct gw_error *e)
{
	if (slot->flags & ~(uint32_t)KVM_MEM_READONLY)
		return err_set(e, -EINVAL, where,
			       "memory slot %u has the flags 0x%x, of which only KVM_MEM_READONLY is allowed",
			       slot->slot, slot->flags);
	if (!slot->size_bytes || !is_aligned(slot->size_bytes | slot->gpa, GW_PAGE_BYTES))
		return err_set(e, -EINVAL, where, "memory slot %u, at 0x%llx, is not whole pages", slot->slot,
			       (unsigned long long)slot->gpa);
	return 0;
}

static int add_slot(struct gw_kvm_log *log, const struct gw_kvm_slot *slot, const struct gw_kvm_vm *vm,
		    struct gw_error *e)
{
	struct kvm_log_slot *mine = &log->slots[log->nr_slots];
	uint32_t block = 0;
	int ret = check_slot(slot, e);

	if (ret)
		return ret;
	while (block < vm->nr_ram && !is_within(slot, &vm->ram[block]))
		block++;
	if (block == vm->nr_ram)
		return err_set(e, -EINVAL, where, "memory slot %u, at 0x%llx, lies in no RAM block", slot->slot,
			       (unsigned long long)slot->gpa);
	*mine = (struct kvm_log_slot){
		.slot = *slot,
		.block = block,
		.first_page = (slot->gpa - vm->ram[block].gpa) / GW_PAGE_BYTES,
		.nr_pages = slot->size_bytes / GW_PAGE_BYTES,
	};
	mine->written = bitmap_new(mine->nr_pages);
	if (!mine->written)
		return no_memory(e);
	log->nr_slots++;
	return 0;
}

/* Every page of a block is in a slot, or writes to it would go unseen. In two: by two address spaces, say SMM's. */
static int check_cover(const struct gw_kvm_log *log, const struct gw_ram_block *ram, uint32_t block, struct gw_error *e)
{
	uint64_t nr_pages = ram->size_bytes / GW_PAGE_BYTES, nr;
	uint64_t *covered = bitmap_new(nr_pages);

	if (!covered)
		return no_memory(e);
	for (uint32_t i = 0; i < log->nr_slots; i++)
		if (log->slots[i].block == block)
			bitmap_set_range(covered, log->slots[i].first_page, log->slots[i].nr_pages);
	nr = bitmap_count(covered, nr_pages);
	free(covered);
	if (nr == nr_pages)
		return 0;
	return err_set(e, -EINVAL, where, "%llu of the %llu pages of RAM block %.*s lie in no memory slot",
		       (unsigned long long)(nr_pages - nr), (unsigned long long)nr_pages, GW_NAME_BYTES, ram->id);
}

int kvm_slots_set(struct gw_kvm_log *log, const struct gw_kvm_vm *vm, struct gw_error *e)
{
	int ret = 0;

	log->slots = calloc(vm->nr_slots, sizeof(*log->slots));
	if (!log->slots)
		return no_memory(e);
	for (uint32_t i = 0; !ret && i < vm->nr_slots; i++)
		ret = add_slot(log, &vm->slots[i], vm, e);
	for (uint32_t i = 0; !ret && i < vm->nr_ram; i++)
		ret = check_cover(log, &vm->ram[i], i, e);
	log->nr_blocks = vm->nr_ram;
	return ret;
}

void kvm_slots_free(struct gw_kvm_log *log)
{
	for (uint32_t i = 0; i < log->nr_slots; i++) {
		free(log->slots[i].written);
		free(log->slots[i].loose);
	}
	free(log->slots);
	log->slots = NULL;
	log->nr_slots = 0;
}

static void forget_bits(uint64_t *bits, uint64_t nr)
{
	memset(bits, 0, bitmap_words(nr) * sizeof(*bits));
}

void kvm_slot_forget(struct kvm_log_slot *slot)
{
	forget_bits(slot->written, slot->nr_pages);
	if (slot->has_loose)
		forget_bits(slot->loose, slot->nr_pages);
	slot->has_loose = false;
}

static void tell(const struct kvm_log_slot *slot, const uint64_t *bits, uint64_t *bitmap)
{
	uint64_t first = bitmap_next_set(bits, 0, slot->nr_pages);

	while (first < slot->nr_pages) {
		uint64_t end = bitmap_next_clear(bits, first, slot->nr_pages);

		bitmap_set_range(bitmap, slot->first_page + first, end - first);
		first = bitmap_next_set(bits, end, slot->nr_pages);
	}
}

void kvm_slot_take(struct kvm_log_slot *slot, uint64_t *bitmap)
{
	tell(slot, slot->written, bitmap);
	if (slot->has_loose)
		tell(slot, slot->loose, bitmap);
	forget_bits(slot->written, slot->nr_pages);
}

int kvm_slot_set_logging(struct gw_kvm_log *log, const struct kvm_log_slot *slot, bool on, struct gw_error *e)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot->slot.slot,
		.flags = slot->slot.flags | (on ? KVM_MEM_LOG_DIRTY_PAGES : 0),
		.guest_phys_addr = slot->slot.gpa,
		.memory_size = slot->slot.size_bytes,
		.userspace_addr = (uintptr_t)slot->slot.hva,
	};

	if (!ioctl(log->vm_fd, KVM_SET_USER_MEMORY_REGION, &region))
		return 0;
	return err_set(e, -errno, where, "memory slot %u: logging cannot be switched %s: %s", slot->slot.slot,
		       on ? "on" : "off", strerror(errno));
}
