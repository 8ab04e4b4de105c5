/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stamps, in pieces that are long beside what the lock is held for between them: at full speed there is nearly always
 * one under way.
 */
#include "ref/device/peer.h"

#include "ref/device/device.h"
#include "ref/device/pace.h"

#define PIECE 4096 /* stamps */

_Static_assert(sizeof(struct refdev_slot) == 64, "a slot is 64 bytes on the bus");

static uint64_t interval_ns(const struct registers *regs)
{
	return pace_ns(1, regs->peer_rate);
}

static void halt(struct registers *regs, uint32_t error)
{
	regs->peer_status = error ? REFDEV_STATUS_ERROR : REFDEV_STATUS_IDLE;
	regs->peer_error = error;
}

/* Not carried: where nothing is mapped for it, that is an error and not a wait. */
static void start(struct ref_device *dev)
{
	uint32_t error = ref_registers_check_peer(&dev->regs);

	if (dev->regs.peer_status == REFDEV_STATUS_BUSY)
		return;
	halt(&dev->regs, error);
	if (error)
		return;
	dev->regs.peer_status = REFDEV_STATUS_BUSY;
	dev->engine.peer_carried = false;
	dev->engine.peer_due_ns = pace_add(pace_now(), interval_ns(&dev->regs));
}

/* Held, so that what the driver reads after it is what the peer's memory has. */
void ref_peer_control(struct ref_device *dev, uint32_t control)
{
	ref_engine_hold_peers(dev);
	if (control == REFDEV_STREAM_START)
		start(dev);
	else if (control == REFDEV_STREAM_STOP || control == REFDEV_STREAM_RESET)
		halt(&dev->regs, REFDEV_ERROR_NONE);
	if (control == REFDEV_STREAM_RESET)
		dev->regs.peer_count = 0;
	ref_engine_release_peers(dev);
}

void ref_peer_repace(struct ref_device *dev)
{
	uint64_t due_ns = pace_add(pace_now(), interval_ns(&dev->regs));

	if (due_ns < dev->engine.peer_due_ns)
		dev->engine.peer_due_ns = due_ns;
}

static uint64_t stamps_due(const struct registers *regs, uint64_t late_ns)
{
	uint64_t interval = interval_ns(regs);
	uint64_t due = interval ? 1 + late_ns / interval : PIECE;

	return due < PIECE ? due : PIECE;
}

/* Nobody else writes this memory, so reading and writing back a word need not be one step. */
static void write_stamp(struct refdev_slot *slot, const uint64_t words[REFDEV_STAMP_WORDS])
{
	for (size_t i = 0; i < REFDEV_STAMP_WORDS; i++) {
		uint64_t word = __atomic_load_n(&slot->words[i], __ATOMIC_RELAXED);

		__atomic_store_n(&slot->words[i], word + words[i], __ATOMIC_RELAXED);
	}
}

static void write_stamps(struct refdev_slot *ring, uint32_t entries, uint64_t first, uint64_t nr, uint64_t serial)
{
	uint64_t words[REFDEV_STAMP_WORDS];

	for (uint64_t i = 0; i < REFDEV_STAMP_WORDS; i++)
		words[i] = refdev_stamp_word(serial, i);
	for (uint64_t n = first; n < first + nr; n++)
		write_stamp(&ring[n & (entries - 1)], words);
}

/* The ring as memory; NULL: not all of it is mapped in one piece, to be read and written. */
static struct refdev_slot *find_ring(const struct ref_device *dev, uint64_t *bytes)
{
	uint64_t found;
	void *ring;

	*bytes = (uint64_t)dev->regs.peer_entries * sizeof(struct refdev_slot);
	found = *bytes;
	ring = ref_dma_map_find(&dev->maps, dev->regs.peer_ring, &found, DMA_READ | DMA_WRITE);
	return ring && found == *bytes ? ring : NULL;
}

uint64_t ref_peer_run(struct ref_device *dev, uint64_t now_ns)
{
	struct registers *regs = &dev->regs;
	uint64_t due_ns = dev->engine.peer_due_ns, nr, bytes;
	struct refdev_slot *ring;

	if (regs->peer_status != REFDEV_STATUS_BUSY)
		return PACE_NEVER;
	if (now_ns < due_ns)
		return due_ns;
	ring = find_ring(dev, &bytes);
	if (!ring) {
		if (!dev->engine.peer_carried)
			halt(regs, REFDEV_ERROR_DMA);
		return PACE_NEVER;
	}
	nr = stamps_due(regs, now_ns - due_ns < PACE_LAG_NS ? now_ns - due_ns : 0);
	ref_engine_piece_begin(dev, ENGINE_PIECE_PEER);
	write_stamps(ring, regs->peer_entries, regs->peer_count, nr, regs->serial);
	ref_engine_piece_end(dev);
	ref_engine_wrote(dev, regs->peer_ring, bytes);
	regs->peer_count += nr;
	dev->engine.peer_due_ns = pace_next(due_ns, now_ns, pace_ns(nr, regs->peer_rate));
	return now_ns;
}
