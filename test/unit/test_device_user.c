/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user back end against a scripted server: opening, what is believed of VERSION, and each call's bytes on
 * the wire, as a server sees them.
 */
#include "fake_user.h"

#include "base/bits.h"
#include "model/device_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FULL_JSON                                                                                          \
	"{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":1048576,\"pgsizes\":4096,\"godwit\":" \
	"{\"precopy_info\":true,\"stop_size\":true,\"p2p\":true}}}"

static struct gw_device *open_fake(struct fake_user *f, struct gw_error *e)
{
	struct gw_device *dev = NULL;
	void *ctx;

	fake_start(f);
	if (user_open_fd(&ctx, "dev0", f->client_fd, &(struct gw_open_options){ 0 }, e))
		return NULL;
	assert_int_equal(device_new(&dev, "dev0", "", &user_ops, ctx, e), 0);
	return dev;
}

static void close_fake(struct fake_user *f, struct gw_device *dev)
{
	gw_device_close(dev);
	fake_join(f);
}

/* Whatever VERSION says, a server that speaks 0.x is understood or refused, never misunderstood. */
static void test_versions(void **unused)
{
	static const struct {
		const char *json;
		uint16_t major, minor;
		int code;
		uint32_t max_maps;
		uint32_t flags; /* of migration, where the server claims all */
	} cases[] = {
		{ NULL, 0, 0, 0, 65535, 5 },
		{ "{}", 0, 2, 0, 65535, 5 },
		{ "", 0, 0, 0, 65535, 5 },
		{ "{\"capabilities\":{}}", 0, 1, 0, 65535, 5 },
		{ "{\"capabilities\":7}", 0, 1, 0, 65535, 5 },
		{ "{\"capabilities\":{\"max_dma_maps\":16}}", 0, 0, 0, 16, 5 },
		{ "{\"capabilities\":{\"max_dma_maps\":\"16\",\"max_msg_fds\":[],\"pgsizes\":null}}", 0, 0, 0, 65535,
		  5 },
		{ "{\"capabilities\":{\"max_dma_maps\":-1,\"max_data_xfer_size\":0}}", 0, 0, 0, 65535, 5 },
		{ "{\"capabilities\":{\"migration\":{\"pgsize\":4096,\"max_bitmap_size\":\"x\"},\"what\":{}}}", 0, 0, 0,
		  65535, 5 },
		{ "{\"capabilities\":{\"twin_socket\":{\"supported\":true,\"fd_index\":0}}}", 0, 0, 0, 65535, 5 },
		{ "{\"capabilities\":{\"godwit\":true}}", 0, 0, 0, 65535, 5 },
		{ "{\"capabilities\":{\"godwit\":{\"p2p\":1}}}", 0, 0, 0, 65535, 5 },
		{ "{\"capabilities\":{\"godwit\":{\"p2p\":true}}}", 0, 0, 0, 65535, 7 },
		{ "{\"capabilities\":{\"godwit\":{\"p2p\":{\"supported\":true}}}}", 0, 0, 0, 65535, 7 },
		/* A data socket that was promised and did not come. */
		{ "{\"capabilities\":{\"godwit\":{\"data_socket\":{\"supported\":true,\"fd_index\":9}}}}", 0, 0, 0,
		  65535, 5 },
		{ "{}", 1, 0, -EPROTONOSUPPORT, 0, 0 },
		{ "{}", 0, 3, -EPROTONOSUPPORT, 0, 0 },
		{ "{", 0, 0, -EBADMSG, 0, 0 },
		{ "[]", 0, 0, -EBADMSG, 0, 0 },
		{ "\xff\xfe", 0, 0, -EBADMSG, 0, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_user f = { .json = cases[i].json,
				       .major = cases[i].major,
				       .minor = cases[i].minor,
				       .migration_flags = 7,
				       .state = GW_STATE_RUNNING };
		struct gw_error e = GW_ERROR_NONE;
		struct gw_device_info info;
		struct gw_device *dev = open_fake(&f, &e);

		assert_int_equal(e.code, cases[i].code);
		if (cases[i].code) {
			assert_null(dev);
			fake_join(&f);
			continue;
		}
		assert_int_equal(gw_device_get_info(dev, &info, NULL), 0);
		assert_int_equal(info.max_dma_maps, cases[i].max_maps);
		assert_int_equal(info.migration_flags, cases[i].flags);
		assert_string_equal(info.backend, "vfio-user");
		assert_int_equal(info.nr_regions, 9);
		assert_true(info.features & GW_FEATURE_RESET);
		assert_false(info.features & (GW_FEATURE_PCI | GW_FEATURE_DATA_SOCKET | GW_FEATURE_STOP_SIZE));
		close_fake(&f, dev);
	}
}

static void test_json_without_end(void **unused)
{
	struct fake_user f = { .json = "{\"capabilities\":{\"max_dma_maps\":16}}", .json_bytes = 36 };
	struct gw_device_info info;
	struct gw_device *dev = open_fake(&f, NULL);

	gw_device_get_info(dev, &info, NULL);
	assert_int_equal(info.max_dma_maps, 16);
	assert_int_equal(info.migration_flags, 0);
	close_fake(&f, dev);
}

/* The offer, as a server reads it. */
static int check_offer(struct fake_user *f, struct fake_message *m)
{
	static const char *const parts[] = { "\"max_msg_fds\":8",
					     "\"max_data_xfer_size\":1048576",
					     "\"pgsizes\":",
					     "\"write_multiple\":false",
					     "\"migration\":{\"pgsize\":",
					     "\"precopy_info\":true",
					     "\"stop_size\":true",
					     "\"p2p\":true",
					     "\"data_socket\":",
					     "\"reinit\":true" };

	if (m->command != 1)
		return 0;
	assert(f->nr_messages == 1 && !m->flags && m->body[0] == 0 && m->body[1] == 0);
	assert(!m->body[m->body_bytes - 1]);
	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
		assert(strstr((char *)m->body + 4, parts[i]));
	return 0;
}

static void test_offer(void **unused)
{
	struct fake_user f = { .hook = check_offer };
	struct gw_device *dev = open_fake(&f, NULL);

	assert_non_null(dev);
	close_fake(&f, dev);
}

/* A device that an earlier client left somewhere is RUNNING before anything else is asked. */
static int strict_in_states(struct fake_user *f, struct fake_message *m)
{
	if (f->state == GW_STATE_RUNNING || m->command == 1 || m->command == 16)
		return 0;
	if (m->command == 13 && (f->state == GW_STATE_ERROR || f->state == GW_STATE_RESUMING))
		return 0;
	fake_refuse(f, m, EINVAL);
	return 1;
}

static void test_left_in_a_state(void **unused)
{
	for (uint32_t state = 0; state < GW_NR_STATES; state++) {
		struct fake_user f = {
			.hook = strict_in_states, .json = FULL_JSON, .migration_flags = 7, .state = state
		};
		struct gw_error e = GW_ERROR_NONE;
		struct gw_device *dev = open_fake(&f, &e);

		assert_int_equal(e.code, 0);
		assert_int_equal(device_state(dev), GW_STATE_RUNNING);
		assert_int_equal(f.nr_resets, state == GW_STATE_ERROR || state == GW_STATE_RESUMING);
		close_fake(&f, dev);
	}
}

struct seen {
	uint32_t nr;
	uint32_t starts[16], counts[16], fds[16], flags[16];
	uint32_t largest;
	uint64_t left; /* of the device's state */
	uint32_t pad;
};

static int see(struct fake_user *f, struct fake_message *m)
{
	struct seen *seen = f->hook_data;
	uint32_t n, asked;
	uint8_t *body;

	if (m->command == 8 && seen->nr < 16) {
		seen->flags[seen->nr] = fake_u32(m, 4);
		seen->starts[seen->nr] = fake_u32(m, 12);
		seen->counts[seen->nr] = fake_u32(m, 16);
		seen->fds[seen->nr++] = m->nr_fds;
	}
	if (m->command == 10 || m->command == 18) {
		n = m->command == 10 ? fake_u32(m, 12) : fake_u32(m, 4);
		seen->largest = n > seen->largest ? n : seen->largest;
		seen->nr++;
	}
	if (m->command != 17)
		return 0;
	/* Device state; the reply is padded to what was asked, as servers are known to do. */
	asked = fake_u32(m, 4);
	n = (uint32_t)min_u64(asked, seen->left);
	seen->left -= n;
	seen->largest = asked;
	body = calloc(1, 8 + (size_t)asked);
	memset(body + 8, 0x5a, n);
	memcpy(body + 4, &n, 4);
	fake_reply(f, m, body, 8 + (seen->pad ? asked : n));
	free(body);
	return 1;
}

static void test_interrupts(void **unused)
{
	struct seen seen = { .nr = 0 };
	struct fake_user f = { .hook = see, .hook_data = &seen, .json = "{\"capabilities\":{\"max_msg_fds\":3}}" };
	struct gw_device *dev = open_fake(&f, NULL);
	int fds[10];

	for (int i = 0; i < 10; i++)
		fds[i] = i == 4 || i == 5 ? -1 : f.client_fd;
	assert_int_equal(gw_device_irq_set(dev, GW_IRQ_MSIX, 1, 10, fds, NULL), 0);
	assert_int_equal(seen.nr, 5);
	for (unsigned i = 0; i < 5; i++) {
		static const uint32_t starts[] = { 1, 4, 5, 7, 10 }, counts[] = { 3, 1, 2, 3, 1 },
				      with[] = { 3, 1, 0, 3, 1 };

		assert_int_equal(seen.starts[i], starts[i]);
		assert_int_equal(seen.counts[i], counts[i]);
		assert_int_equal(seen.fds[i], with[i]);
		assert_int_equal(seen.flags[i], 0x24);
	}
	assert_int_equal(gw_device_irq_set(dev, GW_IRQ_MSIX, 0, 0, NULL, NULL), 0);
	assert_int_equal(seen.flags[5], 0x21);
	assert_int_equal(seen.counts[5], 0);
	close_fake(&f, dev);
}

static void test_interrupts_are_masked(void **unused)
{
	struct seen seen = { .nr = 0 };
	struct fake_user f = { .hook = see, .hook_data = &seen, .json = "{\"capabilities\":{}}" };
	struct gw_device *dev = open_fake(&f, NULL);

	assert_int_equal(gw_device_irq_mask(dev, GW_IRQ_INTX, 0, 1, 1, NULL), 0);
	assert_int_equal(gw_device_irq_mask(dev, GW_IRQ_MSIX, 3, 900, 0, NULL), 0);
	assert_int_equal(seen.nr, 2);
	assert_int_equal(seen.flags[0], 0x09); /* DATA_NONE, ACTION_MASK */
	assert_int_equal(seen.starts[0], 0);
	assert_int_equal(seen.counts[0], 1);
	assert_int_equal(seen.flags[1], 0x11); /* DATA_NONE, ACTION_UNMASK */
	assert_int_equal(seen.starts[1], 3);
	assert_int_equal(seen.counts[1], 900);
	assert_int_equal(seen.fds[0] + seen.fds[1], 0);
	assert_int_equal(gw_device_irq_mask(dev, GW_IRQ_INTX, 0, 0, 1, NULL), -EINVAL);
	assert_int_equal(gw_device_irq_mask(dev, GW_IRQ_INTX, 1, UINT32_MAX, 1, NULL), -EINVAL);
	assert_int_equal(seen.nr, 2);
	close_fake(&f, dev);
}

static void test_regions(void **unused)
{
	struct seen seen = { .nr = 0 };
	struct fake_user f = { .hook = see,
			       .hook_data = &seen,
			       .json = "{\"capabilities\":{\"max_data_xfer_size\":1000}}" };
	struct gw_device *dev = open_fake(&f, NULL);
	uint8_t buf[2500];

	memset(buf, 1, sizeof(buf));
	assert_int_equal(gw_device_region_write(dev, 2, 0, buf, sizeof(buf), NULL), sizeof(buf));
	assert_int_equal(seen.nr, 3);
	assert_int_equal(seen.largest, 1000);
	assert_int_equal(gw_device_region_read(dev, 2, 4, buf, sizeof(buf), NULL), sizeof(buf));
	assert_int_equal(buf[0] | buf[2499], 0);
	assert_int_equal(gw_device_region_read(dev, 2, UINT64_MAX, buf, 2, NULL), -EINVAL);
	assert_int_equal(gw_device_region_info(dev, 9, &(struct gw_region_info){ 0 }, NULL), -EINVAL);
	close_fake(&f, dev);
}

static void test_large_writes(void **unused)
{
	static const struct {
		const char *json;
		uint32_t largest;
	} cases[] = { { "{}", 128 * 1024 }, { FULL_JSON, 1024 * 1024 } };

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seen seen = { .nr = 0 };
		struct fake_user f = {
			.hook = see, .hook_data = &seen, .json = cases[i].json, .migration_flags = 5, .state = 2
		};
		struct gw_device *dev = open_fake(&f, NULL);
		uint8_t *buf = calloc(1, 2 << 20);

		assert_int_equal(gw_device_data_write(dev, buf, 2 << 20, NULL), cases[i].largest);
		assert_int_equal(seen.largest, cases[i].largest);
		seen.largest = 0;
		assert_int_equal(gw_device_region_write(dev, 2, 0, buf, 2 << 20, NULL), 2 << 20);
		assert_int_equal(seen.largest, cases[i].largest);
		free(buf);
		close_fake(&f, dev);
	}
}

/* "Nothing now" and "the end" are told apart by the state; short is data; padding is not. */
static void test_reading_state(void **unused)
{
	for (uint32_t pad = 0; pad < 2; pad++) {
		struct seen seen = { .left = 300, .pad = pad };
		struct fake_user f = {
			.hook = see, .hook_data = &seen, .json = FULL_JSON, .migration_flags = 5, .state = 2
		};
		struct gw_error e = GW_ERROR_NONE;
		struct gw_device *dev = open_fake(&f, NULL);
		uint8_t *buf = calloc(1, 2 << 20);

		assert_int_equal(device_walk(dev, GW_STATE_PRE_COPY, NULL, NULL), 0);
		assert_int_equal(gw_device_data_read(dev, buf, 200, &e), 200);
		assert_int_equal(gw_device_data_read(dev, buf, 2 << 20, &e), 100);
		assert_int_equal(buf[99], 0x5a);
		assert_int_equal(seen.largest, 1 << 20);
		assert_int_equal(gw_device_data_read(dev, buf, 200, &e), -ENOMSG);
		assert_int_equal(e.code, 0);
		assert_int_equal(device_walk(dev, GW_STATE_STOP_COPY, NULL, NULL), 0);
		seen.left = 7;
		assert_int_equal(gw_device_data_read(dev, buf, 200, &e), 7);
		assert_int_equal(gw_device_data_read(dev, buf, 200, &e), 0);
		free(buf);
		close_fake(&f, dev);
	}
}

/* Pre-copy information with every flag set and 7 bytes left. */
static int tell_everything(struct fake_user *f, struct fake_message *m)
{
	uint32_t flags = fake_u32(m, 4), body[8] = { 32, flags, 24, ~0u, 7 };

	if (m->command != 16 || (flags & 0xffff) != 0x6701)
		return 0;
	fake_reply(f, m, body, flags & 1u << 18 ? 8 : sizeof(body));
	return 1;
}

/* What a server says of re-arming counts where both have agreed on it, and nowhere else. */
static void test_precopy_flags(void **unused)
{
	static const struct {
		const char *json;
		uint32_t features, flags;
	} cases[] = {
		{ FULL_JSON, GW_FEATURE_PRECOPY_INFO, 0 },
		{ "{\"capabilities\":{\"godwit\":{\"precopy_info\":true,\"reinit\":true}}}",
		  GW_FEATURE_PRECOPY_INFO | GW_FEATURE_REINIT, GW_PRECOPY_REINIT },
		{ "{\"capabilities\":{\"godwit\":{\"precopy_info\":true,\"reinit\":{\"supported\":true}}}}",
		  GW_FEATURE_PRECOPY_INFO | GW_FEATURE_REINIT, GW_PRECOPY_REINIT },
		{ "{\"capabilities\":{\"godwit\":{\"precopy_info\":true,\"reinit\":\"yes\"}}}", GW_FEATURE_PRECOPY_INFO,
		  0 },
		{ "{\"capabilities\":{\"godwit\":{\"reinit\":true}}}", 0, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_user f = {
			.hook = tell_everything, .json = cases[i].json, .migration_flags = 5, .state = 2
		};
		struct gw_precopy_info info = { .flags = ~0u };
		struct gw_device *dev = open_fake(&f, NULL);

		assert_int_equal(device_info(dev)->features & (GW_FEATURE_PRECOPY_INFO | GW_FEATURE_REINIT),
				 cases[i].features);
		assert_int_equal(gw_device_precopy_info(dev, &info, NULL), cases[i].features ? 0 : -EOPNOTSUPP);
		assert_int_equal(info.flags, cases[i].flags);
		assert_int_equal(info.initial_bytes, cases[i].features ? 7 : 0);
		close_fake(&f, dev);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),      cmocka_unit_test(test_json_without_end),
		cmocka_unit_test(test_offer),         cmocka_unit_test(test_left_in_a_state),
		cmocka_unit_test(test_interrupts),    cmocka_unit_test(test_interrupts_are_masked),
		cmocka_unit_test(test_regions),       cmocka_unit_test(test_large_writes),
		cmocka_unit_test(test_reading_state), cmocka_unit_test(test_precopy_flags),
	};

	return cmocka_run_group_tests_name("device_user", tests, NULL, NULL);
}
