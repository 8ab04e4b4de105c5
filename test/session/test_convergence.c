/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Migrations that are hard to end: a device whose pre-copy never ends, beside RAM that never is clean, under one
 * bandwidth limit; and a wire that has next to nothing to be measured with.
 */
#include "fake_vm.h"

#include <errno.h>
#include <godwit/godwit.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB         (1024 * 1024)
#define MS          1000000ull
#define NO_PRECOPY  (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P)
#define ALL_FLAGS   (NO_PRECOPY | GW_MIGRATION_PRE_COPY)
#define BYTES_PER_S (40ull * MIB)

struct pair {
	struct fake_vm a, b;
	struct gw_source *source;
	struct gw_destination *destination;
	int running_vms, most_running;
};

/* The guest writes `burst` pages every pace_ns. */
static struct pair *open_pair(uint32_t flags, uint64_t device_bytes, uint32_t burst, uint32_t pace_ns)
{
	struct pair *p = calloc(1, sizeof(*p));

	fake_vm_open(&p->a, flags, device_bytes, 1, NULL, &p->running_vms, &p->most_running);
	fake_vm_open(&p->b, flags, device_bytes, 99, NULL, &p->running_vms, &p->most_running);
	p->a.burst = p->b.burst = burst;
	p->a.pace_ns = p->b.pace_ns = pace_ns;
	return p;
}

static void make_endless(struct pair *p)
{
	for (unsigned i = 0; i < FAKE_DEVICES; i++)
		p->a.devices[i].endless = p->b.devices[i].endless = 1;
}

static void start(struct pair *p, const struct gw_limits *limits)
{
	static unsigned serial;
	char uri[64];

	fake_vm_run(&p->a);
	snprintf(uri, sizeof(uri), "unix:/tmp/godwit-converge-%d-%u.sock", getpid(), ++serial);
	assert_int_equal(gw_destination_new(&p->destination, &p->b.vm, limits, NULL), 0);
	assert_int_equal(gw_destination_start(p->destination, uri, NULL), 0);
	assert_int_equal(gw_source_new(&p->source, &p->a.vm, limits, NULL), 0);
	assert_int_equal(gw_source_start(p->source, gw_destination_uri(p->destination), NULL), 0);
}

static const struct gw_report *ended(struct pair *p, enum gw_outcome outcome)
{
	const struct gw_report *report;

	assert_int_equal(gw_source_wait(p->source, 60000), 0);
	report = gw_source_report(p->source);
	if (report->outcome != outcome)
		print_message("# %s: %s\n", report->error.where, report->error.what);
	assert_int_equal(report->outcome, outcome);
	assert_int_equal(fake_vm_running(&p->a), outcome == GW_ROLLED_BACK);
	if (outcome == GW_COMPLETED) {
		assert_int_equal(gw_destination_wait(p->destination, 30000), 0);
		assert_true(fake_vm_memory_is_right(&p->b));
		for (unsigned i = 0; i < FAKE_DEVICES; i++)
			assert_memory_equal(p->a.devices[i].bytes, p->b.devices[i].bytes, p->a.devices[i].size_bytes);
	}
	return report;
}

static void close_pair(struct pair *p)
{
	assert_in_range(p->most_running, 0, 1);
	gw_source_free(p->source);
	gw_destination_free(p->destination);
	fake_vm_close(&p->a);
	fake_vm_close(&p->b);
	free(p);
}

/* How much of each has gone, once both together are some MiB. */
static void progress_at(struct pair *p, uint64_t bytes, uint64_t *ram, uint64_t *devices)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	struct gw_progress progress;

	do {
		nanosleep(&moment, NULL);
		gw_source_progress(p->source, &progress);
		assert_int_equal(progress.outcome, GW_OUTCOME_NONE);
		*ram = progress.ram_sent_bytes;
		*devices = 0;
		for (unsigned i = 0; i < FAKE_DEVICES; i++)
			*devices += progress.devices[i].bytes;
	} while (*ram + *devices < bytes);
}

/* The device has buffers of 1 MiB, RAM frames of up to 2 MiB: by turns RAM would have two thirds of the wire. */
static void ram_and_devices_share_the_wire(void **state)
{
	const struct gw_limits limits = { .size = sizeof(limits), .bandwidth = BYTES_PER_S, .downtime_ns = 100 * MS };
	struct pair *p = open_pair(ALL_FLAGS, 100000, 256, 1000000);
	uint64_t ram_before, devices_before, ram, devices;

	make_endless(p);
	start(p, &limits);
	progress_at(p, 8 * MIB, &ram_before, &devices_before);
	progress_at(p, 48 * MIB, &ram, &devices);
	ram -= ram_before;
	devices -= devices_before;
	print_message("# RAM %llu KiB, devices %llu KiB\n", (unsigned long long)ram >> 10,
		      (unsigned long long)devices >> 10);
	assert_true(ram >= (ram + devices) / 5 * 2);
	assert_true(devices >= (ram + devices) / 5 * 2);
	assert_int_equal(gw_source_cancel(p->source), 0);
	ended(p, GW_ROLLED_BACK);
	close_pair(p);
}

/* Little is read ahead of the wire: what waits there would be sent in the downtime, and would never fit. */
static void an_endless_device_does_not_keep_the_guest_here(void **state)
{
	const struct gw_limits limits = {
		.size = sizeof(limits), .bandwidth = BYTES_PER_S, .downtime_ns = 300 * MS, .max_rounds = 40
	};
	struct pair *p = open_pair(ALL_FLAGS, 100000, 1, 1000000);

	make_endless(p);
	start(p, &limits);
	ended(p, GW_COMPLETED);
	close_pair(p);
}

/* 3 MiB that only stop-copy can read do not go through in 30 ms: reading on does not change that. */
static void endless_precopy_ends_with_its_limits(void **state)
{
	const struct gw_limits rounds = {
		.size = sizeof(rounds), .bandwidth = BYTES_PER_S, .downtime_ns = 30 * MS, .max_rounds = 8
	};
	const struct gw_limits time = {
		.size = sizeof(time), .bandwidth = BYTES_PER_S, .downtime_ns = 30 * MS, .precopy_ns = 500 * MS
	};
	const struct gw_limits *const limits[] = { &rounds, &time };

	for (unsigned i = 0; i < 2; i++) {
		struct pair *p = open_pair(ALL_FLAGS, 3 * MIB, 1, 1000000);
		const struct gw_report *report;

		make_endless(p);
		start(p, limits[i]);
		report = ended(p, GW_ROLLED_BACK);
		assert_int_equal(report->error.code, -EBUSY);
		assert_int_equal(report->blackout_ns, 0);
		for (unsigned j = 0; j < FAKE_DEVICES; j++)
			assert_int_equal(p->a.devices[j].state, GW_STATE_RUNNING);
		close_pair(p);
	}
}

/*
 * RAM of zeroes, a guest that writes a page now and then, devices of which nothing can be read before they stop: a
 * rate taken from so little is a hundredth of the true one, and the estimate would stay over the limit for ever.
 */
static void little_to_measure_is_no_reason_to_wait(void **state)
{
	const struct gw_limits limits = { .size = sizeof(limits), .downtime_ns = 1000 * MS, .max_rounds = 20 };
	struct pair *p = open_pair(NO_PRECOPY, 40 * MIB, 1, 5000000);
	const struct gw_report *report;

	start(p, &limits);
	report = ended(p, GW_COMPLETED);
	assert_true(report->predicted.transfer_ns > 0); /* it was measured all the same */
	assert_true(report->predicted.total_ns <= limits.downtime_ns);
	close_pair(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ram_and_devices_share_the_wire),
		cmocka_unit_test(an_endless_device_does_not_keep_the_guest_here),
		cmocka_unit_test(endless_precopy_ends_with_its_limits),
		cmocka_unit_test(little_to_measure_is_no_reason_to_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
