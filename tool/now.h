/* SPDX-License-Identifier: BSD-3-Clause */
/* The clock that only goes forward, as the library's traces have it. */
#ifndef TOOL_NOW_H
#define TOOL_NOW_H

#include <stdint.h>
#include <time.h>

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
