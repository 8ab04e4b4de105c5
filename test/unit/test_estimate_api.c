/* SPDX-License-Identifier: BSD-3-Clause */
/* <godwit/estimate.h>: which of what was measured goes where in the model, and the course of pre-copy. */
#include "base/bits.h"
#include "base/clock.h"

#include <errno.h>
#include <godwit/estimate.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MS    NS_PER_MS
#define RATE  (1000 * MIB) /* about a MiB a ms */
#define BOTH  (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY)
#define PLAIN GW_MIGRATION_STOP_COPY

static struct gw_estimate_device device;
static struct gw_estimate_vm vm;

static void arc(struct gw_arc_time *arcs, uint32_t *nr, uint8_t from, uint8_t to, uint64_t ms)
{
	arcs[(*nr)++] = (struct gw_arc_time){ .from = from, .to = to, .ns = ms * MS };
}

static void here(uint8_t from, uint8_t to, uint64_t ms)
{
	arc(device.source_arcs, &device.nr_source_arcs, from, to, ms);
}

static void there(uint8_t from, uint8_t to, uint64_t ms)
{
	arc(device.destination_arcs, &device.nr_destination_arcs, from, to, ms);
}

/* A device with all states; the arcs that a downtime is not made of take half a second, so that one would be seen. */
static int set_up(void **state)
{
	device = (struct gw_estimate_device){ .size = sizeof(device), .migration_flags = BOTH };
	here(GW_STATE_RUNNING, GW_STATE_PRE_COPY, 500);
	here(GW_STATE_RUNNING, GW_STATE_RUNNING_P2P, 500);
	here(GW_STATE_PRE_COPY, GW_STATE_PRE_COPY_P2P, 5);
	here(GW_STATE_PRE_COPY_P2P, GW_STATE_STOP_COPY, 10);
	there(GW_STATE_STOP, GW_STATE_RESUMING, 500);
	there(GW_STATE_RESUMING, GW_STATE_STOP, 3);
	there(GW_STATE_STOP, GW_STATE_RUNNING_P2P, 4);
	there(GW_STATE_RUNNING_P2P, GW_STATE_RUNNING, 6);
	vm = (struct gw_estimate_vm){ .size = sizeof(vm), .nr_devices = 1, .devices = &device, .bytes_per_s = RATE };
	return 0;
}

static struct gw_estimate make(void)
{
	struct gw_estimate estimate;
	struct gw_error e = GW_ERROR_NONE;

	assert_int_equal(gw_estimate_make(&vm, &estimate, &e), 0);
	assert_int_equal(estimate.size, sizeof(estimate));
	return estimate;
}

static void the_arcs_of_a_downtime_count(void **state)
{
	struct gw_estimate estimate = make();

	assert_int_equal(estimate.downtime.quiesce_ns, 15 * MS);
	assert_int_equal(estimate.downtime.load_ns, 3 * MS);
	assert_int_equal(estimate.downtime.resume_ns, 10 * MS);
	assert_int_equal(estimate.downtime.total_ns, 28 * MS);
	assert_int_equal(estimate.converges, 1);
	assert_int_equal(estimate.downtime_limit_ns, 300 * MS);
}

/* Without P2P and pre-copy the guest waits for RUNNING -> STOP -> STOP_COPY, and there for STOP -> RUNNING. */
static void a_plain_device_goes_another_way(void **state)
{
	device.migration_flags = PLAIN;
	device.nr_source_arcs = device.nr_destination_arcs = 0;
	here(GW_STATE_RUNNING, GW_STATE_STOP, 20);
	here(GW_STATE_STOP, GW_STATE_STOP_COPY, 30);
	there(GW_STATE_RESUMING, GW_STATE_STOP, 7);
	there(GW_STATE_STOP, GW_STATE_RUNNING, 8);
	assert_int_equal(make().downtime.quiesce_ns, 50 * MS);
	assert_int_equal(make().downtime.load_ns, 7 * MS);
	assert_int_equal(make().downtime.resume_ns, 8 * MS);
}

static void an_arc_not_measured_counts_as_the_median(void **state)
{
	device.nr_destination_arcs = 0;
	there(GW_STATE_STOP, GW_STATE_RESUMING, 9);
	assert_int_equal(make().downtime.load_ns, 9 * MS);
	assert_int_equal(make().downtime.resume_ns, 18 * MS);
	device.nr_destination_arcs = 0;
	assert_true(make().downtime.load_ns == UINT64_MAX);
	assert_true(make().downtime.total_ns == UINT64_MAX);
}

static void state_goes_over_the_wire(void **state)
{
	device.stop_copy_bytes = 100 * MIB;
	assert_int_equal(make().downtime.transfer_ns, 100 * MS);
	device.read_bytes_per_s = RATE / 2;
	assert_int_equal(make().downtime.transfer_ns, 201 * MS);
	device.read_bytes_per_s = 0;
	device.load_bytes_per_s = RATE / 4;
	assert_true(make().downtime.load_ns > 50 * MS);
	device.stop_copy_bytes = UINT64_MAX;
	assert_true(make().downtime.transfer_ns == UINT64_MAX);
}

static void devices_move_in_parallel(void **state)
{
	struct gw_estimate_device devices[2] = { device, device };

	devices[1].source_arcs[2].ns = 50 * MS;
	vm.devices = devices;
	vm.nr_devices = 2;
	assert_int_equal(make().downtime.quiesce_ns, 60 * MS);
	assert_int_equal(make().downtime.resume_ns, 10 * MS);
}

static void messages_and_the_pause_count(void **state)
{
	vm.round_trip_ns = 2 * MS;
	vm.pause_ns = 7 * MS;
	assert_int_equal(make().downtime.pause_ns, 7 * MS);
	assert_int_equal(make().downtime.commit_ns, 2 * MS);
	assert_int_equal(make().downtime.total_ns, 41 * MS);
	device.log_ns = 5 * MS;
	assert_int_equal(make().downtime.sync_ns, 5 * MS);
}

/* Each round carries what was written during the one before: a tenth of it. */
static void pre_copy_goes_on_while_it_is_worth_it(void **state)
{
	struct gw_estimate estimate;

	vm.memory_bytes = 10000 * MIB;
	vm.dirty_bytes_per_s = RATE / 10;
	estimate = make();
	assert_int_equal(estimate.converges, 1);
	assert_int_equal(estimate.rounds, 3); /* 1000, 100, 10 MiB; the last go under the transitions */
	assert_int_equal(estimate.ram_bytes, 10 * MIB);
	assert_int_equal(estimate.precopy_ns, 11100 * MS);
	assert_int_equal(estimate.downtime.transfer_ns, 0);
	device.precopy_bytes = 1000 * MIB; /* goes along with the first */
	assert_int_equal(make().precopy_ns, 12210 * MS);
}

static void a_guest_that_writes_too_fast_does_not_converge(void **state)
{
	struct gw_estimate estimate;

	vm.memory_bytes = 10000 * MIB;
	vm.dirty_bytes_per_s = 2 * RATE;
	estimate = make();
	assert_int_equal(estimate.converges, 0);
	assert_int_equal(estimate.why.code, -EBUSY);
	assert_non_null(strstr(estimate.why.what, "did not converge"));
	assert_int_equal(estimate.ram_bytes, 10000 * MIB); /* all there is, and no more */
	assert_true(estimate.downtime.total_ns > 9000 * MS);
}

static void transitions_over_the_limit_do_not_converge(void **state)
{
	vm.downtime_limit_ns = 27 * MS;
	assert_int_equal(make().converges, 0);
	assert_int_equal(make().downtime.total_ns, 28 * MS);
	vm.downtime_limit_ns = 28 * MS;
	assert_int_equal(make().converges, 1);
}

static void ram_that_nobody_tracks_is_sent_in_the_pause(void **state)
{
	vm.memory_bytes = 1000 * MIB;
	assert_int_equal(make().downtime.transfer_ns, 0);
	device.untracked = 1;
	assert_int_equal(make().downtime.transfer_ns, 1000 * MS);
	assert_int_equal(make().converges, 0);
}

static void a_vm_without_devices_is_fine(void **state)
{
	vm.nr_devices = 0;
	vm.devices = NULL;
	assert_int_equal(make().downtime.total_ns, 0);
}

static void an_older_caller_has_smaller_structs(void **state)
{
	struct old {
		struct gw_estimate_device first, second;
	} pair = { .first = device };
	uint32_t size = offsetof(struct gw_estimate_device, log_ns);

	device.log_ns = 5 * MS;
	pair.first = device;
	pair.first.size = size;
	memcpy((char *)&pair.first + size, &device, size); /* the second begins where the first ends */
	((struct gw_estimate_device *)((char *)&pair.first + size))->size = size;
	vm.devices = &pair.first;
	vm.nr_devices = 2;
	vm.size = offsetof(struct gw_estimate_vm, downtime_limit_ns);
	vm.downtime_limit_ns = 1;
	assert_int_equal(make().downtime.quiesce_ns, 15 * MS);
	assert_int_equal(make().downtime.sync_ns, 0);
	assert_int_equal(make().converges, 1); /* that limit is not among what the caller has */
}

static void expect_refused(void)
{
	struct gw_estimate estimate;
	struct gw_error e = GW_ERROR_NONE;

	assert_int_equal(gw_estimate_make(&vm, &estimate, &e), -EINVAL);
	assert_true(e.what[0]);
	set_up(NULL);
}

static void nonsense_is_refused(void **state)
{
	vm.bytes_per_s = 0;
	expect_refused();
	vm.nr_devices = GW_MAX_DEVICES + 1;
	expect_refused();
	vm.size = 8;
	expect_refused();
	vm.devices = NULL;
	expect_refused();
	device.nr_source_arcs = GW_MAX_ARCS + 1;
	expect_refused();
	device.nr_destination_arcs = UINT32_MAX;
	expect_refused();
	device.migration_flags = 0;
	expect_refused();
	device.size = 0;
	expect_refused();
	device.size -= 4;
	expect_refused();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_arcs_of_a_downtime_count, set_up),
		cmocka_unit_test_setup(a_plain_device_goes_another_way, set_up),
		cmocka_unit_test_setup(an_arc_not_measured_counts_as_the_median, set_up),
		cmocka_unit_test_setup(state_goes_over_the_wire, set_up),
		cmocka_unit_test_setup(devices_move_in_parallel, set_up),
		cmocka_unit_test_setup(messages_and_the_pause_count, set_up),
		cmocka_unit_test_setup(pre_copy_goes_on_while_it_is_worth_it, set_up),
		cmocka_unit_test_setup(a_guest_that_writes_too_fast_does_not_converge, set_up),
		cmocka_unit_test_setup(transitions_over_the_limit_do_not_converge, set_up),
		cmocka_unit_test_setup(ram_that_nobody_tracks_is_sent_in_the_pause, set_up),
		cmocka_unit_test_setup(a_vm_without_devices_is_fine, set_up),
		cmocka_unit_test_setup(an_older_caller_has_smaller_structs, set_up),
		cmocka_unit_test_setup(nonsense_is_refused, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
