/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every message there and back at its bounds; cut short at every byte; with every byte changed to every value.
 * What is refused is refused whole; what is taken holds only values that doc/wire.md allows, which message_is_sane
 * says once more in its own words.
 */
#include "message_is_sane.h"
#include "sample_message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOM_BYTES (LIMIT_VM_STATE_BYTES + 64)

struct fixture {
	struct message in, out;
	uint8_t *buf;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->buf = malloc(ROOM_BYTES);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->buf);
	free(f);
	return 0;
}

static size_t encode_sample(struct fixture *f, uint16_t type, enum sample_size size)
{
	ssize_t n;

	sample_message(&f->in, type, size);
	n = message_encode(&f->in, f->buf, ROOM_BYTES);
	assert_true(n >= 0);
	return (size_t)n;
}

static void test_there_and_back(void **state)
{
	struct fixture *f = *state;

	for (uint16_t type = FIRST_MESSAGE_TYPE; type <= LAST_MESSAGE_TYPE; type++)
		for (enum sample_size size = 0; size < NR_SAMPLE_SIZES; size++) {
			size_t n = encode_sample(f, type, size);

			assert_true(n <= message_max_bytes(&f->in));
			assert_int_equal(message_decode(type, f->buf, n, &f->out), 0);
			assert_true(sample_message_equal(&f->in, &f->out));
			assert_true(message_is_sane(&f->out));
			if (n)
				assert_int_equal(message_encode(&f->in, f->buf, n - 1), -EMSGSIZE);
		}
}

/* frame.c's table of longest bodies is neither too small nor larger than it need be. */
static void test_longest_is_the_frames_bound(void **state)
{
	struct fixture *f = *state;

	for (uint16_t type = FIRST_MESSAGE_TYPE; type <= LAST_MESSAGE_TYPE; type++) {
		assert_int_equal(encode_sample(f, type, SAMPLE_MOST), frame_max_bytes(type));
		if (type != FRAME_VM_STATE)
			assert_true(frame_max_bytes(type) <= LIMIT_CONTROL_BYTES);
	}
}

/* And its shortest are the shortest. */
static void test_shortest_is_the_frames_bound(void **state)
{
	struct fixture *f = *state;
	struct frame_header header;

	for (uint16_t type = FIRST_MESSAGE_TYPE; type <= LAST_MESSAGE_TYPE; type++) {
		uint32_t n = (uint32_t)encode_sample(f, type, SAMPLE_LEAST);

		header = (struct frame_header){ .type = type, .body_bytes = n, .head_bytes = n };
		frame_header_encode(f->buf, &header);
		assert_int_equal(frame_header_decode(f->buf, &header), 0);
		header.body_bytes = header.head_bytes = n - 1;
		frame_header_encode(f->buf, &header);
		assert_int_equal(frame_header_decode(f->buf, &header), -EBADMSG);
	}
}

static void test_cut_short(void **state)
{
	struct fixture *f = *state;

	for (uint16_t type = FIRST_MESSAGE_TYPE; type <= LAST_MESSAGE_TYPE; type++)
		for (enum sample_size size = 0; size < NR_SAMPLE_SIZES; size++) {
			size_t n = encode_sample(f, type, size);

			for (size_t cut = 0; cut < n && cut < 100000; cut++) {
				/* A buffer of its own: a read past it shows under a sanitizer. */
				uint8_t *body = malloc(cut ? cut : 1);

				memcpy(body, f->buf, cut);
				assert_int_equal(message_decode(type, body, cut, &f->out), -EBADMSG);
				free(body);
				if (n > 20000)
					cut += 997;
			}
		}
}

static void test_trailing_byte(void **state)
{
	struct fixture *f = *state;

	for (uint16_t type = FIRST_MESSAGE_TYPE; type <= LAST_MESSAGE_TYPE; type++)
		for (enum sample_size size = 0; size < NR_SAMPLE_SIZES; size++) {
			size_t n = encode_sample(f, type, size);

			f->buf[n] = 0;
			assert_int_equal(message_decode(type, f->buf, n + 1, &f->out), -EBADMSG);
		}
}

/* What a changed body decodes to encodes again, and means the same. */
static void check_taken(struct fixture *f, uint16_t type)
{
	uint8_t again[4096];
	struct message *copy = &f->in;
	ssize_t n;

	assert_true(message_is_sane(&f->out));
	n = message_encode(&f->out, again, sizeof(again));
	assert_true(n >= 0);
	assert_int_equal(message_decode(type, again, (size_t)n, copy), 0);
	assert_true(sample_message_equal(copy, &f->out));
}

static void test_every_byte_changed(void **state)
{
	struct fixture *f = *state;

	for (uint16_t type = FIRST_MESSAGE_TYPE; type <= LAST_MESSAGE_TYPE; type++) {
		size_t n = encode_sample(f, type, SAMPLE_PLAIN);

		for (size_t at = 0; at < n; at++) {
			uint8_t kept = f->buf[at];

			for (unsigned value = 0; value < 256; value++) {
				int ret;

				f->buf[at] = (uint8_t)value;
				ret = message_decode(type, f->buf, n, &f->out);
				assert_true(ret == 0 || ret == -EBADMSG);
				if (!ret)
					check_taken(f, type);
			}
			f->buf[at] = kept;
		}
	}
}

/* A field at its place in a plain body, a value that must not be taken. */
static const struct refusal {
	uint16_t type;
	uint16_t at;
	uint8_t bytes; /* of the field */
	uint64_t value;
} refusals[] = {
	{ FRAME_HELLO, 0, 2, 0 },           /* version_min */
	{ FRAME_HELLO, 0, 2, 2 },           /* version_min > version_max */
	{ FRAME_HELLO, 24, 4, 0 },          /* role */
	{ FRAME_HELLO, 24, 4, 4 },          /* role */
	{ FRAME_HELLO, 24, 4, UINT32_MAX }, /* role */
	{ FRAME_HELLO, 28, 4, 2 },          /* channel of nr_channels */
	{ FRAME_HELLO, 32, 4, 0 },          /* nr_channels */
	{ FRAME_HELLO, 32, 4, GW_MAX_CHANNELS + 1 },
	{ FRAME_WELCOME, 0, 2, 0 },
	{ FRAME_WELCOME, 2, 4, 16 }, /* a feature that was not asked for */
	{ FRAME_MANIFEST, 7, 8, 0 }, /* page_bytes */
	{ FRAME_MANIFEST, 7, 8, 4097 },
	{ FRAME_MANIFEST, 7, 8, 2 * GIB },
	{ FRAME_MANIFEST, 15, 4, GW_MAX_RAM_BLOCKS + 1 },
	{ FRAME_MANIFEST, 15, 4, UINT32_MAX },
	{ FRAME_MANIFEST, 19, 4, GW_MAX_DEVICES + 1 },
	{ FRAME_MANIFEST, 28, 8, 1 },           /* gpa off a page */
	{ FRAME_MANIFEST, 28, 8, 0 - 4096ull }, /* wraps */
	{ FRAME_MANIFEST, 36, 8, 0 },           /* size */
	{ FRAME_MANIFEST, 36, 8, 2048 },
	{ FRAME_MANIFEST, 36, 8, LIMIT_RAM_BYTES }, /* with the other block too much */
	{ FRAME_MANIFEST, 36, 8, 0 - 4096ull },
	{ FRAME_ACCEPT, 0, 4, GW_MAX_DEVICES + 1 },
	{ FRAME_ACCEPT, 4, 8, 0 },
	{ FRAME_ACCEPT, 4, 8, LIMIT_DEVICE_BUFFER_BYTES - 1 }, /* a buffer would never fit */
	{ FRAME_ACCEPT, 4, 8, LIMIT_DEVICE_WINDOW_BYTES + 1 },
	{ FRAME_REFUSE, 0, 4, 0 },
	{ FRAME_REFUSE, 0, 4, LIMIT_REASONS + 1 },
	{ FRAME_LOADABLE, 0, 4, GW_MAX_DEVICES + 1 },
	{ FRAME_LOADABLE, 4, 8, LIMIT_DURATION_NS + 1 },
	{ FRAME_GRANT, 0, 4, GW_MAX_DEVICES },
	{ FRAME_GRANT, 12, 8, LIMIT_DEVICE_WINDOW_BYTES + 1 },
	{ FRAME_GRANT, 20, 8, LIMIT_DURATION_NS + 1 },
	{ FRAME_INITIAL_LOADED, 0, 4, GW_MAX_DEVICES },
	{ FRAME_VM_STATE, 0, 4, LIMIT_VM_STATE_BYTES + 1 },
	{ FRAME_VM_STATE, 0, 4, 4 },
	{ FRAME_PREPARE, 16, 8, LIMIT_VM_STATE_BYTES + 1 },
	{ FRAME_PREPARE, 32, 4, GW_MAX_DEVICES + 1 },
	{ FRAME_READY, 0, 8, LIMIT_DURATION_NS + 1 },
	{ FRAME_FAILED, 0, 4, 0 },
	{ FRAME_FAILED, 0, 4, EIO },
	{ FRAME_FAILED, 0, 4, (uint32_t)-4096 },
	{ FRAME_FAILED, 0, 4, 0x80000000 },
	{ FRAME_RUNNING, 0, 8, LIMIT_DURATION_NS + 1 },
	{ FRAME_SUMMARY, 16, 4, GW_MAX_DEVICES + 1 },
	{ FRAME_SUMMARY, 20, 8, LIMIT_DURATION_NS + 1 },
	{ FRAME_SUMMARY, 28, 4, GW_MAX_ARCS + 1 },
	{ FRAME_SUMMARY, 32, 1, GW_NR_STATES },
	{ FRAME_SUMMARY, 33, 1, GW_NR_STATES },
	{ FRAME_SUMMARY, 34, 8, LIMIT_DURATION_NS + 1 },
	{ FRAME_RESUMED, 0, 4, 0 }, /* phase */
	{ FRAME_RESUMED, 0, 4, RESUMED_STARTING + 1 },
	{ FRAME_RESUMED, 4, 4, GW_MAX_CHANNELS + 1 },
	{ FRAME_RESUMED, 4, 4, UINT32_MAX },
	{ FRAME_RESUMED, 24, 4, GW_MAX_DEVICES + 1 },
	{ FRAME_RESUMED, 28, 8, 16 }, /* next: behind what is loaded */
	{ FRAME_RESUMED, 36, 8, 21 }, /* loaded, but has not come */
	{ FRAME_RESUMED, 36, 8, 12 }, /* loaded: behind the initial bytes that are */
	{ FRAME_RESUMED, 44, 8, 18 }, /* initial_loaded, but is not loaded */
	{ FRAME_RESUMED, 44, 8, UINT64_MAX },
	{ FRAME_NEEDS, 0, 4, GW_MAX_NEEDS_BYTES + 1 },
	{ FRAME_NEEDS, 0, 4, UINT32_MAX },
	{ FRAME_NEEDS, 0, 4, 3 }, /* a byte too many came */
	{ FRAME_NEEDS, 0, 4, 5 },
};

static void test_refusals(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct refusal *r = &refusals[i];
		size_t n = encode_sample(f, r->type, SAMPLE_PLAIN);

		assert_true(r->at + r->bytes <= n);
		for (unsigned b = 0; b < r->bytes; b++)
			f->buf[r->at + b] = (uint8_t)(r->value >> 8 * b);
		if (message_decode(r->type, f->buf, n, &f->out) != -EBADMSG)
			fail_msg("refusal %zu was taken", i);
	}
}

/* One list too long, although all of it came, and the body is no longer than it may be with both. */
static void test_long_list(void **state)
{
	struct fixture *f = *state;
	const size_t channels = GW_MAX_CHANNELS + 1, devices = GW_MAX_DEVICES + 1;

	assert_true(12 + channels * 8 < frame_max_bytes(FRAME_RESUMED) &&
		    12 + devices * 24 < frame_max_bytes(FRAME_RESUMED));
	memset(f->buf, 0, 12 + devices * 24);
	f->buf[0] = RESUMED_LOADING;
	f->buf[4] = (uint8_t)channels;
	assert_int_equal(message_decode(FRAME_RESUMED, f->buf, 12 + channels * 8, &f->out), -EBADMSG);
	f->buf[4]--;
	assert_int_equal(message_decode(FRAME_RESUMED, f->buf, 12 + (channels - 1) * 8, &f->out), 0);
	f->buf[4] = 0;
	f->buf[8] = (uint8_t)devices;
	assert_int_equal(message_decode(FRAME_RESUMED, f->buf, 12 + devices * 24, &f->out), -EBADMSG);
	f->buf[8]--;
	assert_int_equal(message_decode(FRAME_RESUMED, f->buf, 12 + (devices - 1) * 24, &f->out), 0);
}

/* A role, and the channel and epoch that go with it. */
static void test_roles(void **state)
{
	static const struct {
		uint32_t role, channel, epoch;
		int ret;
	} cases[] = {
		{ ROLE_CONTROL, 0, 0, 0 },
		{ ROLE_CONTROL, 0, 1, -EBADMSG },
		{ ROLE_CONTROL, 1, 0, -EBADMSG },
		{ ROLE_RESUME, 0, 1, 0 },
		{ ROLE_RESUME, 0, UINT32_MAX, 0 },
		{ ROLE_RESUME, 0, 0, -EBADMSG },
		{ ROLE_RESUME, 1, 1, -EBADMSG },
		{ ROLE_DATA, 0, 0, 0 },
		{ ROLE_DATA, 1, 0, 0 },
		{ ROLE_DATA, 1, UINT32_MAX, 0 },
		{ ROLE_DATA, 2, 0, -EBADMSG },
		{ 0, 0, 0, -EBADMSG },
		{ ROLE_RESUME + 1, 0, 1, -EBADMSG },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ssize_t n;

		sample_message(&f->in, FRAME_HELLO, SAMPLE_PLAIN); /* nr_channels is 2 */
		f->in.hello.role = cases[i].role;
		f->in.hello.channel = cases[i].channel;
		f->in.hello.epoch = cases[i].epoch;
		n = message_encode(&f->in, f->buf, ROOM_BYTES);
		assert_true(n >= 0);
		if (message_decode(FRAME_HELLO, f->buf, (size_t)n, &f->out) != cases[i].ret)
			fail_msg("role %zu", i);
	}
}

/* What the headers say is ignored. */
static void test_from_the_future(void **state)
{
	struct fixture *f = *state;
	size_t n = encode_sample(f, FRAME_HELLO, SAMPLE_PLAIN);

	f->buf[0] = 2; /* version_min 2, version_max 9 */
	f->buf[2] = 9;
	f->buf[7] = 0x80; /* an unknown feature */
	assert_int_equal(message_decode(FRAME_HELLO, f->buf, n, &f->out), 0);
	assert_int_equal(f->out.hello.version_min, 2);
	assert_int_equal(f->out.hello.version_max, 9);
	assert_int_equal(f->out.hello.features, HELLO_VERIFY);

	sample_message(&f->in, FRAME_MANIFEST, SAMPLE_PLAIN);
	f->in.manifest.devices[0].info.dirty_source = GW_DIRTY_TYPE1 + 1;
	n = (size_t)message_encode(&f->in, f->buf, ROOM_BYTES);
	assert_int_equal(message_decode(FRAME_MANIFEST, f->buf, n, &f->out), 0);
	assert_int_equal(f->out.manifest.devices[0].info.dirty_source, GW_DIRTY_NONE);

	n = encode_sample(f, FRAME_REFUSE, SAMPLE_PLAIN);
	f->buf[4] = NR_REASON_CODES; /* the first that is not known */
	assert_int_equal(message_decode(FRAME_REFUSE, f->buf, n, &f->out), 0);
	assert_int_equal(f->out.refuse.list[0].code, REASON_OTHER);
}

static void test_other_types(void **state)
{
	struct fixture *f = *state;
	static const uint16_t types[] = { 0, LAST_MESSAGE_TYPE + 1, 63, FRAME_RAM, FRAME_DEVICE, FRAME_END, 65535 };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		f->in.type = types[i];
		assert_int_equal(message_decode(types[i], f->buf, 0, &f->out), -EPROTONOSUPPORT);
		assert_int_equal(message_encode(&f->in, f->buf, ROOM_BYTES), -EMSGSIZE);
		assert_int_equal(message_max_bytes(&f->in), 0);
		assert_string_equal(message_name(types[i]), "?");
	}
	assert_string_equal(message_name(FRAME_INITIAL_LOADED), "INITIAL_LOADED");
}

/* Our own mistakes: a count over its array is not followed. */
static void test_encode_refuses_counts(void **state)
{
	struct fixture *f = *state;

	sample_message(&f->in, FRAME_MANIFEST, SAMPLE_PLAIN);
	f->in.manifest.nr_devices = GW_MAX_DEVICES + 1;
	assert_int_equal(message_encode(&f->in, f->buf, ROOM_BYTES), -EMSGSIZE);
	sample_message(&f->in, FRAME_SUMMARY, SAMPLE_PLAIN);
	f->in.summary.devices[0].nr_arcs = GW_MAX_ARCS + 1;
	assert_int_equal(message_encode(&f->in, f->buf, ROOM_BYTES), -EMSGSIZE);
	sample_message(&f->in, FRAME_VM_STATE, SAMPLE_MOST);
	f->in.vm_state.nr_bytes++;
	assert_int_equal(message_encode(&f->in, f->buf, ROOM_BYTES), -EMSGSIZE);
	sample_message(&f->in, FRAME_NEEDS, SAMPLE_MOST);
	f->in.needs.nr_bytes++;
	assert_int_equal(message_encode(&f->in, f->buf, ROOM_BYTES), -EMSGSIZE);
	sample_message(&f->in, FRAME_RESUMED, SAMPLE_PLAIN);
	f->in.resumed.nr_channels = GW_MAX_CHANNELS + 1;
	assert_int_equal(message_encode(&f->in, f->buf, ROOM_BYTES), -EMSGSIZE);
	sample_message(&f->in, FRAME_RESUMED, SAMPLE_PLAIN);
	f->in.resumed.nr_devices = GW_MAX_DEVICES + 1;
	assert_int_equal(message_encode(&f->in, f->buf, ROOM_BYTES), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_there_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_longest_is_the_frames_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shortest_is_the_frames_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_short, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trailing_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_byte_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_roles, setup, teardown),
		cmocka_unit_test_setup_teardown(test_from_the_future, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_types, setup, teardown),
		cmocka_unit_test_setup_teardown(test_encode_refuses_counts, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
