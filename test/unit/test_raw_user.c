/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The uAPI call by call on vfio-user devices: against the reference device, which refuses what the uAPI refuses, and
 * against a server of the test for answers that it does not give. And the ways to open a device.
 */
#include "device/device.h"
#include "fake_user.h"
#include "ref_server.h"

#include "base/bits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define GUEST_BYTES (1024 * 1024)
#define GUEST_IOVA  0x100000

static struct gw_device *open_with(const struct server *s, uint32_t flags)
{
	struct gw_open_options options = { .size = sizeof(options), .flags = flags };
	struct gw_error e = GW_ERROR_NONE;
	struct gw_device *dev;
	char uri[128];

	snprintf(uri, sizeof(uri), "vfio-user:%s", s->path);
	gw_device_open_with(&dev, "dev0", uri, &options, &e);
	assert_string_equal(e.what, "");
	assert_non_null(dev);
	return dev;
}

static int set_state(struct gw_device *dev, uint32_t to)
{
	struct gw_raw_state state = { .state = to };

	return gw_raw_state_set(dev, &state);
}

static uint32_t get_state(struct gw_device *dev)
{
	struct gw_raw_state state = { .state = UINT32_MAX };

	assert_int_equal(gw_raw_state_get(dev, &state), 0);
	assert_int_equal(state.data_fd, -1);
	return state.state;
}

static void test_features(void **unused)
{
	struct gw_raw_feature call;
	struct gw_device *dev;
	struct server s;
	uint64_t flags = 0;

	server_start(&s, 1, 0);
	dev = open_with(&s, 0);
	assert_int_equal(gw_raw_has_data_fd(dev), 0);
	assert_int_equal(gw_raw_data_poll(dev, 1, 0), -EOPNOTSUPP);
	assert_int_equal(gw_raw_data_close(dev), -EOPNOTSUPP);
	call = (struct gw_raw_feature){ .flags = GW_RAW_MIGRATION | GW_RAW_GET, .data = &flags, .data_bytes = 8 };
	assert_int_equal(gw_raw_feature(dev, &call), 0);
	assert_int_equal(flags, 7);
	assert_int_equal(call.got_bytes, 8);
	call.argsz = 9; /* too small for the reply */
	assert_int_equal(gw_raw_feature(dev, &call), -EINVAL);
	assert_int_equal(call.got_bytes, 0);
	call = (struct gw_raw_feature){ .flags = 0x4321 | GW_RAW_PROBE | GW_RAW_GET };
	assert_int_equal(gw_raw_feature(dev, &call), -ENOTTY);
	call = (struct gw_raw_feature){ .flags = GW_RAW_MIGRATION | GW_RAW_PROBE | GW_RAW_SET };
	assert_int_equal(gw_raw_feature(dev, &call), -EINVAL);
	gw_device_close(dev);
	server_stop(&s);
}

/* Nothing is walked: a SET that is no transition goes out and comes back refused, one that is combined is one SET. */
static void test_state(void **unused)
{
	struct gw_raw_precopy info = { 0 };
	struct gw_device *dev;
	struct server s;
	uint8_t buf[64], garbage[4096];
	uint32_t known;

	memset(garbage, 0xff, sizeof(garbage));
	server_start(&s, 1, 0);
	dev = open_with(&s, 0);
	assert_int_equal(get_state(dev), GW_STATE_RUNNING);
	assert_int_equal(set_state(dev, GW_STATE_ERROR), -EINVAL);
	assert_int_equal(set_state(dev, 77), -EINVAL);
	assert_int_equal(gw_raw_data_read(dev, buf, sizeof(buf)), -EINVAL);
	assert_int_equal(gw_raw_data_write(dev, buf, sizeof(buf)), -EINVAL);
	assert_int_equal(gw_raw_precopy_info(dev, &info), -EINVAL);
	assert_int_equal(set_state(dev, GW_STATE_PRE_COPY), 0);
	assert_int_equal(gw_raw_precopy_info(dev, &info), 0);
	assert_true(info.initial_bytes > 0);
	assert_int_equal(gw_raw_data_read(dev, buf, 1), 1);
	assert_int_equal(gw_raw_data_read(dev, buf, sizeof(buf)), sizeof(buf));
	assert_int_equal(gw_raw_data_read(dev, NULL, 0), 0);
	assert_int_equal(set_state(dev, GW_STATE_STOP_COPY), 0);
	assert_int_equal(set_state(dev, GW_STATE_PRE_COPY), -EINVAL);
	assert_int_equal(get_state(dev), GW_STATE_STOP_COPY);
	/* The ordinary calls go on from here. */
	assert_int_equal(gw_device_state_get(dev, &known, NULL), 0);
	assert_int_equal(gw_device_data_read(dev, buf, sizeof(buf), NULL), sizeof(buf));
	assert_int_equal(set_state(dev, GW_STATE_RESUMING), 0);
	assert_int_equal(gw_raw_data_write(dev, garbage, sizeof(garbage)), -EBADMSG);
	assert_int_equal(gw_raw_reset(dev), 0);
	assert_int_equal(get_state(dev), GW_STATE_RUNNING);
	assert_int_equal(gw_device_reset(dev, NULL), 0);
	gw_device_close(dev);
	server_stop(&s);
}

/* Reports are the server's own words: what no ordinary log of this client has heard of comes too, and is ORed. */
static void test_log(void **unused)
{
	struct gw_iova_range range = { GUEST_IOVA, GUEST_BYTES };
	struct gw_dma_map map = { .iova = GUEST_IOVA, .size_bytes = GUEST_BYTES, .prot = 3 };
	uint64_t bitmap[GUEST_BYTES / 4096 / 64] = { 1ull << 63 };
	struct gw_device *dev;
	struct server s;

	server_start(&s, 1, 0);
	dev = open_with(&s, 0);
	map.fd = memfd_create("guest", MFD_CLOEXEC);
	assert_int_equal(ftruncate(map.fd, GUEST_BYTES), 0);
	map.hva = mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, map.fd, 0);
	assert_int_equal(gw_device_dma_map(dev, &map, NULL), 0);
	assert_true(gw_raw_log_report(dev, GUEST_IOVA, GUEST_BYTES, 4096, bitmap) < 0);
	assert_int_equal(gw_raw_log_start(dev, &range, 1, 3), -EINVAL);
	assert_int_equal(gw_raw_log_start(dev, &range, 1, 4096), 0);
	assert_int_equal(gw_raw_log_start(dev, &range, 1, 4096), -EBUSY);
	assert_int_equal(gw_raw_log_report(dev, GUEST_IOVA, GUEST_BYTES, 4096, bitmap), 0);
	assert_true(bitmap[0] == 1ull << 63);
	/* What cannot be is asked for all the same, and the bitmap is not looked at. */
	assert_int_equal(gw_raw_log_report(dev, GUEST_IOVA, GUEST_BYTES, 0, bitmap), -EINVAL);
	assert_int_equal(gw_raw_log_report(dev, UINT64_MAX, 4096, 4096, bitmap), -EINVAL);
	assert_int_equal(gw_raw_log_report(dev, 0, UINT64_MAX, 1, bitmap), -E2BIG);
	assert_int_equal(gw_raw_log_stop(dev), 0);
	gw_device_close(dev);
	munmap(map.hva, GUEST_BYTES);
	close(map.fd);
	server_stop(&s);
}

static void test_as_found(void **unused)
{
	struct gw_device *dev;
	struct server s;

	server_start(&s, 1, 0);
	dev = open_with(&s, 0);
	assert_int_equal(set_state(dev, GW_STATE_STOP_COPY), 0);
	gw_device_close(dev);
	dev = open_with(&s, GW_OPEN_AS_FOUND);
	assert_int_equal(device_state(dev), GW_STATE_STOP_COPY);
	assert_int_equal(get_state(dev), GW_STATE_STOP_COPY);
	assert_true(device_info(dev)->features & GW_FEATURE_RESET);
	gw_device_close(dev);
	dev = open_with(&s, 0);
	assert_int_equal(get_state(dev), GW_STATE_RUNNING);
	gw_device_close(dev);
	server_stop(&s);
}

static void test_plain(void **unused)
{
	struct gw_raw_precopy info = { 0 };
	struct gw_device *dev;
	struct server s;

	server_start(&s, 1, 0);
	dev = open_with(&s, GW_OPEN_PLAIN);
	assert_false(device_info(dev)->features & (GW_FEATURE_DATA_SOCKET | GW_FEATURE_PRECOPY_INFO));
	assert_false(device_info(dev)->migration_flags & GW_MIGRATION_P2P);
	assert_int_equal(set_state(dev, GW_STATE_PRE_COPY), 0);
	assert_int_equal(gw_raw_precopy_info(dev, &info), -ENOTTY);
	gw_device_close(dev);
	server_stop(&s);
}

static void test_unknown_flag(void **unused)
{
	struct gw_open_options options = { .size = sizeof(options), .flags = 1u << 31 };
	struct gw_error e = GW_ERROR_NONE;
	struct gw_device *dev;

	assert_int_equal(gw_device_open_with(&dev, "dev0", "vfio-user:/nowhere", &options, &e), -EINVAL);
	assert_null(dev);
	/* A caller's struct that ends before the flags has none. */
	options.size = sizeof(options.size);
	assert_int_equal(gw_device_open_with(&dev, "dev0", "vfio-user:/nowhere", &options, NULL), -ENOENT);
}

static struct gw_device *open_fake(struct fake_user *f, uint32_t flags)
{
	struct gw_error e = GW_ERROR_NONE;
	struct gw_device *dev;
	void *ctx;

	if (!f->migration_flags)
		f->migration_flags = 5;
	if (!f->state)
		f->state = GW_STATE_RUNNING;
	fake_start(f);
	assert_int_equal(user_open_fd(&ctx, "dev0", f->client_fd, &(struct gw_open_options){ .flags = flags }, &e), 0);
	assert_int_equal(device_new(&dev, "dev0", "", &user_ops, ctx, &e), 0);
	return dev;
}

/* A server that says yes to what it was not asked is not taken at its word. */
static void test_plain_of_an_eager_server(void **unused)
{
	struct fake_user f = { .json = "{\"capabilities\":{\"godwit\":{\"p2p\":true,\"reinit\":true}}}" };
	struct gw_device *dev;

	f.migration_flags = 7;
	dev = open_fake(&f, GW_OPEN_PLAIN);
	assert_int_equal(device_info(dev)->migration_flags, GW_MIGRATION_STOP_COPY | GW_MIGRATION_PRE_COPY);
	gw_device_close(dev);
	fake_join(&f);
	f.state = GW_STATE_RUNNING;
	dev = open_fake(&f, 0);
	assert_int_equal(device_info(dev)->migration_flags, 7);
	gw_device_close(dev);
	fake_join(&f);
}

/* What a test wants the next message of one command to be answered with. */
struct answer {
	uint16_t command;
	uint32_t feature; /* of DEVICE_FEATURE: its number; 0: any */
	uint32_t error;
	uint32_t body_bytes;
	const void *body;
};

static int give_answer(struct fake_user *f, struct fake_message *m)
{
	const struct answer *answer = f->hook_data;

	if (!answer || m->command != answer->command ||
	    (answer->feature && (fake_u32(m, 4) & UINT16_MAX) != answer->feature))
		return 0;
	if (answer->error)
		fake_refuse(f, m, answer->error);
	else
		fake_reply(f, m, answer->body, answer->body_bytes);
	return 1;
}

/* A server that says nothing of itself in the state it was left in can be opened in that state all the same. */
static void test_as_found_of_a_silent_server(void **unused)
{
	struct answer answer = { .command = 4, .error = EINVAL };
	struct fake_user f = { .hook = give_answer, .hook_data = &answer, .state = GW_STATE_STOP };
	struct gw_device *dev = open_fake(&f, GW_OPEN_AS_FOUND);

	assert_int_equal(get_state(dev), GW_STATE_STOP);
	assert_int_equal(f.nr_sets, 0);
	gw_device_close(dev);
	fake_join(&f);
}

static void test_odd_answers(void **unused)
{
	uint8_t many[16 + GW_RAW_FEATURE_BYTES] = { [8] = 1, [79] = 2 }, data[9] = { [8] = 0x5a };
	uint32_t too_much[] = { 24, 16, 0, 0 };
	struct answer answer = { .command = 16, .error = EPIPE };
	struct fake_user f = { .hook = give_answer };
	struct gw_device *dev = open_fake(&f, 0);
	struct gw_raw_feature call = { .flags = GW_RAW_MIG_DATA_SIZE | GW_RAW_GET, .data = data, .data_bytes = 8 };
	struct gw_raw_state state = { .state = 3 };
	uint64_t bits[2] = { 0 };

	f.hook_data = &answer;
	/* An errno that this client has for its own connection. */
	assert_int_equal(gw_raw_feature(dev, &call), -EIO);
	/* More data than there is room for, and none. */
	answer = (struct answer){ .command = 16, .body = many, .body_bytes = sizeof(many) };
	assert_int_equal(gw_raw_feature(dev, &call), 0);
	assert_int_equal(call.got_bytes, GW_RAW_FEATURE_BYTES);
	assert_int_equal(data[0], 1);
	assert_int_equal(data[8], 0x5a);
	answer.body_bytes = 3;
	assert_int_equal(gw_raw_feature(dev, &call), 0);
	assert_int_equal(call.got_bytes, 0);
	assert_int_equal(gw_raw_state_get(dev, &state), -EBADMSG);
	/* A SET need not be answered with data: then the state is the one that was asked for. */
	assert_int_equal(gw_raw_state_set(dev, &state), 0);
	assert_int_equal(state.state, 3);
	assert_int_equal(gw_raw_log_report(dev, 0, 128 * 4096, 4096, bits), -EBADMSG);
	assert_true(!bits[0] && !bits[1]);
	answer = (struct answer){ .command = 17, .body = too_much, .body_bytes = sizeof(too_much) };
	assert_int_equal(gw_raw_data_read(dev, many, 16), -EBADMSG);
	gw_device_close(dev);
	fake_join(&f);
}

/* A VMM's own device has the raw calls that its table has. */
static int take_info(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	return 0;
}

static int own_reset(void *ctx)
{
	return -EDOM;
}

static ssize_t own_read(void *ctx, void *buf, size_t size_bytes)
{
	return 1;
}

static void test_own_table(void **unused)
{
	struct gw_raw_ops raw = { .size = offsetof(struct gw_raw_ops, data_read), .reset = own_reset };
	struct gw_device_ops ops = { .size = sizeof(ops), .info = take_info };
	struct gw_raw_feature feature = { .flags = 0 };
	struct gw_raw_precopy precopy = { .flags = 0 };
	struct gw_raw_state state = { .state = 0 };
	struct gw_iova_range range = { 0, 1 };
	struct gw_device *dev;
	uint64_t word;

	raw.data_read = own_read; /* beyond its size: not there */
	assert_int_equal(gw_device_from_ops(&dev, "dev0", &ops, NULL, NULL), 0);
	assert_int_equal(gw_raw_reset(dev), -EOPNOTSUPP);
	gw_device_close(dev);
	ops.raw = &raw;
	assert_int_equal(gw_device_from_ops(&dev, "dev0", &ops, NULL, NULL), 0);
	assert_int_equal(gw_raw_reset(dev), -EDOM);
	assert_int_equal(gw_raw_feature(dev, &feature), -EOPNOTSUPP);
	assert_int_equal(gw_raw_state_get(dev, &state), -EOPNOTSUPP);
	assert_int_equal(gw_raw_state_set(dev, &state), -EOPNOTSUPP);
	assert_int_equal(gw_raw_data_read(dev, &word, 1), -EOPNOTSUPP);
	assert_int_equal(gw_raw_data_write(dev, &word, 1), -EOPNOTSUPP);
	assert_int_equal(gw_raw_precopy_info(dev, &precopy), -EOPNOTSUPP);
	assert_int_equal(gw_raw_log_start(dev, &range, 1, 4096), -EOPNOTSUPP);
	assert_int_equal(gw_raw_log_stop(dev), -EOPNOTSUPP);
	assert_int_equal(gw_raw_log_report(dev, 0, 1, 1, &word), -EOPNOTSUPP);
	assert_int_equal(gw_raw_has_data_fd(dev), 0);
	gw_device_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_as_found),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_unknown_flag),
		cmocka_unit_test(test_as_found_of_a_silent_server),
		cmocka_unit_test(test_plain_of_an_eager_server),
		cmocka_unit_test(test_odd_answers),
		cmocka_unit_test(test_own_table),
	};

	return cmocka_run_group_tests_name("raw_user", tests, NULL, NULL);
}
