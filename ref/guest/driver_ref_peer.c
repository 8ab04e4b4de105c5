/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stamps of the reference device into the next device's memory, as fast as it can write them, all the time. Now
 * and then, and first of all after a move, they are stopped for a moment, and the peer's memory must hold as many as
 * the device counts, each of them whole. One that is missing or torn stays so: no later one covers it up.
 */
#include "ref/guest/driver_ref.h"

#include "ref/base/vm_thread.h"

#include <errno.h>
#include <string.h>

#define LOOK_EVERY_NS (50 * NS_PER_MS)

/* The power of two that the device takes, of what fits into the window. */
static uint32_t entries_of(const struct peer_window *peer)
{
	uint32_t entries = REFDEV_STREAM_MAX_ENTRIES;

	while (entries && entries * sizeof(struct refdev_slot) > peer->size_bytes)
		entries >>= 1;
	return entries;
}

void driver_ref_peer_start(struct driver_ref *ref)
{
	const struct peer_window *peer = ref->env.peer;
	struct mmio *registers = &ref->registers;

	if (!peer)
		return;
	ref->peer.entries = entries_of(peer);
	ref->peer.serial = mmio_get_u64(registers, REFDEV_REG_SERIAL);
	memset(peer->hva, 0, ref->peer.entries * sizeof(struct refdev_slot));
	mmio_put_u32(registers, REFDEV_REG_PEER_CONTROL, REFDEV_STREAM_RESET);
	mmio_put_u64(registers, REFDEV_REG_PEER_RING, peer->iova);
	mmio_put_u32(registers, REFDEV_REG_PEER_ENTRIES, ref->peer.entries);
	mmio_put_u64(registers, REFDEV_REG_PEER_RATE, 0);
	mmio_put_u32(registers, REFDEV_REG_PEER_CONTROL, REFDEV_STREAM_START);
}

static uint64_t word_of(const struct refdev_slot *slot, uint64_t i)
{
	return __atomic_load_n(&slot->words[i], __ATOMIC_RELAXED);
}

static int is_torn(const struct driver_ref *ref, const struct refdev_slot *slot)
{
	uint64_t stamps = word_of(slot, 0);

	for (uint64_t i = 1; i < REFDEV_STAMP_WORDS; i++)
		if (word_of(slot, i) != stamps * refdev_stamp_word(ref->peer.serial, i))
			return 1;
	return 0;
}

/* What a slot holds of the stamps that the device counts; a torn one may have any number in it. */
static void look_at(struct driver_ref *ref, uint64_t count)
{
	const struct refdev_slot *slots = (const void *)ref->env.peer->hva;
	uint64_t nr_lost = 0, nr_extra = 0, nr_torn = 0;

	for (uint32_t s = 0; s < ref->peer.entries; s++) {
		uint64_t right = refdev_slot_stamps(count, ref->peer.entries, s), there = word_of(&slots[s], 0);

		if (is_torn(ref, &slots[s]))
			nr_torn++;
		else if (there < right)
			nr_lost += right - there;
		else
			nr_extra += there - right;
	}
	if (!nr_lost && !nr_extra && !nr_torn)
		return;
	ref->peer.wrong = 1;
	integrity_fail(
		ref->env.integrity,
		"%s: of %llu writes into the memory of %s %llu are lost, %llu more are there, %llu slots are torn",
		ref->id, (unsigned long long)count, ref->env.peer->id, (unsigned long long)nr_lost,
		(unsigned long long)nr_extra, (unsigned long long)nr_torn);
}

void driver_ref_peer_tick(struct driver_ref *ref, uint64_t now_ns)
{
	struct mmio *registers = &ref->registers;
	uint32_t status;
	uint64_t count;

	if (!ref->peer.entries || ref->peer.wrong || now_ns < ref->peer.look_ns)
		return;
	status = mmio_get_u32(registers, REFDEV_REG_PEER_STATUS);
	mmio_put_u32(registers, REFDEV_REG_PEER_CONTROL, REFDEV_STREAM_STOP);
	count = mmio_get_u64(registers, REFDEV_REG_PEER_COUNT);
	if (registers->error.code)
		return;
	if (status != REFDEV_STATUS_BUSY || count < atomic_load_explicit(&ref->peer.nr_checked, memory_order_relaxed)) {
		ref->peer.wrong = 1;
		integrity_fail(ref->env.integrity, "%s: writes into the memory of %s ended in status %u, at %llu",
			       ref->id, ref->env.peer->id, status, (unsigned long long)count);
		return;
	}
	look_at(ref, count);
	mmio_put_u32(registers, REFDEV_REG_PEER_CONTROL, REFDEV_STREAM_START);
	atomic_store_explicit(&ref->peer.nr_checked, count, memory_order_relaxed);
	ref->peer.look_ns = now_ns + LOOK_EVERY_NS;
}

void driver_ref_peer_save(const struct driver_ref *ref, struct blob_out *out)
{
	blob_put_u32(out, ref->peer.entries);
	blob_put_u32(out, ref->peer.wrong);
	blob_put_u64(out, ref->peer.serial);
	blob_put_u64(out, atomic_load_explicit(&ref->peer.nr_checked, memory_order_relaxed));
}

int driver_ref_peer_load(struct driver_ref *ref, struct blob_in *in)
{
	uint32_t here = ref->env.peer ? entries_of(ref->env.peer) : 0;

	ref->peer.entries = blob_get_u32(in);
	ref->peer.wrong = blob_get_u32(in);
	ref->peer.serial = blob_get_u64(in);
	atomic_store_explicit(&ref->peer.nr_checked, blob_get_u64(in), memory_order_relaxed);
	ref->peer.look_ns = 0;
	return in->bad || ref->peer.entries != here || ref->peer.wrong > 1 ? -EBADMSG : 0;
}
