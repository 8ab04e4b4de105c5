/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's local memory, with the blocks that a save session has still to send. The bytes are contended and
 * touched only with shared_copy.h; the dirty blocks are under the device's lock.
 *
 * The memory is private, and BAR 2 is not offered for mmap: a client's CPU writing through a mapping would change
 * device state behind the dirty blocks, and the pre-copied state would be stale without anyone knowing.
 */
#ifndef REF_DEVICE_MEMORY_H
#define REF_DEVICE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_BLOCK_BYTES ((size_t)64 << 10)

struct memory {
	uint8_t *data;
	uint64_t size;
	uint64_t bar_size; /* size rounded up to a power of two */
	uint64_t nr_blocks;
	uint64_t *dirty; /* a bit a block; only looked at while tracking */
	uint64_t nr_dirty;
	bool tracking;
};

int ref_memory_init(struct memory *memory, uint64_t size);
void ref_memory_fini(struct memory *memory);

/*
 * What it holds after power-on and after a reset: bytes that follow from the seed and cannot be compressed, so that
 * the device's state is as large as its memory. The engine is held, no session is open.
 */
void ref_memory_fill(struct memory *memory, uint64_t seed);

/* Starts with every block dirty. */
void ref_memory_track(struct memory *memory);
void ref_memory_untrack(struct memory *memory);

/* To be called after bytes were written, or a save could send the old ones and think them sent. */
void ref_memory_mark(struct memory *memory, uint64_t offset, uint64_t size);

/* Takes the first dirty block at or after `from`, or before it: its number, nr_blocks when none is dirty. */
uint64_t ref_memory_take(struct memory *memory, uint64_t from);

/* Bytes of a block; the last one may be short. */
size_t ref_memory_block_bytes(const struct memory *memory, uint64_t block);

#endif
