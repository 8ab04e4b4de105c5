/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every bound in one place: what godwit takes from a peer at most, and what it uses by default. A decoder
 * refuses what is over a bound before it allocates anything for it.
 */
#ifndef MODEL_LIMITS_H
#define MODEL_LIMITS_H

#include "base/bits.h"
#include "base/clock.h"

#include <godwit/report.h>
#include <godwit/vm.h>

/* RAM is cut into chunks; a chunk always travels on the same channel. */
#define LIMIT_CHUNK_BYTES  (2 * MIB)
#define LIMIT_CHUNK_PAGES  (LIMIT_CHUNK_BYTES / GW_PAGE_BYTES)
#define LIMIT_CHUNK_WORDS  (LIMIT_CHUNK_PAGES / 64)
#define LIMIT_RAM_BYTES    (1ull << 46) /* 64 TiB in all */
#define LIMIT_RUNS_A_FRAME LIMIT_CHUNK_PAGES

#define LIMIT_DEVICE_BUFFER_BYTES   (1 * MIB) /* payload of one device buffer */
#define LIMIT_DEVICE_WINDOW_BYTES   (48 * MIB)
#define DEFAULT_DEVICE_WINDOW_BYTES (16 * MIB)

#define LIMIT_DEVICE_BUFFER_COST (16 * KIB) /* the least credit a buffer takes: bounds how many can be on the way */

#define LIMIT_CONTROL_BYTES  (256 * KIB) /* payload of a control message but VM_STATE */
#define LIMIT_VM_STATE_BYTES (16 * MIB)
#define LIMIT_REASONS        32 /* in one REFUSE */
#define LIMIT_TEXT_BYTES     GW_ERROR_WHAT_BYTES

#define LIMIT_DURATION_NS (24 * 3600 * NS_PER_S) /* of any time a peer tells: a few of them add without a wrap */

#define DEFAULT_CHANNELS    2
#define DEFAULT_DOWNTIME_NS (300 * NS_PER_MS)
#define DEFAULT_STALL_NS    (10 * NS_PER_S)

#define DEFAULT_RECONNECT_NS (30 * NS_PER_S)
#define LIMIT_RECONNECT_NS   (600 * NS_PER_S) /* a destination holds a guest for no longer on a source's word */

/* The credit that a buffer with so many bytes of device state takes until it is loaded. */
static inline uint64_t device_buffer_cost(uint64_t bytes)
{
	return max_u64(bytes, LIMIT_DEVICE_BUFFER_COST);
}

#endif
