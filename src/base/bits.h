/* SPDX-License-Identifier: BSD-3-Clause */
/* Small arithmetic that C lacks. Arguments of the macros are evaluated once or are constants. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define ARRAY_SIZE(a)      (sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#define KIB                1024ull
#define MIB                (1024ull * KIB)
#define GIB                (1024ull * MIB)

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline bool is_power_of_2(uint64_t n)
{
	return n && !(n & (n - 1));
}

static inline bool is_aligned(uint64_t n, uint64_t power_of_2)
{
	return !(n & (power_of_2 - 1));
}

/* Is [start, start + size) a range that does not wrap? */
static inline bool range_is_sane(uint64_t start, uint64_t size)
{
	return size && start + (size - 1) >= start;
}

#endif
