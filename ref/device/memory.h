/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's local memory, with the blocks that a save session has still to send. The bytes are contended and
 * touched only with shared_copy.h; the dirty blocks are under the device's lock.
 *
 * The memory is private but for the window at its end (ref/device_registers.h), which is a file that clients may map
 * and hand on to other devices. Who writes there changes device state behind the dirty blocks, so the window is
 * sealed while the device is stopped, and once it was handed out it counts as written whenever it is sealed: what
 * was sent of it before is stale, and what comes later is not the device's state any more.
 */
#ifndef REF_DEVICE_MEMORY_H
#define REF_DEVICE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_BLOCK_BYTES ((size_t)64 << 10)

struct memory {
	uint8_t *data; /* all of it, the window too */
	uint64_t size;
	uint64_t bar_size; /* size rounded up to a power of two */
	uint64_t nr_blocks;
	uint64_t *dirty; /* a bit a block; only looked at while tracking */
	uint64_t nr_dirty;
	bool tracking;

	int fd;          /* holds the window, at its place in the memory; the rest of the file is empty */
	uint64_t window; /* where it begins; it ends with the memory */
	bool shared;     /* the fd was handed out, and nobody knows how long it is kept */
	bool sealed;
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

/* A descriptor of the file, the caller's to close; or -errno. */
int ref_memory_share(struct memory *memory);

/*
 * Sealed, the window is a copy of the device's own: what others write does not reach it. Unsealed, the copy is what
 * others find, and what they wrote meanwhile is gone. Nobody else may be using the memory. 0 or -errno, and then
 * nothing has changed. Sealed already, or not sealed: 0.
 */
int ref_memory_seal(struct memory *memory);
int ref_memory_unseal(struct memory *memory);

/* Blocks that are not dirty and will be when it is sealed. */
uint64_t ref_memory_unsettled(const struct memory *memory);

/* Bytes of a block; the last one may be short. */
size_t ref_memory_block_bytes(const struct memory *memory, uint64_t block);

#endif
