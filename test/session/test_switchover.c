/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The moment of switching over, through the public API, between two fake VMs: decisions taken back for a device that
 * re-arms its initial bytes, dry runs, blockers of both sides at once, an arbiter, a guest that is slowed down.
 */
#include "fake_arbiter.h"
#include "fake_vm.h"

#include <errno.h>
#include <godwit/godwit.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DEVICE_BYTES (1024 * 1024 + 77)
#define ALL_FLAGS    (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY)
#define WAIT_MS      100000

struct pair {
	struct fake_vm a, b;
	struct gw_source *source;
	struct gw_destination *destination;
	struct gw_limits here, there; /* of the source, of the destination */
	int running_vms, most_running;
	char uri[80];
};

static struct pair *open_pair(uint32_t flags)
{
	struct pair *p = calloc(1, sizeof(*p));
	static int serial;

	assert_non_null(p);
	fake_vm_open(&p->a, flags, DEVICE_BYTES, 1, NULL, &p->running_vms, &p->most_running);
	fake_vm_open(&p->b, flags, DEVICE_BYTES, 99, NULL, &p->running_vms, &p->most_running);
	p->here = p->there = (struct gw_limits){
		.size = sizeof(p->here),
		.flags = GW_VERIFY,
		.downtime_ns = 5000000000ull,
	};
	snprintf(p->uri, sizeof(p->uri), "unix:/tmp/godwit-switch-%d-%d.sock", getpid(), ++serial);
	fake_vm_run(&p->a);
	return p;
}

static void listen_for(struct pair *p)
{
	struct gw_error e = GW_ERROR_NONE;

	assert_int_equal(gw_destination_new(&p->destination, &p->b.vm, &p->there, &e), 0);
	assert_int_equal(gw_destination_start(p->destination, p->uri, &e), 0);
}

/* One source's life, from its start to its outcome. */
static const struct gw_report *migrate(struct pair *p)
{
	struct gw_error e = GW_ERROR_NONE;

	gw_source_free(p->source);
	assert_int_equal(gw_source_new(&p->source, &p->a.vm, &p->here, &e), 0);
	assert_int_equal(gw_source_start(p->source, p->uri, &e), 0);
	assert_int_equal(gw_source_wait(p->source, WAIT_MS), 0);
	return gw_source_report(p->source);
}

static void check_moved(struct pair *p, const struct gw_report *r)
{
	if (r->outcome != GW_COMPLETED)
		print_message("# %s: %s\n", r->error.where, r->error.what);
	assert_int_equal(r->outcome, GW_COMPLETED);
	assert_int_equal(r->verified, 1);
	assert_int_equal(gw_destination_wait(p->destination, WAIT_MS), 0);
	assert_int_equal(gw_destination_report(p->destination)->outcome, GW_COMPLETED);
	assert_false(fake_vm_running(&p->a));
	assert_true(fake_vm_running(&p->b));
	assert_true(fake_vm_memory_is_right(&p->b));
	for (unsigned i = 0; i < FAKE_DEVICES; i++)
		assert_memory_equal(p->a.devices[i].bytes, p->b.devices[i].bytes, DEVICE_BYTES);
}

static void check_stayed(struct pair *p, const struct gw_report *r)
{
	assert_int_equal(r->outcome, GW_ROLLED_BACK);
	assert_true(fake_vm_running(&p->a));
	assert_false(fake_vm_running(&p->b));
	assert_true(fake_vm_memory_is_right(&p->a));
	for (unsigned i = 0; i < FAKE_DEVICES; i++)
		assert_int_equal(p->a.devices[i].state, GW_STATE_RUNNING);
}

static void close_pair(struct pair *p)
{
	for (unsigned i = 0; i < FAKE_DEVICES; i++) {
		assert_int_equal(p->a.devices[i].misused, 0);
		assert_int_equal(p->b.devices[i].misused, 0);
	}
	assert_in_range(p->most_running, 0, 1);
	gw_source_free(p->source);
	gw_destination_free(p->destination);
	fake_vm_close(&p->a);
	fake_vm_close(&p->b);
	free(p);
}

/* In pre-copy it is waited for; the guest is not paused for nothing. */
static void test_rearmed_in_precopy(void **state)
{
	struct pair *p = open_pair(ALL_FLAGS);
	const struct gw_report *r;

	(void)state;
	p->a.devices[0].rearm_running = 3;
	listen_for(p);
	r = migrate(p);
	check_moved(p, r);
	assert_int_equal(r->devices[0].nr_rearmed, 3);
	assert_int_equal(r->devices[1].nr_rearmed, 0);
	assert_int_equal(r->handover.nr_taken_back, 0);
	assert_int_equal(r->blackout_ns, 0);
	close_pair(p);
}

static void test_rearmed_in_the_pause(void **state)
{
	struct pair *p = open_pair(ALL_FLAGS);
	const struct gw_report *r;

	(void)state;
	p->a.devices[0].rearm_p2p = 2;
	listen_for(p);
	r = migrate(p);
	check_moved(p, r);
	assert_int_equal(r->devices[0].nr_rearmed, 2);
	assert_int_equal(r->handover.nr_taken_back, 2);
	assert_true(r->blackout_ns > 0);
	close_pair(p);
}

static void test_a_device_that_always_rearms(void **state)
{
	struct pair *p = open_pair(ALL_FLAGS);
	const struct gw_report *r;

	(void)state;
	p->a.devices[1].rearm_p2p = 1000;
	listen_for(p);
	r = migrate(p);
	check_moved(p, r);
	assert_int_equal(r->handover.nr_taken_back, 4); /* the migration does not fail for it */
	close_pair(p);
}

/* Neither leaves a trace, and the destination takes the real migration after them. */
static void dry_run(uint32_t flag)
{
	struct pair *p = open_pair(ALL_FLAGS);
	const struct gw_report *r;

	p->here.flags |= flag;
	listen_for(p);
	for (int i = 0; i < 2; i++) {
		r = migrate(p);
		check_stayed(p, r);
		assert_int_equal(r->error.code, 0);
		assert_int_equal(r->nr_blockers, 0);
		assert_int_equal(r->handover.dry_run, flag);
		assert_int_equal(r->blackout_ns, 0);
		if (flag == GW_REHEARSE)
			assert_in_range(r->predicted.total_ns, 1, p->here.downtime_ns);
	}
	p->here.flags &= ~flag;
	check_moved(p, migrate(p));
	close_pair(p);
}

static void test_dry_run(void **state)
{
	(void)state;
	dry_run(GW_DRY_RUN);
}

static void test_rehearsal(void **state)
{
	(void)state;
	dry_run(GW_REHEARSE);
}

static bool blocked_by(const struct gw_report *r, const char *code)
{
	for (uint32_t i = 0; i < r->nr_blockers; i++)
		if (!strcmp(r->blockers[i].code, code))
			return r->blockers[i].what[0];
	return false;
}

/* Two devices without P2P are the source's own reason; a device that is missing is the destination's. */
static void test_all_blockers_at_once(void **state)
{
	static const uint32_t flags[] = { 0, GW_DRY_RUN, GW_REHEARSE };
	struct pair *p = open_pair(GW_MIGRATION_STOP_COPY | GW_MIGRATION_PRE_COPY);
	const struct gw_report *r;

	(void)state;
	p->b.vm.nr_devices = 1;
	listen_for(p);
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		p->here.flags = flags[i];
		r = migrate(p);
		check_stayed(p, r);
		assert_int_equal(r->error.code, -ENOTSUP);
		assert_true(blocked_by(r, "no-p2p"));
		assert_true(blocked_by(r, "device-missing"));
		assert_int_equal(r->blackout_ns, 0);
	}
	close_pair(p);
}

static void test_p2p_is_waived(void **state)
{
	struct pair *p = open_pair(GW_MIGRATION_STOP_COPY);
	const struct gw_report *r;

	(void)state;
	p->here.flags |= GW_ALLOW_NO_P2P;
	listen_for(p);
	r = migrate(p);
	check_moved(p, r);
	assert_int_equal(r->handover.allowed_no_p2p, 1);
	close_pair(p);
}

static void give_second_device(struct fake_vm *vm, uint32_t flags, unsigned seed)
{
	struct fake_device *device = &vm->devices[1];

	fake_device_close(device);
	assert_int_equal(fake_device_open(device, "dev1", flags, DEVICE_BYTES, seed), 0);
	vm->list[1] = device->dev;
}

/* PRE_COPY without P2P, P2P without PRE_COPY, neither and both, beside each other in one VM. */
static void test_mixed_devices(void **state)
{
	static const uint32_t more[] = { 0, GW_MIGRATION_P2P, GW_MIGRATION_PRE_COPY,
					 GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY };

	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		struct pair *p = open_pair(GW_MIGRATION_STOP_COPY | more[i / 4]);
		bool all_p2p = more[i / 4] & more[i % 4] & GW_MIGRATION_P2P;
		const struct gw_report *r;

		give_second_device(&p->a, GW_MIGRATION_STOP_COPY | more[i % 4], 2);
		give_second_device(&p->b, GW_MIGRATION_STOP_COPY | more[i % 4], 98);
		listen_for(p);
		r = migrate(p);
		if (!all_p2p) {
			assert_true(blocked_by(r, "no-p2p"));
			check_stayed(p, r);
			p->here.flags |= GW_ALLOW_NO_P2P;
			r = migrate(p);
		}
		check_moved(p, r);
		assert_int_equal(r->handover.allowed_no_p2p, !all_p2p);
		assert_int_equal(r->devices[0].precopy_bytes > 0, !!(more[i / 4] & GW_MIGRATION_PRE_COPY));
		assert_int_equal(r->devices[1].precopy_bytes > 0, !!(more[i % 4] & GW_MIGRATION_PRE_COPY));
		close_pair(p);
	}
}

static void test_an_arbiter(void **state)
{
	struct pair *p = open_pair(ALL_FLAGS);
	struct fake_arbiter arbiter;
	const struct gw_report *r;

	(void)state;
	fake_arbiter_open(&arbiter);
	arbiter.away = 2; /* it is asked again */
	p->here.arbiter = p->there.arbiter = arbiter.arbiter;
	listen_for(p);
	r = migrate(p);
	check_moved(p, r);
	assert_int_equal(arbiter.owner, GW_SIDE_DESTINATION);
	assert_int_equal(r->handover.arbiter, 1);
	assert_int_equal(r->handover.claimed_by, GW_SIDE_DESTINATION);
	assert_int_equal(gw_destination_report(p->destination)->handover.claimed_by, GW_SIDE_DESTINATION);
	close_pair(p);
	fake_arbiter_close(&arbiter);
}

static void test_an_arbiter_on_one_side(void **state)
{
	struct fake_arbiter arbiter;

	(void)state;
	fake_arbiter_open(&arbiter);
	for (int side = 0; side < 2; side++) {
		struct pair *p = open_pair(ALL_FLAGS);
		const struct gw_report *r;

		*(side ? &p->here.arbiter : &p->there.arbiter) = arbiter.arbiter;
		listen_for(p);
		r = migrate(p);
		check_stayed(p, r);
		assert_true(blocked_by(r, "arbiter"));
		close_pair(p);
	}
	assert_int_equal(arbiter.owner, 0);
	fake_arbiter_close(&arbiter);
}

/* A guest that dirties faster than its wire carries. */
static struct pair *open_busy(uint32_t no_converge)
{
	struct pair *p = open_pair(ALL_FLAGS);

	pthread_mutex_lock(&p->a.lock);
	p->a.pace_ns = 200000;
	p->a.burst = 32;
	pthread_mutex_unlock(&p->a.lock);
	p->here.downtime_ns = 150000000;
	p->here.bandwidth = 20 << 20;
	p->here.no_converge = no_converge;
	listen_for(p);
	return p;
}

static void test_throttled(void **state)
{
	struct pair *p = open_busy(GW_NO_CONVERGE_THROTTLE);
	const struct gw_report *r = migrate(p);

	(void)state;
	check_moved(p, r);
	assert_in_range(r->handover.throttle_percent, 1, 99);
	assert_int_equal(p->a.most_throttled, r->handover.throttle_percent);
	assert_int_equal(p->a.throttle_percent, 0);
	close_pair(p);
}

static void test_not_converged(void **state)
{
	struct pair *p = open_busy(GW_NO_CONVERGE_CANCEL);
	const struct gw_report *r = migrate(p);

	(void)state;
	check_stayed(p, r);
	assert_int_equal(r->error.code, -EBUSY);
	assert_int_equal(p->a.most_throttled, 0);
	close_pair(p);
}

static void test_a_time_limit(void **state)
{
	struct pair *p = open_busy(GW_NO_CONVERGE_WAIT);
	const struct gw_report *r;

	(void)state;
	p->here.precopy_ns = 500000000;
	r = migrate(p);
	check_stayed(p, r);
	assert_int_equal(r->error.code, -EBUSY);
	assert_true(r->total_ns >= p->here.precopy_ns);
	close_pair(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rearmed_in_precopy),
		cmocka_unit_test(test_rearmed_in_the_pause),
		cmocka_unit_test(test_a_device_that_always_rearms),
		cmocka_unit_test(test_dry_run),
		cmocka_unit_test(test_rehearsal),
		cmocka_unit_test(test_all_blockers_at_once),
		cmocka_unit_test(test_p2p_is_waived),
		cmocka_unit_test(test_mixed_devices),
		cmocka_unit_test(test_an_arbiter),
		cmocka_unit_test(test_an_arbiter_on_one_side),
		cmocka_unit_test(test_throttled),
		cmocka_unit_test(test_not_converged),
		cmocka_unit_test(test_a_time_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
