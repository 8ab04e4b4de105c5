/* SPDX-License-Identifier: BSD-3-Clause */
/* A small reference device with faults, served by a thread, and a client of it that has agreed on all there is. */
#ifndef TEST_FAULT_RIG_H
#define TEST_FAULT_RIG_H

#include "test/unit/ref_client.h"
#include "test/unit/ref_server.h"

#include <errno.h>

enum { ERROR, STOP, RUNNING, STOP_COPY, RESUMING, RUNNING_P2P, PRE_COPY, PRE_COPY_P2P };

#define RIG_OFFER \
	"{\"capabilities\":{\"godwit\":{\"precopy_info\":true,\"p2p\":true,\"stop_size\":true,\"reinit\":true}}}"
#define RIG_STATE_BYTES (128u << 10)
#define RIG_IMAGE_ROOM  (256u << 10)

struct rig {
	struct server s;
	struct ref_client c;
	uint8_t *image;
	uint32_t image_bytes;
};

static inline void rig_connect(struct rig *r)
{
	client_open(&r->c, r->s.path);
	assert_int_equal(client_version(&r->c, RIG_OFFER), 0);
}

/* faults: up to NULL. */
static inline void rig_start(struct rig *r, const char *const *faults)
{
	*r = (struct rig){ .c = { .fd = -1, .data_fd = -1 }, .image = malloc(RIG_IMAGE_ROOM) };
	assert_non_null(r->image);
	ref_device_options_init(&r->s.options);
	r->s.options.state_bytes = RIG_STATE_BYTES;
	while (*faults)
		r->s.options.faults[r->s.options.nr_faults++] = *faults++;
	server_run(&r->s);
}

#define rig_open(r, ...)                                                                \
	do {                                                                            \
		rig_start(r, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL }); \
		rig_connect(r);                                                         \
	} while (0)

static inline void rig_close(struct rig *r)
{
	client_close(&r->c);
	server_stop(&r->s);
	free(r->image);
}

static inline void rig_reconnect(struct rig *r)
{
	client_close(&r->c);
	rig_connect(r);
}

/* Each step is said yes to and done. */
static inline void rig_go(struct rig *r, uint32_t state)
{
	assert_int_equal(client_set_state(&r->c, state), 0);
	assert_int_equal(client_get_state(&r->c), state);
}

static inline void rig_reset(struct rig *r)
{
	assert_int_equal(client_call(&r->c, 13, NULL, 0), 0);
	assert_int_equal(client_get_state(&r->c), RUNNING);
}

/* Reads until an empty read, in the state it is in. */
static inline void rig_read_all(struct rig *r, uint32_t piece)
{
	int n;

	for (r->image_bytes = 0; (n = client_data_read(&r->c, r->c.fd, piece)) > 0; r->image_bytes += (uint32_t)n) {
		assert_true(r->image_bytes + (uint32_t)n <= RIG_IMAGE_ROOM);
		memcpy(r->image + r->image_bytes, r->c.body + 8, (size_t)n);
	}
	assert_int_equal(n, 0);
}

/* From RUNNING and back. */
static inline void rig_save(struct rig *r)
{
	rig_go(r, STOP_COPY);
	rig_read_all(r, 8192);
	rig_go(r, RUNNING);
}

/* What the write says that refused it, or leaving RESUMING says. */
static inline int rig_load(struct rig *r, const uint8_t *image, uint32_t bytes)
{
	rig_go(r, RESUMING);
	for (uint32_t at = 0; at < bytes; at += 4096) {
		int ret = client_data_write(&r->c, r->c.fd, image + at, bytes - at < 4096 ? bytes - at : 4096);

		if (ret)
			return ret;
	}
	return client_set_state(&r->c, STOP);
}

/* DEVICE_FEATURE with these argsz, flags and data; the answer is in c.body. */
static inline int rig_feature(struct rig *r, uint32_t argsz, uint32_t flags, const void *data, size_t bytes)
{
	uint32_t head[2] = { argsz, flags };
	uint8_t body[256] = { 0 };

	assert_true(bytes <= sizeof(body) - sizeof(head));
	memcpy(body, head, sizeof(head));
	if (bytes)
		memcpy(body + sizeof(head), data, bytes);
	return client_call(&r->c, 16, body, sizeof(head) + bytes);
}

static inline uint64_t rig_u64(const struct rig *r, size_t at)
{
	uint64_t value;

	assert_true(at + sizeof(value) <= r->c.size);
	memcpy(&value, r->c.body + at, sizeof(value));
	return value;
}

static inline uint32_t rig_u32(const struct rig *r, size_t at)
{
	uint32_t value;

	assert_true(at + sizeof(value) <= r->c.size);
	memcpy(&value, r->c.body + at, sizeof(value));
	return value;
}

#endif
