/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * KVM's dirty log: the choice of a way, start and stop. What is written between two syncs is in the slots' bits or
 * still with the kernel; a sync has the kernel's handed over and protected again before it takes the bits, so a page
 * that is read after a sync is read as it was then, or it is written anew and told by the next.
 *
 * Source of the rules: Documentation/virt/kvm/api.rst, KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG,
 * KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 and KVM_CAP_DIRTY_LOG_RING.
 */
#include "memory/track_kvm.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/export.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char where[] = "kvm";

static int enable(int vm_fd, uint32_t cap, uint64_t value)
{
	struct kvm_enable_cap enable_cap = { .cap = cap, .args = { value } };

	return ioctl(vm_fd, KVM_ENABLE_CAP, &enable_cap) ? -errno : 0;
}

/*
 * kvm_pvm emulates up to 1024 instructions before it looks whether a ring is full, each of which may write a page; a
 * ring keeps 64 entries in reserve. What it writes beyond them replaces entries that nobody has read.
 */
static bool ring_is_known_to_lose(void)
{
	return !access("/sys/module/kvm_pvm", F_OK);
}

static int use_ring(struct gw_kvm_log *log, uint32_t entries, struct gw_error *e)
{
	int most = ioctl(log->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING), ret;
	uint64_t bytes = (uint64_t)entries * sizeof(struct kvm_dirty_gfn);

	if (!is_power_of_2(entries))
		return err_set(e, -EINVAL, where, "a dirty ring of %u entries: not a power of two", entries);
	if (most <= 0)
		return err_set(e, -EOPNOTSUPP, where, "this kernel's KVM has no dirty ring");
	if (ring_is_known_to_lose())
		return err_set(e, -EOPNOTSUPP, where,
			       "the dirty ring of this kernel's KVM, kvm_pvm, loses writes: use the dirty bitmap");
	if (bytes > (uint64_t)most)
		return err_set(e, -E2BIG, where, "a dirty ring of %u entries: this kernel has at most %zu", entries,
			       (size_t)most / sizeof(struct kvm_dirty_gfn));
	ret = enable(log->vm_fd, KVM_CAP_DIRTY_LOG_RING, bytes);
	if (ret)
		return err_set(e, ret, where,
			       "a dirty ring of %u entries cannot be had (the VM has a vCPU already?): %s", entries,
			       strerror(-ret));
	/* If the VMM had switched this on, pages would not be protected when logging starts. Not there: just as well.
	 */
	enable(log->vm_fd, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0);
	log->ring_entries = entries;
	log->way = &kvm_ring_way;
	return 0;
}

/* A kernel that has no manual protection protects whatever it reports by itself: no failure. */
static void use_bitmap(struct gw_kvm_log *log)
{
	int has = ioctl(log->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);
	uint64_t wanted = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET;

	if (has > 0 && has & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE)
		log->manual = !enable(log->vm_fd, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, (uint64_t)has & wanted);
	log->way = &kvm_bitmap_way;
}

static int check_new(int vm_fd, int mode, struct gw_error *e)
{
	if (mode < GW_KVM_LOG_AUTO || mode > GW_KVM_LOG_RING)
		return err_set(e, -EINVAL, where, "dirty log: there is no mode %d", mode);
	if (sysconf(_SC_PAGESIZE) != GW_PAGE_BYTES)
		return err_set(e, -EOPNOTSUPP, where, "KVM's dirty log counts in pages of %ld bytes, godwit in %u",
			       sysconf(_SC_PAGESIZE), GW_PAGE_BYTES);
	/* /dev/kvm answers this as well, and is the only one to know the other. */
	if (ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_USER_MEMORY) <= 0 || ioctl(vm_fd, KVM_GET_API_VERSION, 0) >= 0)
		return err_set(e, -ENOTTY, where, "fd %d is not a KVM VM", vm_fd);
	return 0;
}

GW_EXPORT int gw_kvm_log_new(struct gw_kvm_log **log, int vm_fd, int mode, uint32_t ring_entries, struct gw_error *e)
{
	struct gw_kvm_log *made;
	int ret = check_new(vm_fd, mode, e);

	*log = NULL;
	if (ret)
		return ret;
	made = calloc(1, sizeof(*made));
	if (!made)
		return err_set(e, -ENOMEM, where, "no memory for a dirty log");
	made->vm_fd = vm_fd;
	if (mode == GW_KVM_LOG_RING)
		ret = use_ring(made, ring_entries ? ring_entries : GW_KVM_LOG_RING_ENTRIES, e);
	else
		use_bitmap(made);
	if (ret) {
		free(made);
		return ret;
	}
	pthread_mutex_init(&made->lock, NULL);
	*log = made;
	return 0;
}

GW_EXPORT int gw_kvm_log_attach(struct gw_kvm_log *log, const struct gw_kvm_vm *vm, struct gw_error *e)
{
	int ret;

	if (log->slots)
		return err_set(e, -EALREADY, where, "the dirty log has been attached already");
	if (vm->size < sizeof(*vm) || !vm->nr_slots || !vm->nr_ram)
		return err_set(e, -EINVAL, where, "gw_kvm_log_attach: a size, memory slots and RAM are needed");
	ret = kvm_slots_set(log, vm, e);
	if (!ret)
		ret = log->way->attach(log, vm, e);
	if (ret) {
		log->way->detach(log);
		kvm_slots_free(log);
	}
	return ret;
}

/* What an earlier migration has left behind is of no interest; and whatever was loose, the start has protected. */
static int forget(struct gw_kvm_log *log, struct gw_error *e)
{
	int ret = 0;

	pthread_mutex_lock(&log->lock);
	for (uint32_t block = 0; !ret && block < log->nr_blocks; block++)
		ret = log->way->collect(log, block, e);
	for (uint32_t i = 0; i < log->nr_slots; i++)
		kvm_slot_forget(&log->slots[i]);
	pthread_mutex_unlock(&log->lock);
	return ret;
}

GW_EXPORT int gw_kvm_log_start(struct gw_kvm_log *log, struct gw_error *e)
{
	int ret = 0;

	if (!log->slots)
		return err_set(e, -EINVAL, where, "the dirty log has not been attached");
	if (log->started)
		return err_set(e, -EALREADY, where, "the dirty log has been started already");
	for (uint32_t i = 0; !ret && i < log->nr_slots; i++)
		ret = kvm_slot_set_logging(log, &log->slots[i], true, e);
	if (!ret)
		ret = forget(log, e);
	log->started = true;
	if (ret)
		gw_kvm_log_stop(log);
	return ret;
}

GW_EXPORT int gw_kvm_log_sync(struct gw_kvm_log *log, uint32_t block, uint64_t *bitmap, struct gw_error *e)
{
	int ret;

	if (!log->started)
		return err_set(e, -EINVAL, where, "the dirty log has not been started");
	if (block >= log->nr_blocks || !bitmap)
		return err_set(e, -EINVAL, where, "gw_kvm_log_sync: no RAM block %u, or no bitmap", block);
	pthread_mutex_lock(&log->lock);
	ret = log->way->collect(log, block, e);
	for (uint32_t i = 0; !ret && i < log->nr_slots; i++)
		if (log->slots[i].block == block)
			kvm_slot_take(&log->slots[i], bitmap);
	pthread_mutex_unlock(&log->lock);
	return ret;
}

GW_EXPORT int gw_kvm_log_ring_full(struct gw_kvm_log *log, struct gw_error *e)
{
	int ret;

	if (!log->rings)
		return err_set(e, -EINVAL, where, "this dirty log has no ring");
	pthread_mutex_lock(&log->lock);
	ret = kvm_ring_full(log, e);
	pthread_mutex_unlock(&log->lock);
	return ret;
}

GW_EXPORT void gw_kvm_log_stop(struct gw_kvm_log *log)
{
	for (uint32_t i = 0; log->started && i < log->nr_slots; i++)
		kvm_slot_set_logging(log, &log->slots[i], false, NULL);
	log->started = false;
}

GW_EXPORT void gw_kvm_log_free(struct gw_kvm_log *log)
{
	if (!log)
		return;
	gw_kvm_log_stop(log);
	log->way->detach(log);
	kvm_slots_free(log);
	pthread_mutex_destroy(&log->lock);
	free(log);
}

GW_EXPORT int gw_kvm_log_mode(const struct gw_kvm_log *log)
{
	return log->way->mode;
}

GW_EXPORT const char *gw_kvm_log_name(const struct gw_kvm_log *log)
{
	return log->way->name;
}
