/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading and writing packed integers, with an error that sticks: a decoder reads like a list and is checked
 * once, at the end. After the first value that does not fit every read gives 0 and every write is dropped.
 * The vfio-user protocol is host-endian; device.h has the device's reason to be little-endian.
 */
#ifndef REF_DEVICE_CURSOR_H
#define REF_DEVICE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static inline struct cursor cursor_over(const void *data, size_t size)
{
	return (struct cursor){ .at = data, .left = size };
}

/* The next size bytes, or NULL. */
static inline const uint8_t *cursor_take(struct cursor *c, size_t size)
{
	const uint8_t *at = c->at;

	if (c->bad || size > c->left) {
		c->bad = true;
		return NULL;
	}
	if (size) {
		c->at += size;
		c->left -= size;
	}
	return at;
}

static inline void cursor_copy(struct cursor *c, void *value, size_t size)
{
	const uint8_t *at = cursor_take(c, size);

	memset(value, 0, size);
	if (at)
		memcpy(value, at, size);
}

static inline uint16_t cursor_u16(struct cursor *c)
{
	uint16_t value;

	cursor_copy(c, &value, sizeof(value));
	return value;
}

static inline uint32_t cursor_u32(struct cursor *c)
{
	uint32_t value;

	cursor_copy(c, &value, sizeof(value));
	return value;
}

static inline uint64_t cursor_u64(struct cursor *c)
{
	uint64_t value;

	cursor_copy(c, &value, sizeof(value));
	return value;
}

struct writer {
	uint8_t *at;
	size_t left;
	bool bad;
};

static inline struct writer writer_over(void *data, size_t size)
{
	return (struct writer){ .at = data, .left = size };
}

static inline void writer_put(struct writer *w, const void *value, size_t size)
{
	if (w->bad || size > w->left) {
		w->bad = true;
		return;
	}
	if (!size)
		return;
	memcpy(w->at, value, size);
	w->at += size;
	w->left -= size;
}

static inline void writer_u16(struct writer *w, uint16_t value)
{
	writer_put(w, &value, sizeof(value));
}

static inline void writer_u32(struct writer *w, uint32_t value)
{
	writer_put(w, &value, sizeof(value));
}

static inline void writer_u64(struct writer *w, uint64_t value)
{
	writer_put(w, &value, sizeof(value));
}

#endif
