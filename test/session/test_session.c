/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole migrations in one process, through the public API, over real sockets, between two fake VMs: one that goes
 * well, ones that are cancelled, and ones in which the k-th call of a callback fails, for every k until none does.
 */
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

#define DEVICE_BYTES (3 * 1024 * 1024 + 77)
#define WAIT_MS      30000
#define ALL_FLAGS    (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY)

struct pair {
	struct fake_vm a, b;
	struct gw_source *source;
	struct gw_destination *destination;
	struct gw_limits limits;
	int running_vms, most_running, countdown;
};

static void open_pair(struct pair *p, uint32_t flags, int countdown)
{
	memset(p, 0, sizeof(*p));
	fake_vm_open(&p->a, flags, DEVICE_BYTES, 1, NULL, &p->running_vms, &p->most_running);
	fake_vm_open(&p->b, flags, DEVICE_BYTES, 99, NULL, &p->running_vms, &p->most_running);
	p->countdown = countdown;
	p->limits = (struct gw_limits){ .size = sizeof(p->limits),
					.flags = GW_VERIFY | GW_ALLOW_NO_P2P,
					.downtime_ns = 5000000000ull };
	fake_vm_run(&p->a);
}

/* From now on the count-down counts. */
static void arm(struct pair *p)
{
	p->a.countdown = p->b.countdown = &p->countdown;
	for (unsigned i = 0; i < FAKE_DEVICES; i++)
		p->a.devices[i].countdown = p->b.devices[i].countdown = &p->countdown;
}

static void start(struct pair *p)
{
	static unsigned serial; /* a test that failed still listens */
	struct gw_error e = GW_ERROR_NONE;
	char uri[64];

	snprintf(uri, sizeof(uri), "unix:/tmp/godwit-test-%d-%u.sock", getpid(), ++serial);
	assert_int_equal(gw_destination_new(&p->destination, &p->b.vm, &p->limits, &e), 0);
	assert_int_equal(gw_destination_start(p->destination, uri, &e), 0);
	assert_int_equal(gw_source_new(&p->source, &p->a.vm, &p->limits, &e), 0);
	assert_int_equal(gw_source_start(p->source, gw_destination_uri(p->destination), &e), 0);
}

static void same_devices(struct pair *p)
{
	for (unsigned i = 0; i < FAKE_DEVICES; i++) {
		assert_memory_equal(p->a.devices[i].bytes, p->b.devices[i].bytes, DEVICE_BYTES);
		assert_int_equal(p->b.devices[i].state, GW_STATE_RUNNING);
		assert_int_not_equal(p->a.devices[i].state, GW_STATE_RUNNING);
	}
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
}

/* Exactly one side runs, and it is the one that the outcome names. */
static enum gw_outcome check_outcome(struct pair *p)
{
	const struct gw_report *r;

	assert_int_equal(gw_source_wait(p->source, WAIT_MS), 0);
	r = gw_source_report(p->source);
	if (r->outcome == GW_COMPLETED) {
		assert_int_equal(gw_destination_wait(p->destination, WAIT_MS), 0);
		assert_int_equal(gw_destination_report(p->destination)->outcome, GW_COMPLETED);
		assert_false(fake_vm_running(&p->a));
		assert_true(fake_vm_running(&p->b));
		same_devices(p);
		assert_true(fake_vm_writes(&p->b) >= fake_vm_writes(&p->a));
		assert_true(fake_vm_memory_is_right(&p->b));
	} else {
		print_message("# rolled back: %s: %s\n", r->error.where, r->error.what);
		if (p->destination && !gw_destination_wait(p->destination, 0)) {
			const struct gw_error *e = &gw_destination_report(p->destination)->error;

			print_message("#   destination: %s: %s\n", e->where, e->what);
		}
		assert_int_equal(r->outcome, GW_ROLLED_BACK);
		assert_int_not_equal(r->error.code, 0);
		assert_int_equal(r->rollback_failed, 0);
		assert_string_not_equal(r->error.what, "");
		assert_true(fake_vm_running(&p->a));
		assert_true(fake_vm_memory_is_right(&p->a));
		assert_false(fake_vm_running(&p->b));
	}
	return r->outcome;
}

static void migrate(uint32_t flags)
{
	struct pair *p = malloc(sizeof(*p));
	const struct gw_report *r;

	open_pair(p, flags, 0);
	start(p);
	assert_int_equal(check_outcome(p), GW_COMPLETED);
	r = gw_source_report(p->source);
	assert_int_equal(r->verified, 1);
	assert_int_equal(r->error.code, 0);
	assert_int_equal(r->nr_devices, FAKE_DEVICES);
	for (unsigned i = 0; i < FAKE_DEVICES; i++) {
		assert_int_equal(r->devices[i].precopy_bytes + r->devices[i].stop_copy_bytes, DEVICE_BYTES);
		assert_int_equal(r->devices[i].precopy_bytes > 0, !!(flags & GW_MIGRATION_PRE_COPY));
		assert_int_equal(r->devices[i].verified, 1);
	}
	assert_true(r->downtime.total_ns > 0);
	assert_int_equal(r->downtime.pause_ns + r->downtime.quiesce_ns + r->downtime.sync_ns + r->downtime.transfer_ns +
				 r->downtime.load_ns + r->downtime.commit_ns + r->downtime.resume_ns,
			 r->downtime.total_ns);
	close_pair(p);
	free(p);
}

static void test_every_mix_of_capabilities(void **state)
{
	(void)state;
	migrate(ALL_FLAGS);
	migrate(GW_MIGRATION_STOP_COPY);
	migrate(GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P);
	migrate(GW_MIGRATION_STOP_COPY | GW_MIGRATION_PRE_COPY);
}

static void test_the_kth_call_fails(void **state)
{
	struct pair *p = malloc(sizeof(*p));
	int k = 0, completed = 0;

	(void)state;
	/* Ends when no call was left to fail; a failed log report is no failure of the migration. */
	do {
		open_pair(p, ALL_FLAGS, ++k);
		arm(p);
		start(p);
		completed += check_outcome(p) == GW_COMPLETED;
		assert_in_range(k, 1, 2000);
		close_pair(p);
	} while (p->countdown <= 0);
	assert_true(completed > 0);
	free(p);
}

static void test_cancel(void **state)
{
	struct pair *p = malloc(sizeof(*p));

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct timespec ts = { .tv_nsec = i * 1000000 }; /* where the cancel hits, not a synchronization */
		uint64_t writes;

		open_pair(p, ALL_FLAGS, 0);
		start(p);
		nanosleep(&ts, NULL);
		gw_source_cancel(p->source);
		if (check_outcome(p) == GW_ROLLED_BACK) {
			assert_int_equal(gw_source_report(p->source)->error.code, -ECANCELED);
			writes = fake_vm_writes(&p->a);
			while (fake_vm_writes(&p->a) == writes)
				; /* the guest goes on */
		}
		close_pair(p);
	}
	free(p);
}

/* A migration that the VMM gave up in time, for why; some are over before. */
static void open_and_fail(struct pair *p, const struct gw_error *why)
{
	int ret = -EALREADY;

	for (int i = 0; i < 100 && ret == -EALREADY; i++) {
		if (i)
			close_pair(p);
		open_pair(p, ALL_FLAGS, 0);
		start(p);
		ret = gw_source_fail(p->source, why);
		if (ret)
			check_outcome(p);
	}
	assert_int_equal(ret, 0);
}

/* The VMM's own reason is the report's, the first one alone. */
static void test_vmm_gives_up(void **state)
{
	struct gw_error why = { .code = -EIO, .where = "vCPUs", .what = "the guest has shut down: triple fault" };
	struct pair *p = malloc(sizeof(*p));
	struct gw_error none = { .code = 0 };
	const struct gw_error *error;

	(void)state;
	open_and_fail(p, &why);
	gw_source_cancel(p->source);
	assert_int_equal(check_outcome(p), GW_ROLLED_BACK);
	error = &gw_source_report(p->source)->error;
	assert_int_equal(error->code, -EIO);
	assert_string_equal(error->where, "vCPUs");
	assert_string_equal(error->what, "the guest has shut down: triple fault");
	assert_int_equal(gw_source_fail(p->source, &why), -EALREADY);
	assert_int_equal(gw_source_fail(p->source, &none), -EINVAL);
	close_pair(p);
	free(p);
}

/* Neither side's vCPUs start: the guest is the source's, stands still, and the report does not say that it runs. */
static void test_a_guest_that_cannot_go_on(void **state)
{
	struct pair *p = malloc(sizeof(*p));
	const struct gw_report *report;

	(void)state;
	open_pair(p, ALL_FLAGS, 0);
	p->a.resume_fails = p->b.resume_fails = 1;
	start(p);
	assert_int_equal(gw_source_wait(p->source, WAIT_MS), 0);
	assert_int_equal(gw_destination_wait(p->destination, WAIT_MS), 0);
	assert_int_equal(gw_destination_report(p->destination)->outcome, GW_ROLLED_BACK);
	report = gw_source_report(p->source);
	assert_int_equal(report->outcome, GW_ROLLED_BACK);
	assert_int_equal(report->rollback_failed, 1);
	assert_string_equal(report->error.what, "no vCPU wakes up; it was rolled back for: "
						"at the destination: no vCPU wakes up");
	assert_int_equal(p->running_vms, 0);
	assert_int_equal(p->a.vm.ops->resume(&p->a, NULL), 0); /* the VMM tries again */
	assert_true(fake_vm_running(&p->a));
	assert_true(fake_vm_memory_is_right(&p->a));
	close_pair(p);
	free(p);
}

static void test_nobody_listens(void **state)
{
	struct pair *p = malloc(sizeof(*p));
	struct gw_error e = GW_ERROR_NONE;

	(void)state;
	open_pair(p, ALL_FLAGS, 0);
	assert_int_equal(gw_source_new(&p->source, &p->a.vm, NULL, &e), 0);
	assert_int_equal(gw_source_start(p->source, "unix:/tmp/godwit-nobody-listens-here.sock", &e), 0);
	assert_int_equal(check_outcome(p), GW_ROLLED_BACK);
	close_pair(p);
	free(p);
}

static void test_refused_before_the_guest_stops(void **state)
{
	struct pair *p = malloc(sizeof(*p));
	const struct gw_report *r;

	(void)state;
	open_pair(p, ALL_FLAGS, 0);
	p->b.vm.nr_devices = 1;
	start(p);
	assert_int_equal(check_outcome(p), GW_ROLLED_BACK);
	r = gw_source_report(p->source);
	assert_int_equal(r->error.code, -ENOTSUP);
	assert_int_equal(r->blackout_ns, 0);
	close_pair(p);
	free(p);
}

static void test_bad_arguments(void **state)
{
	static const struct gw_limits bad[] = {
		{ .size = sizeof(bad[0]), .nr_channels = GW_MAX_CHANNELS + 1 },
		{ .size = sizeof(bad[0]), .device_window_bytes = 1 },
		{ .size = sizeof(bad[0]), .device_window_bytes = 1ull << 40 },
	};
	static const char *const uris[] = { "", "tcp:", "tcp:host", "tcp:host:99999", "unix:", "ftp://host/path" };
	struct pair *p = malloc(sizeof(*p));
	struct gw_error e;

	(void)state;
	open_pair(p, ALL_FLAGS, 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e = (struct gw_error)GW_ERROR_NONE;
		assert_int_equal(gw_source_new(&p->source, &p->a.vm, &bad[i], &e), -EINVAL);
		assert_string_not_equal(e.what, "");
		assert_int_equal(gw_destination_new(&p->destination, &p->b.vm, &bad[i], NULL), -EINVAL);
	}
	for (unsigned i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		e = (struct gw_error)GW_ERROR_NONE;
		assert_int_equal(gw_source_new(&p->source, &p->a.vm, NULL, &e), 0);
		assert_int_equal(gw_source_start(p->source, uris[i], &e), -EINVAL);
		assert_string_not_equal(e.what, "");
		gw_source_free(p->source);
	}
	p->a.vm.nr_ram = 0;
	assert_int_equal(gw_source_new(&p->source, &p->a.vm, NULL, &e), -EINVAL);
	p->a.vm.ops = NULL;
	assert_int_equal(gw_source_new(&p->source, &p->a.vm, NULL, NULL), -EINVAL);
	assert_int_equal(gw_source_new(&p->source, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(gw_destination_new(&p->destination, NULL, NULL, NULL), -EINVAL);
	assert_null(p->source);
	assert_null(p->destination);
	close_pair(p);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_mix_of_capabilities),
		cmocka_unit_test(test_the_kth_call_fails),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_vmm_gives_up),
		cmocka_unit_test(test_a_guest_that_cannot_go_on),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_refused_before_the_guest_stops),
		cmocka_unit_test(test_bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
