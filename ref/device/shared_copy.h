/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copying memory that others write to meanwhile: the guest's, and the device's own (a driver, the DMA engine and
 * a save all touch it at once, as with hardware). Words are copied by relaxed atomic accesses, so a race gives
 * an old or a new word and never undefined behaviour; order comes from the device's lock. `shared` may be
 * contended, `own` may not.
 */
#ifndef REF_DEVICE_SHARED_COPY_H
#define REF_DEVICE_SHARED_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes from p to the next word boundary, at most size. */
static inline size_t shared_head(const void *p, size_t size)
{
	size_t head = -(uintptr_t)p % sizeof(uint64_t);

	return head < size ? head : size;
}

static inline void shared_read(void *own, const void *shared, size_t size)
{
	const uint8_t *from = shared;
	uint8_t *to = own;

	for (size_t n = shared_head(from, size); n; n--, size--)
		*to++ = __atomic_load_n(from++, __ATOMIC_RELAXED);
	for (; size >= sizeof(uint64_t); size -= sizeof(uint64_t)) {
		uint64_t word = __atomic_load_n((const uint64_t *)(const void *)from, __ATOMIC_RELAXED);

		memcpy(to, &word, sizeof(word));
		to += sizeof(word);
		from += sizeof(word);
	}
	for (; size; size--)
		*to++ = __atomic_load_n(from++, __ATOMIC_RELAXED);
}

static inline void shared_write(void *shared, const void *own, size_t size)
{
	const uint8_t *from = own;
	uint8_t *to = shared;

	for (size_t n = shared_head(to, size); n; n--, size--)
		__atomic_store_n(to++, *from++, __ATOMIC_RELAXED);
	for (; size >= sizeof(uint64_t); size -= sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, from, sizeof(word));
		__atomic_store_n((uint64_t *)(void *)to, word, __ATOMIC_RELAXED);
		to += sizeof(word);
		from += sizeof(word);
	}
	for (; size; size--)
		__atomic_store_n(to++, *from++, __ATOMIC_RELAXED);
}

/* From shared to shared memory, by way of the stack. */
static inline void shared_move(void *to, const void *from, size_t size)
{
	uint8_t own[4096];

	while (size) {
		size_t n = size < sizeof(own) ? size : sizeof(own);

		shared_read(own, from, n);
		shared_write(to, own, n);
		to = (uint8_t *)to + n;
		from = (const uint8_t *)from + n;
		size -= n;
	}
}

#endif
