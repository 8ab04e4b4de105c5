/* SPDX-License-Identifier: BSD-3-Clause */
/* A deadline some time from now, where now is an event's; one past the end of time is DEADLINE_NEVER. */
#ifndef ENGINE_DEADLINE_H
#define ENGINE_DEADLINE_H

#include "base/clock.h"

static inline uint64_t deadline_after(uint64_t now_ns, uint64_t ns)
{
	return ns < DEADLINE_NEVER - now_ns ? now_ns + ns : DEADLINE_NEVER;
}

#endif
