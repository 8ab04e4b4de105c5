/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stream: records in order, no more than the driver gave credit for, and one interrupt for many records.
 */
#include "ref/device/stream.h"

#include "ref/device/device.h"
#include "ref/device/pace.h"
#include "ref/device/shared_copy.h"

#include <stddef.h>

#define BATCH 64

_Static_assert(sizeof(struct refdev_record) == 64, "a record is 64 bytes on the bus");

static uint64_t interval_ns(const struct registers *regs)
{
	return pace_ns(1, regs->stream_rate);
}

static void halt(struct registers *regs, uint32_t error)
{
	regs->stream_status = error ? REFDEV_STATUS_ERROR : REFDEV_STATUS_IDLE;
	regs->stream_error = error;
}

static void start(struct ref_device *dev)
{
	uint32_t error = ref_registers_check_stream(&dev->regs);

	if (dev->regs.stream_status == REFDEV_STATUS_BUSY)
		return;
	halt(&dev->regs, error);
	if (error)
		return;
	dev->regs.stream_status = REFDEV_STATUS_BUSY;
	dev->engine.stream_carried = false;
	dev->engine.stream_due_ns = pace_add(pace_now(), interval_ns(&dev->regs));
}

/* The engine is held, so that no batch is under way when the indexes or the ring may change. */
void ref_stream_control(struct ref_device *dev, uint32_t control)
{
	ref_engine_hold(dev);
	if (control == REFDEV_STREAM_START) {
		start(dev);
	} else if (control == REFDEV_STREAM_STOP || control == REFDEV_STREAM_RESET) {
		halt(&dev->regs, REFDEV_ERROR_NONE);
	}
	if (control == REFDEV_STREAM_RESET) {
		dev->regs.stream_consumer = 0;
		dev->regs.stream_producer = 0;
		dev->regs.stream_unsignalled = 0;
	}
	ref_engine_release(dev);
}

/* The driver may have found records in the ring that the batch under way has not counted yet: so wait for it. */
void ref_stream_move_consumer(struct ref_device *dev, uint64_t consumer)
{
	struct registers *regs = &dev->regs;

	ref_engine_hold(dev);
	if (consumer < regs->stream_consumer || consumer > regs->stream_producer) {
		halt(regs, REFDEV_ERROR_INDEX);
	} else {
		regs->stream_consumer = consumer;
		dev->engine.stream_moved = true;
	}
	ref_engine_release(dev);
}

void ref_stream_repace(struct ref_device *dev)
{
	uint64_t due_ns = pace_add(pace_now(), interval_ns(&dev->regs));

	if (due_ns < dev->engine.stream_due_ns)
		dev->engine.stream_due_ns = due_ns;
}

/* Records to write now: those that are due, with credit, in one go up to the end of the ring. */
static uint64_t batch_size(const struct registers *regs, uint64_t late_ns)
{
	uint64_t interval = interval_ns(regs);
	uint64_t due = interval ? 1 + late_ns / interval : BATCH;
	uint64_t credit = regs->stream_entries - (regs->stream_producer - regs->stream_consumer);
	uint64_t to_end = regs->stream_entries - regs->stream_producer % regs->stream_entries;
	uint64_t n = due < BATCH ? due : BATCH;

	n = n < credit ? n : credit;
	return n < to_end ? n : to_end;
}

/* The sequence last, and released: who reads it finds the whole record. */
static void write_record(struct refdev_record *slot, uint64_t n, uint64_t serial)
{
	struct refdev_record record = { .serial = serial, .check = refdev_record_check(n, serial) };

	for (size_t i = 0; i < sizeof(record.words) / sizeof(record.words[0]); i++)
		record.words[i] = refdev_mix(record.check + i);
	shared_write(&slot->serial, &record.serial, sizeof(record) - offsetof(struct refdev_record, serial));
	__atomic_store_n(&slot->sequence, n + 1, __ATOMIC_RELEASE);
}

static uint64_t write_batch(struct ref_device *dev, uint64_t nr, uint64_t now_ns)
{
	struct registers *regs = &dev->regs;
	uint64_t first = regs->stream_producer, serial = regs->serial, size = nr * sizeof(struct refdev_record);
	uint64_t at = regs->stream_ring + first % regs->stream_entries * sizeof(struct refdev_record);
	uint8_t *ring = ref_dma_map_find(&dev->maps, at, &size, DMA_WRITE);

	if (!ring) {
		if (!dev->engine.stream_carried)
			halt(regs, REFDEV_ERROR_DMA);
		return PACE_NEVER;
	}
	nr = size / sizeof(struct refdev_record);
	ref_engine_piece_begin(dev, ENGINE_PIECE_OWN);
	for (uint64_t i = 0; i < nr; i++)
		write_record((struct refdev_record *)(void *)ring + i, first + i, serial);
	ref_engine_piece_end(dev);
	ref_engine_wrote(dev, at, size);
	regs->stream_producer = first + nr;
	regs->stream_unsignalled = 1;
	dev->engine.stream_due_ns = pace_next(dev->engine.stream_due_ns, now_ns, pace_ns(nr, regs->stream_rate));
	return now_ns;
}

uint64_t ref_stream_run(struct ref_device *dev, uint64_t now_ns)
{
	const struct registers *regs = &dev->regs;
	uint64_t due_ns = dev->engine.stream_due_ns, late_ns, nr;

	if (regs->stream_status != REFDEV_STATUS_BUSY)
		return PACE_NEVER;
	late_ns = now_ns > due_ns ? now_ns - due_ns : 0;
	nr = batch_size(regs, late_ns < PACE_LAG_NS ? late_ns : 0);
	if (!nr)
		return PACE_NEVER;
	return now_ns < due_ns ? due_ns : write_batch(dev, nr, now_ns);
}

uint64_t ref_stream_raise(struct ref_device *dev, uint64_t now_ns)
{
	struct engine *engine = &dev->engine;
	uint64_t again_ns = pace_add(engine->stream_raised_ns, PACE_MILLISECOND_NS);

	if (!dev->regs.stream_unsignalled)
		return PACE_NEVER;
	if (!engine->stream_moved && now_ns < again_ns)
		return again_ns;
	dev->regs.stream_unsignalled = 0;
	engine->stream_moved = false;
	engine->stream_raised_ns = now_ns;
	ref_irq_raise(&dev->irqs, REFDEV_VECTOR_STREAM);
	return PACE_NEVER;
}
