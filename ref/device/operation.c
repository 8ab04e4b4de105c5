/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations, piece by piece. A piece ends no later than a guest map does, and takes about a hundredth of a second
 * at the set rate, so that a park is quick and progress is smooth.
 */
#include "ref/device/operation.h"

#include "ref/device/device.h"
#include "ref/device/pace.h"
#include "ref/device/shared_copy.h"

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#define PIECES_PER_SECOND 100

struct piece {
	uint8_t *local;
	uint8_t *guest;
	uint64_t index; /* bytes from the start of the operation */
	uint64_t size;
	uint64_t seed;
};

static void fill(struct engine *engine, const struct piece *piece)
{
	for (uint64_t i = 0; i < piece->size; i += sizeof(uint64_t)) {
		uint64_t word = refdev_fill_word(piece->seed, (piece->index + i) / sizeof(word));

		shared_write(piece->local + i, &word, sizeof(word));
	}
}

static void copy_in(struct engine *engine, const struct piece *piece)
{
	shared_move(piece->local, piece->guest, piece->size);
}

static void copy_out(struct engine *engine, const struct piece *piece)
{
	shared_move(piece->guest, piece->local, piece->size);
}

static void checksum(struct engine *engine, const struct piece *piece)
{
	if (!piece->index)
		XXH3_64bits_reset_withSeed(engine->hash, piece->seed);
	for (uint64_t i = 0; i < piece->size; i += ENGINE_BOUNCE_BYTES) {
		uint64_t left = piece->size - i;
		size_t n = left < ENGINE_BOUNCE_BYTES ? (size_t)left : ENGINE_BOUNCE_BYTES;

		shared_read(engine->bounce, piece->local + i, n);
		XXH3_64bits_update(engine->hash, engine->bounce, n);
	}
}

static const struct operation {
	void (*work)(struct engine *engine, const struct piece *piece);
	uint32_t guest_rights; /* what it needs of guest memory; 0: it touches none */
	bool writes_local;
} operations[] = {
	[REFDEV_OP_FILL] = { fill, 0, true },
	[REFDEV_OP_COPY_IN] = { copy_in, DMA_READ, true },
	[REFDEV_OP_COPY_OUT] = { copy_out, DMA_WRITE, false },
	[REFDEV_OP_CHECKSUM] = { checksum, 0, false },
};

static uint64_t piece_bytes(const struct registers *regs)
{
	uint64_t size = regs->op_rate / PIECES_PER_SECOND & ~7ull;
	uint64_t left = regs->op_length - regs->op_progress;

	if (!regs->op_rate || size > ENGINE_PIECE_BYTES)
		size = ENGINE_PIECE_BYTES;
	if (size < sizeof(uint64_t))
		size = sizeof(uint64_t);
	return size < left ? size : left;
}

static uint64_t piece_ns(const struct registers *regs)
{
	return pace_ns(piece_bytes(regs), regs->op_rate);
}

static void finish(struct ref_device *dev, uint32_t error)
{
	struct registers *regs = &dev->regs;

	regs->op_status = error ? REFDEV_STATUS_ERROR : REFDEV_STATUS_DONE;
	regs->op_error = error;
	regs->op_result = regs->op_progress;
	if (!error && regs->op_code == REFDEV_OP_CHECKSUM)
		regs->op_result = XXH3_64bits_digest(dev->engine.hash);
	regs->op_completed++;
	regs->op_last_tag = regs->op_tag;
	ref_irq_raise(&dev->irqs, REFDEV_VECTOR_OPERATION);
}

/* The whole guest range has to be there at the start, so that what is missing later is a map that went away. */
static uint32_t check_guest(const struct ref_device *dev)
{
	uint32_t rights = operations[dev->regs.op_code].guest_rights;
	uint64_t at = dev->regs.op_guest, left = dev->regs.op_length;

	while (rights && left) {
		uint64_t size = left;

		if (!ref_dma_map_find(&dev->maps, at, &size, rights))
			return REFDEV_ERROR_DMA;
		at += size;
		left -= size;
	}
	return REFDEV_ERROR_NONE;
}

void ref_operation_start(struct ref_device *dev)
{
	uint32_t error;

	if (dev->regs.op_status == REFDEV_STATUS_BUSY)
		return;
	dev->regs.op_progress = 0;
	dev->regs.op_result = 0;
	dev->engine.op_hashed = 0;
	dev->engine.op_carried = false;
	error = ref_registers_check_operation(&dev->regs);
	if (!error)
		error = check_guest(dev);
	if (error) {
		finish(dev, error);
		return;
	}
	dev->regs.op_error = REFDEV_ERROR_NONE;
	dev->regs.op_status = REFDEV_STATUS_BUSY;
	dev->engine.op_due_ns = pace_add(pace_now(), piece_ns(&dev->regs));
}

void ref_operation_repace(struct ref_device *dev)
{
	uint64_t due_ns;

	if (dev->regs.op_status != REFDEV_STATUS_BUSY)
		return;
	due_ns = pace_add(pace_now(), piece_ns(&dev->regs));
	if (due_ns < dev->engine.op_due_ns)
		dev->engine.op_due_ns = due_ns;
}

static void do_piece(struct ref_device *dev, const struct piece *piece)
{
	const struct operation *op = &operations[dev->regs.op_code];
	uint64_t local = dev->regs.op_local + piece->index;

	ref_engine_piece_begin(dev, ENGINE_PIECE_OWN);
	op->work(&dev->engine, piece);
	ref_engine_piece_end(dev);
	if (op->writes_local)
		ref_memory_mark(&dev->memory, local, piece->size);
	if (op->guest_rights & DMA_WRITE)
		ref_engine_wrote(dev, dev->regs.op_guest + piece->index, piece->size);
}

/* A checksum that came with a migration: hashes again what had been hashed there. The rate is not charged. */
static uint64_t catch_up(struct ref_device *dev, struct piece *piece, uint64_t now_ns)
{
	piece->index = dev->engine.op_hashed;
	piece->size = dev->regs.op_progress - piece->index;
	if (piece->size > ENGINE_PIECE_BYTES)
		piece->size = ENGINE_PIECE_BYTES;
	piece->local = dev->memory.data + dev->regs.op_local + piece->index;
	do_piece(dev, piece);
	dev->engine.op_hashed += piece->size;
	return now_ns;
}

uint64_t ref_operation_run(struct ref_device *dev, uint64_t now_ns)
{
	struct registers *regs = &dev->regs;
	struct piece piece = { .index = regs->op_progress, .seed = regs->op_seed };
	uint32_t rights;

	if (regs->op_status != REFDEV_STATUS_BUSY)
		return PACE_NEVER;
	if (regs->op_code == REFDEV_OP_CHECKSUM && dev->engine.op_hashed < regs->op_progress)
		return catch_up(dev, &piece, now_ns);
	if (now_ns < dev->engine.op_due_ns)
		return dev->engine.op_due_ns;
	piece.size = piece_bytes(regs);
	piece.local = dev->memory.data + regs->op_local + piece.index;
	rights = operations[regs->op_code].guest_rights;
	if (rights) {
		piece.guest = ref_dma_map_find(&dev->maps, regs->op_guest + piece.index, &piece.size, rights);
		if (!piece.guest && dev->engine.op_carried)
			return PACE_NEVER;
		if (!piece.guest) {
			finish(dev, REFDEV_ERROR_DMA);
			return PACE_NEVER;
		}
	}
	do_piece(dev, &piece);
	regs->op_progress += piece.size;
	dev->engine.op_hashed += piece.size;
	if (regs->op_progress == regs->op_length)
		finish(dev, REFDEV_ERROR_NONE);
	else
		dev->engine.op_due_ns = pace_next(dev->engine.op_due_ns, now_ns, piece_ns(regs));
	return now_ns;
}
