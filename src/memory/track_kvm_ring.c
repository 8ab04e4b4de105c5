/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dirty ring: each vCPU has a queue of the pages it was the first to write, in memory that it shares with us. An
 * entry goes from the kernel's hands (DIRTY) to ours, and back (RESET); KVM_RESET_DIRTY_RINGS takes all those back and
 * protects their pages again. A vCPU whose ring is full leaves KVM_RUN until it was emptied. Pages that the processor
 * itself still has on a list of its own (PML) come with the vCPU's next exit: the last sync is after the pause, so none
 * is missed.
 *
 * Two kernels' faults are dealt with. Linux 6.16 and later end a reset early if the thread has a signal, and drop the
 * last up to 64 pages that they have taken back: counted, not protected. So signals are blocked meanwhile; and after
 * a reset that was short all the same (a stop signal, a debugger, task work) the pages it may have dropped are told by
 * every sync until logging starts anew. (One that is cut between the last entry and its end counts as whole: blocked
 * signals are all that helps there.) And a KVM that overruns a ring, which must never happen, has lost pages; it
 * shows as a ring that is full to the last entry, entries that the kernel does not take back, or a hole.
 */
#include "base/bitmap.h"
#include "base/bits.h"
#include "base/err.h"
#include "memory/track_kvm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

#define RESET_TRIES 64 /* of which none takes an entry back */

struct kvm_ring {
	struct kvm_dirty_gfn *gfns;
	uint32_t next; /* to be looked at, counted without end */
};

struct kvm_handed {
	uint32_t slot; /* its place in the log */
	uint64_t page;
};

static size_t ring_bytes(const struct gw_kvm_log *log)
{
	return (size_t)log->ring_entries * sizeof(struct kvm_dirty_gfn);
}

static void detach(struct gw_kvm_log *log)
{
	for (uint32_t i = 0; i < log->nr_rings; i++)
		munmap(log->rings[i].gfns, ring_bytes(log));
	free(log->rings);
	free(log->handed);
	log->rings = NULL;
	log->handed = NULL;
	log->nr_rings = 0;
}

/* An fd that can be mapped and has no ring there would be found by a bus error. */
static int map_ring(struct gw_kvm_log *log, int vcpu_fd, struct gw_error *e)
{
	off_t offset = (off_t)KVM_DIRTY_LOG_PAGE_OFFSET * GW_PAGE_BYTES;
	void *at = mmap(NULL, ring_bytes(log), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, offset);

	if (at == MAP_FAILED)
		return err_set(e, -EBADFD, "kvm", "the dirty ring of vCPU %u, fd %d, cannot be mapped: %s",
			       log->nr_rings, vcpu_fd, strerror(errno));
	if (madvise(at, ring_bytes(log), MADV_POPULATE_READ) && errno == EFAULT) {
		munmap(at, ring_bytes(log));
		return err_set(e, -EBADFD, "kvm", "vCPU %u, fd %d, has no dirty ring of %u entries", log->nr_rings,
			       vcpu_fd, log->ring_entries);
	}
	log->rings[log->nr_rings++].gfns = at;
	return 0;
}

static int attach(struct gw_kvm_log *log, const struct gw_kvm_vm *vm, struct gw_error *e)
{
	bool lacks = false;
	int ret = 0;

	if (!vm->nr_vcpus)
		return err_set(e, -EINVAL, "kvm", "a dirty ring needs the fds of the vCPUs");
	log->rings = calloc(vm->nr_vcpus, sizeof(*log->rings));
	log->handed = calloc(vm->nr_vcpus, log->ring_entries * sizeof(*log->handed));
	for (uint32_t i = 0; i < log->nr_slots; i++) {
		log->slots[i].loose = bitmap_new(log->slots[i].nr_pages);
		lacks |= !log->slots[i].loose;
	}
	if (!log->rings || !log->handed || lacks)
		return err_set(e, -ENOMEM, "kvm", "no memory for the dirty log");
	for (uint32_t i = 0; !ret && i < vm->nr_vcpus; i++)
		ret = map_ring(log, vm->vcpu_fds[i], e);
	return ret;
}

/* For good: no later sync can make up for it. */
static int lose(struct gw_kvm_log *log, const char *why, struct gw_error *e)
{
	log->lost = why;
	return err_set(e, -EOVERFLOW, "kvm", "writes to guest RAM are lost: %s", why);
}

static int overrun(struct gw_kvm_log *log, struct gw_error *e)
{
	return lose(log, "this kernel's KVM has overrun a dirty ring; use the dirty bitmap", e);
}

static struct kvm_dirty_gfn *entry_at(const struct gw_kvm_log *log, const struct kvm_ring *ring, uint32_t nr)
{
	return &ring->gfns[nr & (log->ring_entries - 1)];
}

static bool is_dirty(const struct kvm_dirty_gfn *gfn)
{
	return __atomic_load_n(&gfn->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_DIRTY;
}

/* A slot that is not the log's is one that the VMM logs for itself: the screen's, say. */
static int take_page(struct gw_kvm_log *log, uint32_t number, uint64_t page, struct gw_error *e)
{
	uint32_t i = 0;

	log->nr_unreset++;
	while (i < log->nr_slots && log->slots[i].slot.slot != number)
		i++;
	if (i == log->nr_slots)
		return 0;
	if (page >= log->slots[i].nr_pages)
		return lose(log, "a memory slot has been changed behind the dirty log's back", e);
	bitmap_set(log->slots[i].written, page);
	log->handed[log->nr_handed++] = (struct kvm_handed){ .slot = i, .page = page };
	return 0;
}

/* KVM keeps some entries free for what the processor has not told yet: a ring without any was overrun, or nearly. */
static int empty_ring(struct gw_kvm_log *log, struct kvm_ring *ring, struct gw_error *e)
{
	int ret = 0;

	for (uint32_t nr = 0; !ret && nr < log->ring_entries; nr++, ring->next++) {
		struct kvm_dirty_gfn *gfn = entry_at(log, ring, ring->next);

		if (!is_dirty(gfn))
			return 0;
		ret = take_page(log, gfn->slot, gfn->offset, e);
		__atomic_store_n(&gfn->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
	}
	return ret ? ret : overrun(log, e);
}

/* What was handed over may have stayed writable, unlogged. */
static void loosen(struct gw_kvm_log *log)
{
	for (uint64_t i = 0; i < log->nr_handed; i++) {
		struct kvm_log_slot *slot = &log->slots[log->handed[i].slot];

		bitmap_set(slot->loose, log->handed[i].page);
		slot->has_loose = true;
	}
}

/* Whatever has cut it short (not a signal: they are blocked) is dealt with on the way out of the call. */
static int reset(struct gw_kvm_log *log, struct gw_error *e)
{
	for (int tries = 0; log->nr_unreset && tries < RESET_TRIES; tries++) {
		int nr = ioctl(log->vm_fd, KVM_RESET_DIRTY_RINGS, 0);

		if (nr < 0 || (uint64_t)nr < log->nr_unreset)
			loosen(log);
		if (nr < 0 && errno != EINTR)
			return err_set(e, -errno, "kvm", "the dirty rings cannot be reset: %s", strerror(errno));
		if (nr > 0 && (uint64_t)nr > log->nr_unreset)
			return overrun(log, e);
		if (nr > 0) {
			log->nr_unreset -= (uint64_t)nr;
			tries = 0;
		}
	}
	return log->nr_unreset ? overrun(log, e) : 0;
}

static int empty_rings(struct gw_kvm_log *log, struct gw_error *e)
{
	int ret = log->lost ? lose(log, log->lost, e) : 0;
	sigset_t all, before;

	log->nr_handed = 0;
	for (uint32_t i = 0; !ret && i < log->nr_rings; i++)
		ret = empty_ring(log, &log->rings[i], e);
	if (ret)
		return ret;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = reset(log, e);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret;
}

/* The kernel fills entries in turn: one that is dirty has no clean one before it, as far back as the next. */
static bool has_hole(const struct gw_kvm_log *log, const struct kvm_ring *ring)
{
	for (uint32_t i = 1; i < log->ring_entries; i++)
		if (is_dirty(entry_at(log, ring, ring->next + i)))
			return !is_dirty(entry_at(log, ring, ring->next));
	return false;
}

int kvm_ring_full(struct gw_kvm_log *log, struct gw_error *e)
{
	int ret = empty_rings(log, e);

	for (uint32_t i = 0; !ret && i < log->nr_rings; i++)
		if (has_hole(log, &log->rings[i]))
			ret = overrun(log, e);
	return ret;
}

/* Of all blocks at once: the rings know no blocks. */
static int collect(struct gw_kvm_log *log, uint32_t block, struct gw_error *e)
{
	return empty_rings(log, e);
}

const struct kvm_way kvm_ring_way = {
	.mode = GW_KVM_LOG_RING,
	.name = "KVM dirty ring",
	.attach = attach,
	.detach = detach,
	.collect = collect,
};
