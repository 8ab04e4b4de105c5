/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A reference device that re-arms, without sockets: it is asked, read and stopped, and what was read is kept, to be
 * loaded into another one.
 */
#ifndef TEST_REARM_RIG_H
#define TEST_REARM_RIG_H

#include "ref/device/device.h"
#include "ref/device/region.h"
#include "ref/device/state_format.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ALL_CAPS    (MIG_CAP_STOP_COPY | MIG_CAP_P2P | MIG_CAP_PRE_COPY)
#define MEMORY      ((uint64_t)1 << 20) /* 16 blocks, 4 of them the initial part */
#define STREAM_ROOM ((size_t)8 << 20)
#define BLOCK       ((uint64_t)STATE_RECORD_BYTES + MEMORY_BLOCK_BYTES)
#define REARMED     (STATE_RECORD_BYTES + STATE_REARM_BYTES + 4 * BLOCK)

struct rig {
	struct ref_device_options options;
	struct ref_device dev;
	uint8_t *stream;
	size_t size;
};

static inline void start(struct rig *r, uint32_t rearms, uint32_t rearms_p2p)
{
	ref_device_options_init(&r->options);
	r->options.state_bytes = MEMORY;
	r->options.rearms = rearms;
	r->options.rearms_p2p = rearms_p2p;
	assert_int_equal(ref_device_init(&r->dev, &r->options, -1), 0);
	ref_device_attach(&r->dev);
	ref_migration_opt_in(&r->dev);
	r->stream = malloc(STREAM_ROOM);
	r->size = 0;
	assert_non_null(r->stream);
}

static inline void end(struct rig *r)
{
	free(r->stream);
	ref_device_detach(&r->dev);
	ref_device_fini(&r->dev);
}

static inline void go(struct rig *r, uint32_t state)
{
	assert_int_equal(ref_migration_set(&r->dev, state, ALL_CAPS), 0);
}

static inline struct precopy_left ask(struct rig *r)
{
	struct precopy_left left;

	assert_int_equal(ref_migration_precopy_left(&r->dev, &left), 0);
	return left;
}

static inline void expect_left(struct rig *r, uint64_t initial, bool reinit)
{
	struct precopy_left left = ask(r);

	assert_int_equal(left.initial, initial);
	assert_int_equal(left.reinit, reinit);
}

static inline void take(struct rig *r, uint64_t bytes)
{
	uint64_t done_ns;

	assert_true(r->size + bytes <= STREAM_ROOM);
	assert_int_equal(ref_migration_read(&r->dev, r->stream + r->size, bytes, &done_ns), bytes);
	r->size += bytes;
}

static inline void take_all(struct rig *r)
{
	uint64_t done_ns;
	ssize_t n = ref_migration_read(&r->dev, r->stream + r->size, STREAM_ROOM - r->size, &done_ns);

	assert_true(n >= 0);
	r->size += (size_t)n;
}

static inline void write_block(struct rig *r, uint64_t block, uint8_t value)
{
	uint8_t bytes[16];

	memset(bytes, value, sizeof(bytes));
	assert_int_equal(ref_region_write(&r->dev, REFDEV_BAR_MEMORY, block * MEMORY_BLOCK_BYTES, bytes, sizeof(bytes)),
			 0);
}

/* 0, or the first error; the device is RUNNING again. */
static inline int load(const uint8_t *stream, size_t size, const struct ref_device *same_as)
{
	struct rig to;
	uint64_t done_ns;
	int ret;

	start(&to, 0, 0);
	go(&to, MIG_RESUMING);
	ret = ref_migration_write(&to.dev, stream, size, &done_ns);
	if (!ret)
		ret = ref_migration_set(&to.dev, MIG_STOP, ALL_CAPS);
	if (!ret)
		assert_memory_equal(to.dev.memory.data, same_as->memory.data, MEMORY);
	end(&to);
	return ret;
}

#endif
