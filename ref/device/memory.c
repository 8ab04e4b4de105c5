/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Local memory: an anonymous mapping, so that a large one costs nothing until it is written, and a bitmap.
 */
#include "ref/device/memory.h"

#include "ref/device/bits.h"
#include "ref/device_registers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MIN_BYTES ((uint64_t)64 << 10)
#define MAX_BYTES ((uint64_t)1 << 40)

static uint64_t round_up_pow2(uint64_t size)
{
	uint64_t pow2 = 1;

	while (pow2 < size)
		pow2 <<= 1;
	return pow2;
}

int ref_memory_init(struct memory *memory, uint64_t size)
{
	void *data;

	*memory = (struct memory){ .size = size };
	if (size < MIN_BYTES || size > MAX_BYTES || size % 4096)
		return -EINVAL;
	memory->bar_size = round_up_pow2(size);
	memory->nr_blocks = (size + MEMORY_BLOCK_BYTES - 1) / MEMORY_BLOCK_BYTES;
	memory->dirty = calloc(bits_words(memory->nr_blocks), sizeof(uint64_t));
	if (!memory->dirty)
		return -ENOMEM;
	data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (data == MAP_FAILED)
		return -errno;
	memory->data = data;
	return 0;
}

void ref_memory_fini(struct memory *memory)
{
	if (memory->data)
		munmap(memory->data, memory->size);
	free(memory->dirty);
	*memory = (struct memory){ 0 };
}

void ref_memory_fill(struct memory *memory, uint64_t seed)
{
	uint64_t *words = (uint64_t *)memory->data;

	for (uint64_t i = 0; i < memory->size / sizeof(*words); i++)
		words[i] = refdev_fill_word(seed, i);
}

void ref_memory_track(struct memory *memory)
{
	bits_set_range(memory->dirty, 0, memory->nr_blocks - 1);
	memory->nr_dirty = memory->nr_blocks;
	memory->tracking = true;
}

void ref_memory_untrack(struct memory *memory)
{
	memory->tracking = false;
}

void ref_memory_mark(struct memory *memory, uint64_t offset, uint64_t size)
{
	if (!memory->tracking || !size)
		return;
	for (uint64_t b = offset / MEMORY_BLOCK_BYTES; b <= (offset + size - 1) / MEMORY_BLOCK_BYTES; b++) {
		memory->nr_dirty += !bits_test(memory->dirty, b);
		bits_set(memory->dirty, b);
	}
}

uint64_t ref_memory_take(struct memory *memory, uint64_t from)
{
	uint64_t block = bits_next(memory->dirty, from, memory->nr_blocks);

	if (block == memory->nr_blocks)
		block = bits_next(memory->dirty, 0, memory->nr_blocks);
	if (block == memory->nr_blocks)
		return block;
	bits_clear(memory->dirty, block);
	memory->nr_dirty--;
	return block;
}

size_t ref_memory_block_bytes(const struct memory *memory, uint64_t block)
{
	uint64_t left = memory->size - block * MEMORY_BLOCK_BYTES;

	return left < MEMORY_BLOCK_BYTES ? (size_t)left : MEMORY_BLOCK_BYTES;
}
