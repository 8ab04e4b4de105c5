/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Local memory: an anonymous mapping, so that a large one costs nothing until it is written, and a bitmap. Over its end
 * lies the window, a memfd; to seal it is to put private pages with the same bytes in its place.
 */
#include "ref/device/memory.h"

#include "ref/device/bits.h"
#include "ref/device/shared_copy.h"
#include "ref/device_registers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIN_BYTES ((uint64_t)64 << 10)
#define MAX_BYTES ((uint64_t)1 << 40)

static uint64_t round_up_pow2(uint64_t size)
{
	uint64_t pow2 = 1;

	while (pow2 < size)
		pow2 <<= 1;
	return pow2;
}

static size_t window_bytes(const struct memory *memory)
{
	return (size_t)(memory->size - memory->window);
}

static int map_window(struct memory *memory)
{
	void *at = mmap(memory->data + memory->window, window_bytes(memory), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED, memory->fd, (off_t)memory->window);

	return at == MAP_FAILED ? -errno : 0;
}

/* Nobody who gets the file can make it shorter, which would be a SIGBUS here, or close it to writes. */
static int open_window(struct memory *memory)
{
	memory->window = memory->size > REFDEV_WINDOW_BYTES ? memory->size - REFDEV_WINDOW_BYTES : 0;
	memory->fd = memfd_create("refdev-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory->fd < 0 || ftruncate(memory->fd, (off_t)memory->size) ||
	    fcntl(memory->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -errno;
	return map_window(memory);
}

int ref_memory_init(struct memory *memory, uint64_t size)
{
	void *data;

	*memory = (struct memory){ .size = size, .fd = -1 };
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
	return open_window(memory);
}

void ref_memory_fini(struct memory *memory)
{
	if (memory->data)
		munmap(memory->data, memory->size);
	if (memory->fd >= 0)
		close(memory->fd);
	free(memory->dirty);
	*memory = (struct memory){ .fd = -1 };
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

int ref_memory_share(struct memory *memory)
{
	int fd = fcntl(memory->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	memory->shared = true;
	return fd;
}

int ref_memory_seal(struct memory *memory)
{
	size_t bytes = window_bytes(memory);
	uint8_t *at = memory->data + memory->window, *own;

	if (memory->sealed)
		return 0;
	own = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (own == MAP_FAILED)
		return -errno;
	shared_read(own, at, bytes);
	if (mremap(own, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) == MAP_FAILED) {
		int ret = -errno;

		munmap(own, bytes);
		return ret;
	}
	memory->sealed = true;
	if (memory->shared)
		ref_memory_mark(memory, memory->window, bytes);
	return 0;
}

int ref_memory_unseal(struct memory *memory)
{
	size_t bytes = window_bytes(memory);
	ssize_t n;
	int ret;

	if (!memory->sealed)
		return 0;
	n = pwrite(memory->fd, memory->data + memory->window, bytes, (off_t)memory->window);
	if (n != (ssize_t)bytes)
		return n < 0 ? -errno : -EIO;
	ret = map_window(memory);
	memory->sealed = ret != 0;
	return ret;
}

uint64_t ref_memory_unsettled(const struct memory *memory)
{
	uint64_t blocks = 0;

	if (!memory->shared || memory->sealed)
		return 0;
	for (uint64_t b = memory->window / MEMORY_BLOCK_BYTES; b < memory->nr_blocks; b++)
		blocks += !bits_test(memory->dirty, b);
	return blocks;
}

size_t ref_memory_block_bytes(const struct memory *memory, uint64_t block)
{
	uint64_t left = memory->size - block * MEMORY_BLOCK_BYTES;

	return left < MEMORY_BLOCK_BYTES ? (size_t)left : MEMORY_BLOCK_BYTES;
}
