/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walking a device whose table is this file: which arcs are asked for, and what happens when one fails, with the
 * device left where it was, where it was to go, or in ERROR. The device checks what it is asked, as a driver does.
 */
#include "device/device.h"

#include "base/bits.h"
#include "base/err.h"
#include "model/device_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define FULL  (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY)
#define NEVER UINT32_MAX

struct fake {
	uint32_t flags;
	uint32_t state;
	uint32_t fail_into; /* the SET of this state fails */
	uint32_t fails;     /* how many times more */
	uint32_t left_in;   /* and leaves the device there; NEVER: where it was */
	int get_fails;      /* -errno of every GET */
	int reset_fails;
	uint32_t write_fails;
	uint32_t reset_keeps; /* a reset leaves the state as it is */
	uint32_t nr_sets, nr_resets, nr_closes;
	uint32_t sets[64];
};

static int fake_info(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	struct fake *f = ctx;

	*info = (struct gw_device_info){ .migration_flags = f->flags, .features = ~0u };
	memset(info->backend, 'x', sizeof(info->backend));
	return 0;
}

static int fake_get(void *ctx, uint32_t *state, struct gw_error *e)
{
	struct fake *f = ctx;

	if (f->get_fails)
		return err_set(e, f->get_fails, "fake", "GET fails");
	*state = f->state;
	return 0;
}

static int fake_set(void *ctx, uint32_t state, struct gw_error *e)
{
	struct fake *f = ctx;
	uint32_t next;

	assert_true(f->nr_sets < ARRAY_SIZE(f->sets));
	f->sets[f->nr_sets++] = state;
	/* Only whole arcs are asked for. */
	assert_int_equal(device_state_next(f->flags, f->state, state, &next), 0);
	assert_int_equal(next, state);
	if (state == f->fail_into && f->fails) {
		f->fails--;
		f->state = f->left_in == NEVER ? f->state : f->left_in;
		return err_set(e, -EFAULT, "fake", "the arc failed");
	}
	f->state = state;
	return 0;
}

static int fake_reset(void *ctx, struct gw_error *e)
{
	struct fake *f = ctx;

	f->nr_resets++;
	if (f->reset_fails)
		return err_set(e, f->reset_fails, "fake", "RESET fails");
	if (!f->reset_keeps)
		f->state = GW_STATE_RUNNING;
	return 0;
}

static ssize_t fake_read(void *ctx, void *buf, size_t size_bytes, struct gw_error *e)
{
	return 0;
}

static ssize_t fake_write(void *ctx, const void *buf, size_t size_bytes, struct gw_error *e)
{
	struct fake *f = ctx;

	return f->write_fails ? err_set(e, -EFAULT, "fake", "bad state") : (ssize_t)size_bytes;
}

static void fake_close(void *ctx)
{
	struct fake *f = ctx;

	f->nr_closes++;
}

static const struct gw_device_ops fake_ops = {
	.size = sizeof(fake_ops),
	.info = fake_info,
	.state_set = fake_set,
	.state_get = fake_get,
	.reset = fake_reset,
	.data_read = fake_read,
	.data_write = fake_write,
	.close = fake_close,
};

static struct gw_device *open_fake(struct fake *f, uint32_t flags, uint32_t state)
{
	struct gw_device *dev;

	*f = (struct fake){ .flags = flags, .state = state, .fail_into = NEVER, .left_in = NEVER };
	assert_int_equal(gw_device_from_ops(&dev, "dev0", &fake_ops, f, NULL), 0);
	assert_int_equal(device_state(dev), state);
	return dev;
}

static void assert_sets(const struct fake *f, const uint32_t *want, unsigned nr)
{
	assert_int_equal(f->nr_sets, nr);
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(f->sets[i], want[i]);
}

static void test_steps_and_times(void **unused)
{
	static const uint32_t want[] = { GW_STATE_RUNNING_P2P, GW_STATE_STOP, GW_STATE_RESUMING };
	struct arc_log log = { .nr = 0 };
	struct fake f;
	struct gw_device *dev = open_fake(&f, FULL, GW_STATE_RUNNING);

	assert_int_equal(device_walk(dev, GW_STATE_RESUMING, &log, NULL), 0);
	assert_sets(&f, want, ARRAY_SIZE(want));
	assert_int_equal(log.nr, 3);
	assert_int_equal(log.arcs[0].from, GW_STATE_RUNNING);
	assert_int_equal(log.arcs[0].to, GW_STATE_RUNNING_P2P);
	assert_int_equal(log.arcs[2].from, GW_STATE_STOP);
	assert_int_equal(log.arcs[2].to, GW_STATE_RESUMING);
	assert_int_equal(device_state(dev), GW_STATE_RESUMING);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(device_walk(dev, GW_STATE_STOP, &log, NULL), 0);
		assert_int_equal(device_walk(dev, GW_STATE_RESUMING, &log, NULL), 0);
	}
	assert_int_equal(log.nr, GW_MAX_ARCS);
	gw_device_close(dev);
	assert_int_equal(f.nr_closes, 1);
}

static void test_no_steps(void **unused)
{
	struct fake f;
	struct gw_device *dev = open_fake(&f, FULL, GW_STATE_RUNNING);

	assert_int_equal(device_walk(dev, GW_STATE_RUNNING, NULL, NULL), 0);
	assert_int_equal(f.nr_sets, 0);
	gw_device_close(dev);
}

/* Asked for what there is no way to, the device hears nothing of it. */
static void test_refuses_by_itself(void **unused)
{
	static const struct {
		uint32_t flags, from, to;
		int code;
	} refused[] = {
		{ FULL, GW_STATE_STOP_COPY, GW_STATE_PRE_COPY, -EINVAL },
		{ FULL, GW_STATE_STOP_COPY, GW_STATE_PRE_COPY_P2P, -EINVAL },
		{ FULL, GW_STATE_RUNNING, GW_STATE_ERROR, -EINVAL },
		{ FULL, GW_STATE_RUNNING, 8, -EINVAL },
		{ FULL, GW_STATE_RUNNING, UINT32_MAX, -EINVAL },
		{ FULL, GW_STATE_ERROR, GW_STATE_RUNNING, -ENODEV },
		{ FULL, GW_STATE_ERROR, GW_STATE_ERROR, -ENODEV },
		{ GW_MIGRATION_STOP_COPY, GW_STATE_RUNNING, GW_STATE_RUNNING_P2P, -EINVAL },
		{ GW_MIGRATION_STOP_COPY, GW_STATE_RUNNING, GW_STATE_PRE_COPY, -EINVAL },
		{ 0, GW_STATE_RUNNING, GW_STATE_STOP, -EINVAL },
		{ GW_MIGRATION_P2P, GW_STATE_RUNNING, GW_STATE_STOP, -EINVAL },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
		struct gw_error e = GW_ERROR_NONE;
		struct fake f;
		struct gw_device *dev = open_fake(&f, refused[i].flags, refused[i].from);

		assert_int_equal(device_walk(dev, refused[i].to, NULL, &e), refused[i].code);
		assert_int_equal(e.code, refused[i].code);
		assert_string_equal(e.where, "dev0");
		assert_int_equal(f.nr_sets, 0);
		assert_int_equal(f.nr_resets, 0);
		gw_device_close(dev);
	}
}

/* Every arc of every walk fails once, the device staying, arriving or breaking: where it must be afterwards. */
static void test_recovery(void **unused)
{
	static const struct {
		uint32_t from, to, fail_into, left_in, end, nr_resets;
	} cases[] = {
		/* Stayed: nothing to take back, or back to the state the arc left. */
		{ GW_STATE_RUNNING, GW_STATE_PRE_COPY, GW_STATE_PRE_COPY, NEVER, GW_STATE_RUNNING, 0 },
		{ GW_STATE_RUNNING, GW_STATE_STOP, GW_STATE_STOP, NEVER, GW_STATE_RUNNING_P2P, 0 },
		{ GW_STATE_RUNNING, GW_STATE_STOP, GW_STATE_RUNNING_P2P, NEVER, GW_STATE_RUNNING, 0 },
		{ GW_STATE_RUNNING, GW_STATE_RESUMING, GW_STATE_RESUMING, NEVER, GW_STATE_STOP, 0 },
		/* Out of a saving state: STOP. */
		{ GW_STATE_PRE_COPY, GW_STATE_STOP_COPY, GW_STATE_STOP_COPY, NEVER, GW_STATE_STOP, 0 },
		{ GW_STATE_PRE_COPY, GW_STATE_PRE_COPY_P2P, GW_STATE_PRE_COPY_P2P, NEVER, GW_STATE_STOP, 0 },
		{ GW_STATE_STOP_COPY, GW_STATE_RUNNING, GW_STATE_STOP, NEVER, GW_STATE_STOP, 0 },
		/* Failed and arrived all the same: GET is believed, and it is taken back. */
		{ GW_STATE_RUNNING, GW_STATE_PRE_COPY, GW_STATE_PRE_COPY, GW_STATE_PRE_COPY, GW_STATE_RUNNING, 0 },
		{ GW_STATE_RUNNING, GW_STATE_STOP, GW_STATE_STOP, GW_STATE_STOP, GW_STATE_RUNNING_P2P, 0 },
		{ GW_STATE_PRE_COPY, GW_STATE_STOP_COPY, GW_STATE_STOP_COPY, GW_STATE_STOP_COPY, GW_STATE_STOP, 0 },
		/* Broken: a reset. */
		{ GW_STATE_RUNNING, GW_STATE_STOP, GW_STATE_STOP, GW_STATE_ERROR, GW_STATE_RUNNING, 1 },
		{ GW_STATE_PRE_COPY, GW_STATE_STOP_COPY, GW_STATE_STOP_COPY, GW_STATE_ERROR, GW_STATE_RUNNING, 1 },
		/* A loading session has no way back, wherever the device says it is. */
		{ GW_STATE_RESUMING, GW_STATE_RUNNING, GW_STATE_STOP, NEVER, GW_STATE_RUNNING, 1 },
		{ GW_STATE_RESUMING, GW_STATE_RUNNING, GW_STATE_STOP, GW_STATE_STOP, GW_STATE_RUNNING, 1 },
		{ GW_STATE_RESUMING, GW_STATE_RUNNING, GW_STATE_STOP, GW_STATE_ERROR, GW_STATE_RUNNING, 1 },
		{ GW_STATE_RUNNING, GW_STATE_RESUMING, GW_STATE_RESUMING, GW_STATE_RESUMING, GW_STATE_RUNNING, 1 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct gw_error e = GW_ERROR_NONE;
		struct fake f;
		struct gw_device *dev = open_fake(&f, FULL, cases[i].from);

		f.fail_into = cases[i].fail_into;
		f.left_in = cases[i].left_in;
		f.fails = 1;
		assert_int_equal(device_walk(dev, cases[i].to, NULL, &e), -EFAULT);
		assert_int_equal(e.code, -EFAULT);
		assert_non_null(strstr(e.what, "the arc failed"));
		assert_int_equal(f.state, cases[i].end);
		assert_int_equal(device_state(dev), cases[i].end);
		assert_int_equal(f.nr_resets, cases[i].nr_resets);
		gw_device_close(dev);
	}
}

/* The way back fails too: a reset, and still the first error. */
static void test_recovery_fails(void **unused)
{
	struct gw_error e = GW_ERROR_NONE;
	struct fake f;
	struct gw_device *dev = open_fake(&f, FULL, GW_STATE_STOP_COPY);

	f.fail_into = GW_STATE_STOP;
	f.fails = 2;
	assert_int_equal(device_walk(dev, GW_STATE_RUNNING, NULL, &e), -EFAULT);
	assert_int_equal(f.nr_resets, 1);
	assert_int_equal(device_state(dev), GW_STATE_RUNNING);
	assert_non_null(strstr(e.what, "STOP_COPY -> STOP"));
	assert_non_null(strstr(e.what, "it was reset"));
	gw_device_close(dev);
}

static void test_reset_fails(void **unused)
{
	struct gw_error e = GW_ERROR_NONE;
	struct fake f;
	struct gw_device *dev = open_fake(&f, FULL, GW_STATE_RUNNING);

	f.fail_into = GW_STATE_RUNNING_P2P;
	f.left_in = GW_STATE_ERROR;
	f.fails = 1;
	f.reset_fails = -EIO;
	assert_int_equal(device_walk(dev, GW_STATE_STOP, NULL, &e), -EFAULT);
	assert_int_equal(device_state(dev), GW_STATE_ERROR);
	assert_non_null(strstr(e.what, "could not be reset"));
	gw_device_close(dev);
}

/* A record that already holds an error keeps it. */
static void test_first_error_stays(void **unused)
{
	struct gw_error e = GW_ERROR_NONE;
	struct fake f;
	struct gw_device *dev = open_fake(&f, FULL, GW_STATE_RUNNING);

	err_set(&e, -ENOSPC, "elsewhere", "first");
	f.fail_into = GW_STATE_RUNNING_P2P;
	f.fails = 1;
	assert_int_equal(device_walk(dev, GW_STATE_STOP, NULL, &e), -EFAULT);
	assert_int_equal(e.code, -ENOSPC);
	assert_string_equal(e.what, "first");
	gw_device_close(dev);
}

/* Who does not answer is not asked on and on. */
static void test_silent(void **unused)
{
	struct gw_error e = GW_ERROR_NONE;
	struct fake f;
	struct gw_device *dev = open_fake(&f, FULL, GW_STATE_RUNNING);

	f.get_fails = -EPIPE;
	assert_int_equal(device_walk(dev, GW_STATE_STOP, NULL, &e), -EPIPE);
	assert_int_equal(f.nr_sets, 0);
	assert_int_equal(f.nr_resets, 0);
	gw_device_close(dev);
}

/* The guest reset the device past us: a session that was cut must not pass for a whole one. */
static void test_reset_behind_our_back(void **unused)
{
	static const struct {
		uint32_t before, now, to;
		int want;
	} cases[] = {
		{ GW_STATE_PRE_COPY, GW_STATE_RUNNING, GW_STATE_STOP_COPY, -ESTALE },
		{ GW_STATE_PRE_COPY, GW_STATE_RUNNING, GW_STATE_PRE_COPY_P2P, -ESTALE },
		{ GW_STATE_PRE_COPY, GW_STATE_RUNNING, GW_STATE_RUNNING, 0 },
		{ GW_STATE_RESUMING, GW_STATE_RUNNING, GW_STATE_STOP, -ESTALE },
		{ GW_STATE_RESUMING, GW_STATE_RUNNING, GW_STATE_RUNNING, -ESTALE },
		{ GW_STATE_RESUMING, GW_STATE_STOP, GW_STATE_RUNNING, -ESTALE },
		{ GW_STATE_STOP, GW_STATE_RUNNING, GW_STATE_STOP, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake f;
		struct gw_device *dev = open_fake(&f, FULL, cases[i].before);

		f.state = cases[i].now;
		assert_int_equal(device_walk(dev, cases[i].to, NULL, NULL), cases[i].want);
		assert_int_equal(device_state(dev), cases[i].want ? cases[i].now : cases[i].to);
		gw_device_close(dev);
	}
}

/* A driver may let a session end well whose data it refused: the walk does not. */
static void test_refused_state(void **unused)
{
	struct gw_error e = GW_ERROR_NONE;
	struct fake f;
	struct gw_device *dev = open_fake(&f, FULL, GW_STATE_STOP);

	f.write_fails = 1;
	assert_int_equal(gw_device_data_write(dev, "x", 1, NULL), -EFAULT);
	assert_int_equal(device_walk(dev, GW_STATE_RESUMING, NULL, NULL), 0);
	f.write_fails = 0;
	assert_int_equal(gw_device_data_write(dev, "x", 1, NULL), 1);
	assert_int_equal(device_walk(dev, GW_STATE_STOP, NULL, NULL), 0);
	assert_int_equal(device_walk(dev, GW_STATE_RESUMING, NULL, NULL), 0);
	f.write_fails = 1;
	assert_int_equal(gw_device_data_write(dev, "x", 1, NULL), -EFAULT);
	assert_int_equal(device_walk(dev, GW_STATE_STOP, NULL, &e), -ESTALE);
	assert_non_null(strstr(e.what, "reset"));
	assert_int_equal(f.state, GW_STATE_RESUMING);
	assert_int_equal(gw_device_reset(dev, NULL), 0);
	assert_int_equal(device_walk(dev, GW_STATE_STOP, NULL, NULL), 0);
	gw_device_close(dev);
}

static void test_reset(void **unused)
{
	struct fake f;
	struct gw_device *dev = open_fake(&f, FULL, GW_STATE_ERROR);

	assert_int_equal(gw_device_reset(dev, NULL), 0);
	assert_int_equal(device_state(dev), GW_STATE_RUNNING);
	gw_device_close(dev);

	/* A reset that keeps the state is helped out of it. */
	dev = open_fake(&f, GW_MIGRATION_STOP_COPY, GW_STATE_STOP);
	f.reset_keeps = 1;
	assert_int_equal(gw_device_reset(dev, NULL), 0);
	assert_int_equal(f.state, GW_STATE_RUNNING);
	f.state = GW_STATE_ERROR;
	assert_int_equal(gw_device_reset(dev, NULL), -EIO);
	gw_device_close(dev);
}

static void test_settle(void **unused)
{
	static const uint32_t without_arc[] = { GW_STATE_ERROR, GW_STATE_RESUMING };
	struct fake f;

	for (unsigned i = 0; i < ARRAY_SIZE(without_arc); i++) {
		gw_device_close(open_fake(&f, GW_MIGRATION_STOP_COPY, without_arc[i]));
		assert_int_equal(device_settle(&fake_ops, &f, "dev0", NULL), 0);
		assert_int_equal(f.nr_resets, 1);
		assert_int_equal(f.nr_sets, 0);
	}
	gw_device_close(open_fake(&f, GW_MIGRATION_STOP_COPY, GW_STATE_STOP));
	assert_int_equal(device_settle(&fake_ops, &f, "dev0", NULL), 0);
	assert_int_equal(f.state, GW_STATE_RUNNING);
	assert_int_equal(f.nr_resets, 0);
	f = (struct fake){ .flags = 1, .state = GW_STATE_STOP, .fail_into = 2, .fails = 1, .left_in = NEVER };
	assert_int_equal(device_settle(&fake_ops, &f, "dev0", NULL), 0);
	assert_int_equal(f.nr_resets, 1);
}

static int never_masks(void *ctx, uint32_t index, uint32_t start, uint32_t count, int masked, struct gw_error *e)
{
	assert_int_equal(masked, 1); /* whatever the caller's truth is */
	return -EBUSY;
}

/* The youngest entry: of a table that has it, that leaves it out, and that ends before it. */
static void test_masks(void **unused)
{
	static const struct {
		size_t size;
		bool has;
		int ret;
	} cases[] = {
		{ sizeof(struct gw_device_ops), true, -EBUSY },
		{ sizeof(struct gw_device_ops), false, -EOPNOTSUPP },
		{ offsetof(struct gw_device_ops, irq_mask), true, -EOPNOTSUPP },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake f = { .flags = FULL, .state = GW_STATE_RUNNING };
		struct gw_device_ops ops = fake_ops;
		struct gw_device *dev;

		ops.size = (uint32_t)cases[i].size;
		ops.irq_mask = cases[i].has ? never_masks : NULL;
		assert_int_equal(gw_device_from_ops(&dev, "dev0", &ops, &f, NULL), 0);
		assert_int_equal(gw_device_irq_mask(dev, GW_IRQ_INTX, 0, 1, 4, NULL), cases[i].ret);
		gw_device_close(dev);
	}
}

/* What a table claims and cannot keep. */
static void test_claims(void **unused)
{
	struct gw_device_ops ops = fake_ops;
	struct gw_device_info info;
	struct fake f = { .flags = FULL | 0xf0, .state = GW_STATE_RUNNING };
	struct gw_error e = GW_ERROR_NONE;
	struct gw_device *dev;
	uint64_t bytes;

	assert_int_equal(gw_device_from_ops(&dev, "dev0", &ops, &f, NULL), 0);
	assert_int_equal(gw_device_get_info(dev, &info, NULL), 0);
	assert_int_equal(info.migration_flags, FULL);
	assert_false(info.features & (GW_FEATURE_DMA_LOG | GW_FEATURE_STOP_SIZE | GW_FEATURE_PRECOPY_INFO));
	assert_false(info.features & GW_FEATURE_REINIT);
	assert_int_equal(strlen(info.backend), sizeof(info.backend) - 1);
	assert_int_equal(gw_device_stop_size(dev, &bytes, &e), -EOPNOTSUPP);
	assert_int_equal(device_log_stop(dev, NULL), -EOPNOTSUPP);
	assert_int_equal(gw_device_region_read(dev, 0, 0, &bytes, 8, NULL), -EOPNOTSUPP);
	gw_device_close(dev);

	/* A table from an older header: what lies beyond its size is not read. */
	ops.size = offsetof(struct gw_device_ops, reset);
	f.flags = 0;
	assert_int_equal(gw_device_from_ops(&dev, "dev0", &ops, &f, NULL), 0);
	assert_int_equal(gw_device_reset(dev, NULL), -EOPNOTSUPP);
	gw_device_close(dev);
	assert_int_equal(f.nr_closes, 1);

	f.flags = FULL;
	ops = fake_ops;
	ops.data_read = NULL;
	assert_int_equal(gw_device_from_ops(&dev, "dev0", &ops, &f, &e), -EINVAL);
	assert_null(dev);
	assert_int_equal(f.nr_closes, 1);
	ops.size = 4;
	assert_int_equal(gw_device_from_ops(&dev, "dev0", &ops, &f, NULL), -EINVAL);
	assert_int_equal(gw_device_from_ops(&dev, "", &fake_ops, &f, NULL), -EINVAL);
	assert_int_equal(gw_device_from_ops(&dev, NULL, &fake_ops, &f, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps_and_times),
		cmocka_unit_test(test_no_steps),
		cmocka_unit_test(test_refuses_by_itself),
		cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_recovery_fails),
		cmocka_unit_test(test_reset_fails),
		cmocka_unit_test(test_first_error_stays),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_reset_behind_our_back),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_refused_state),
		cmocka_unit_test(test_settle),
		cmocka_unit_test(test_masks),
		cmocka_unit_test(test_claims),
	};

	return cmocka_run_group_tests_name("device_walk", tests, NULL, NULL);
}
