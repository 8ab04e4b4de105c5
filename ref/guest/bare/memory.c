/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory for who has no C library: what compilers call for, and a heap that is given out and never taken back, between
 * the image and the mailbox, all zeros at the start.
 */
#include "ref/guest/bare_guest.h"

#include <stdlib.h>
#include <string.h>

#define HEAP_ALIGN 64

_Static_assert(BARE_IMAGE_GPA == 0x100000 && BARE_MAILBOX_GPA == 0x300000, "bare.ld has the same");
_Static_assert(BARE_MAX_VCPUS == 4, "start.S has as many stacks");

extern uint8_t heap[];

static size_t heap_used;

void *memset(void *to, int value, size_t size_bytes)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(size_bytes) : "a"(value) : "memory");
	return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size_bytes)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size_bytes) : : "memory");
	return to;
}

void *memmove(void *to, const void *from, size_t size_bytes)
{
	uint8_t *end = (uint8_t *)to + size_bytes - 1;
	const uint8_t *from_end = (const uint8_t *)from + size_bytes - 1;

	if ((uintptr_t)to - (uintptr_t)from >= size_bytes)
		return memcpy(to, from, size_bytes);
	__asm__ volatile("std; rep movsb; cld" : "+D"(end), "+S"(from_end), "+c"(size_bytes) : : "memory");
	return to;
}

int memcmp(const void *one, const void *other, size_t size_bytes)
{
	const uint8_t *a = one, *b = other;

	for (; size_bytes; size_bytes--, a++, b++)
		if (*a != *b)
			return *a - *b;
	return 0;
}

size_t strlen(const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	return length;
}

void *malloc(size_t size_bytes)
{
	size_t room = (size_t)((uint8_t *)BARE_MAILBOX_GPA - heap);
	uint8_t *at = heap + heap_used;

	if (size_bytes > room - heap_used)
		return NULL;
	heap_used += (size_bytes + HEAP_ALIGN - 1) / HEAP_ALIGN * HEAP_ALIGN;
	if (heap_used > room)
		heap_used = room;
	return at;
}

void *calloc(size_t nr, size_t size_bytes)
{
	size_t all;

	return __builtin_mul_overflow(nr, size_bytes, &all) ? NULL : malloc(all);
}

void free(void *at)
{
}
