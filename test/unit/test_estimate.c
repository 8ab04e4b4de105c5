/* SPDX-License-Identifier: BSD-3-Clause */
/* The downtime estimate: what counts, what counts once because it goes on at the same time, and what is not known. */
#include "engine/estimate.h"

#include "base/bits.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MS   NS_PER_MS
#define RATE (1000 * MIB) /* about a MiB a ms */

/* A guest that stands still at once, devices that stop in 5 + 10 ms there and 3 + 4 + 5 ms here, nothing to move. */
static struct device_outlook device;
static struct sync_result sync;

static int set_up(void **state)
{
	device = (struct device_outlook){
		.quiesce_ns = 5 * MS,
		.stop_ns = 10 * MS,
		.log_ns = 2 * MS,
		.window_bytes = 16 * MIB,
		.leave_ns = 3 * MS,
		.p2p_ns = 4 * MS,
		.run_ns = 5 * MS,
	};
	sync = (struct sync_result){ .bytes_per_s = RATE, .nr_devices = 1, .devices = &device };
	return 0;
}

static uint64_t sum(const struct gw_downtime *d)
{
	return d->pause_ns + d->quiesce_ns + d->sync_ns + d->transfer_ns + d->load_ns + d->commit_ns + d->resume_ns;
}

/* The estimate, with what holds for each in which all is known. */
static struct estimate make(void)
{
	struct estimate estimate = estimate_make(&sync);

	assert_int_equal(estimate.parts.total_ns, estimate.total_ns);
	assert_int_equal(sum(&estimate.parts), estimate.total_ns);
	assert_int_equal(estimate.floor_ns + estimate.transfer_ns, estimate.total_ns);
	return estimate;
}

static void counts_transitions_and_the_last_sync(void **state)
{
	struct estimate estimate = make();

	assert_int_equal(estimate.parts.quiesce_ns, 15 * MS);
	assert_int_equal(estimate.parts.sync_ns, 2 * MS);
	assert_int_equal(estimate.parts.transfer_ns, 0);
	assert_int_equal(estimate.parts.load_ns, 1 * MS); /* out of RESUMING, beside the sync */
	assert_int_equal(estimate.parts.resume_ns, 9 * MS);
	assert_int_equal(estimate.total_ns, 27 * MS);
	assert_int_equal(estimate.transitions_ns, 27 * MS);
	assert_int_equal(estimate_floor_ns(&estimate), 27 * MS);
}

/* Barriers: each takes as long as the slowest device of it, whichever that is. */
static void counts_the_slowest_of_each_barrier(void **state)
{
	struct device_outlook devices[2] = { device, device };

	devices[0].quiesce_ns = 50 * MS;
	devices[1].stop_ns = 60 * MS;
	devices[1].run_ns = 70 * MS;
	sync.devices = devices;
	sync.nr_devices = 2;
	assert_int_equal(make().parts.quiesce_ns, 110 * MS);
	assert_int_equal(make().parts.resume_ns, 74 * MS);
}

/* RAM goes out while the devices stop: only what does not fit under that counts. */
static void ram_travels_under_the_transitions(void **state)
{
	sync.dirty_bytes = 10 * MIB; /* 10 ms; the devices take 15 */
	assert_int_equal(make().parts.transfer_ns, 0);
	assert_int_equal(make().transfer_ns, 0);
	sync.dirty_bytes = 100 * MIB;
	assert_int_equal(make().parts.transfer_ns, 85 * MS);
	assert_int_equal(make().total_ns, 111 * MS); /* the device is out of RESUMING by then */
	sync.vcpu_ns = 4 * MS;                       /* their log is read first */
	assert_int_equal(make().parts.transfer_ns, 89 * MS);
	sync.pause_ns = 7 * MS; /* all of it is later then */
	assert_int_equal(make().parts.pause_ns, 7 * MS);
	assert_int_equal(make().parts.transfer_ns, 89 * MS);
}

/* Until the pause the guest goes on writing. */
static void counts_what_is_dirtied_meanwhile(void **state)
{
	sync.nr_devices = 0;
	sync.took_ns = 10 * MS;
	sync.dirty_bytes_per_s = RATE / 2;
	assert_int_equal(make().parts.transfer_ns, 5 * MS);
}

/* Device state is read once a device has stopped, and shares the wire with what is left of RAM. */
static void state_shares_the_wire_with_ram(void **state)
{
	device.bytes = 20 * MIB;
	assert_int_equal(make().parts.transfer_ns, 18 * MS); /* 2 of 20 are the sync's */
	sync.dirty_bytes = 10 * MIB;
	assert_int_equal(make().parts.transfer_ns, 18 * MS);
	sync.dirty_bytes = 25 * MIB; /* 10 are left after 15 ms */
	assert_int_equal(make().parts.transfer_ns, 28 * MS);
}

/* A device's state goes as fast as the slowest of reading, wire and loading, and all of theirs as fast as the wire. */
static void state_goes_as_fast_as_the_slowest(void **state)
{
	struct device_outlook devices[3];

	device.log_ns = device.leave_ns = 0;
	device.bytes = 20 * MIB;
	assert_int_equal(make().parts.transfer_ns, 20 * MS);
	device.read_bytes_per_s = RATE / 2;
	assert_int_equal(make().parts.transfer_ns, 41 * MS); /* the last buffer has to be sent, too */
	for (unsigned i = 0; i < ARRAY_SIZE(devices); i++)
		devices[i] = device;
	sync.devices = devices;
	sync.nr_devices = 3;
	assert_int_equal(make().parts.transfer_ns, 60 * MS);
}

/* What loads slower than it comes is loaded after the last byte, as far as the window lets it wait there. */
static void slow_loading_is_counted(void **state)
{
	device.log_ns = device.leave_ns = 0;
	device.bytes = 20 * MIB;
	device.load_bytes_per_s = RATE / 4;
	assert_int_equal(make().parts.transfer_ns + make().parts.load_ns, 81 * MS);
	assert_int_equal(make().parts.load_ns, 61 * MS); /* the wire took 20 */
	device.window_bytes = 4 * MIB;
	assert_int_equal(make().parts.load_ns, 16 * MS);
	assert_int_equal(make().parts.transfer_ns, 65 * MS);
}

/* State read before goes on at once: under the transitions, like RAM. */
static void state_on_its_way_goes_on(void **state)
{
	device.log_ns = device.leave_ns = 0;
	device.unsent_bytes = device.unloaded_bytes = 10 * MIB;
	assert_int_equal(make().parts.transfer_ns, 0);
	device.unsent_bytes = device.unloaded_bytes = 40 * MIB;
	assert_int_equal(make().parts.transfer_ns, 25 * MS);
	sync.dirty_bytes = 1 * MIB;
	assert_int_equal(make().parts.transfer_ns, 26 * MS);
	sync.dirty_bytes = 0;
	device.unsent_bytes = 0;
	device.unloaded_bytes = 10 * MIB; /* it lies there already */
	device.load_bytes_per_s = RATE / 4;
	assert_int_equal(make().parts.transfer_ns, 0);
	assert_int_equal(make().parts.load_ns, 25 * MS);
	device.load_bytes_per_s = device.unloaded_bytes = 0;
	device.ahead_bytes = MIB; /* the device stops only after that read */
	device.read_bytes_per_s = RATE / 8;
	assert_int_equal(make().parts.quiesce_ns, 23 * MS);
	assert_int_equal(make().total_ns, 32 * MS);
}

/* All RAM that a device without a log may write is sent after the last sync, and no round makes that less. */
static void untracked_ram_counts_whole(void **state)
{
	struct estimate estimate;

	sync.untracked_bytes = 100 * MIB;
	estimate = make();
	assert_int_equal(estimate.untracked_ns, 100 * MS);
	assert_int_equal(estimate.parts.transfer_ns, 100 * MS);
	assert_int_equal(estimate_floor_ns(&estimate), 126 * MS); /* the device has left RESUMING by then */
	sync.bytes_per_s = 0; /* without a rate it is no reason to say that nothing helps */
	estimate = estimate_make(&sync);
	assert_int_equal(estimate_floor_ns(&estimate), 27 * MS);
}

static void counts_messages_and_the_claim(void **state)
{
	sync.round_trip_ns = 2 * MS;
	assert_int_equal(make().total_ns, 33 * MS);
	assert_int_equal(make().parts.commit_ns, 2 * MS);
	sync.claim_ns = 20 * MS;
	assert_int_equal(make().parts.resume_ns, 29 * MS);
	assert_int_equal(make().total_ns, 53 * MS);
}

static void counts_handing_over_between_threads(void **state)
{
	sync.handoff_ns = MS;
	assert_int_equal(make().parts.pause_ns, MS);
	assert_int_equal(make().parts.quiesce_ns, 17 * MS);
	assert_int_equal(make().total_ns, (27 + 10) * MS);
	sync.nr_devices = 0;
	assert_int_equal(make().total_ns, 6 * MS);
}

/* Under a bandwidth limit the line may still owe for what went before, or have saved up for a burst. */
static void a_limited_line_has_a_past(void **state)
{
	sync.nr_devices = 0;
	sync.dirty_bytes = 50 * MIB;
	sync.burst_ns = 20 * MS;
	sync.line_ns = 30 * (int64_t)MS;
	assert_int_equal(make().parts.transfer_ns, 80 * MS);
	sync.line_ns = -5 * (int64_t)MS;
	assert_int_equal(make().parts.transfer_ns, 45 * MS);
	sync.line_ns = -5000 * (int64_t)MS;
	assert_int_equal(make().parts.transfer_ns, 30 * MS);
	sync.line_ns = INT64_MIN;
	assert_int_equal(make().parts.transfer_ns, 30 * MS);
}

/* The part is unknown and so is the sum, but a decision is made with what is known. */
static void unknown_is_unknown(void **state)
{
	struct estimate estimate;

	device.leave_ns = device.p2p_ns = device.run_ns = UINT64_MAX; /* before LOADABLE */
	estimate = estimate_make(&sync);
	assert_true(estimate.parts.load_ns == UINT64_MAX);
	assert_true(estimate.parts.resume_ns == UINT64_MAX);
	assert_true(estimate.parts.total_ns == UINT64_MAX);
	assert_int_equal(estimate.parts.quiesce_ns, 15 * MS);
	assert_int_equal(estimate.total_ns, 17 * MS);
	assert_int_equal(estimate_floor_ns(&estimate), 17 * MS);
	set_up(NULL);
	device.quiesce_ns = UINT64_MAX;
	assert_true(estimate_make(&sync).parts.quiesce_ns == UINT64_MAX);
	assert_int_equal(estimate_make(&sync).total_ns, 22 * MS);
	set_up(NULL);
	device.bytes = UINT64_MAX;
	assert_true(estimate_make(&sync).parts.transfer_ns == UINT64_MAX);
	assert_int_equal(estimate_make(&sync).total_ns, 27 * MS);
	set_up(NULL);
	sync.round_trip_ns = UINT64_MAX;
	assert_true(estimate_make(&sync).parts.commit_ns == UINT64_MAX);
	assert_int_equal(estimate_make(&sync).total_ns, 27 * MS);
}

static void nothing_takes_no_time_at_any_rate(void **state)
{
	struct sync_result nothing = { 0 };

	assert_int_equal(estimate_make(&nothing).total_ns, 0);
	sync.bytes_per_s = 0;
	assert_int_equal(make().total_ns, 27 * MS);
	sync.dirty_bytes = 1;
	assert_true(estimate_make(&sync).total_ns == UINT64_MAX);
	assert_true(estimate_make(&sync).transfer_ns == UINT64_MAX);
	assert_true(estimate_make(&sync).parts.transfer_ns == UINT64_MAX);
	assert_int_equal(estimate_make(&sync).floor_ns, 27 * MS);
}

/* Whatever comes in, a sum that does not fit is for ever and never a small number. */
static void does_not_wrap(void **state)
{
	struct estimate estimate;

	memset(&device, 0xfe, sizeof(device));
	memset(&sync, 0xfe, sizeof(sync));
	sync.nr_devices = 1;
	sync.devices = &device;
	sync.bytes_per_s = 1;
	estimate = estimate_make(&sync);
	assert_true(estimate.total_ns == UINT64_MAX);
	assert_true(estimate.parts.total_ns == UINT64_MAX);
	assert_true(estimate_floor_ns(&estimate) == UINT64_MAX);
	sync.line_ns = INT64_MAX;
	assert_true(estimate_make(&sync).total_ns == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(counts_transitions_and_the_last_sync, set_up),
		cmocka_unit_test_setup(counts_the_slowest_of_each_barrier, set_up),
		cmocka_unit_test_setup(ram_travels_under_the_transitions, set_up),
		cmocka_unit_test_setup(counts_what_is_dirtied_meanwhile, set_up),
		cmocka_unit_test_setup(state_shares_the_wire_with_ram, set_up),
		cmocka_unit_test_setup(state_goes_as_fast_as_the_slowest, set_up),
		cmocka_unit_test_setup(slow_loading_is_counted, set_up),
		cmocka_unit_test_setup(state_on_its_way_goes_on, set_up),
		cmocka_unit_test_setup(untracked_ram_counts_whole, set_up),
		cmocka_unit_test_setup(counts_messages_and_the_claim, set_up),
		cmocka_unit_test_setup(counts_handing_over_between_threads, set_up),
		cmocka_unit_test_setup(a_limited_line_has_a_past, set_up),
		cmocka_unit_test_setup(unknown_is_unknown, set_up),
		cmocka_unit_test_setup(nothing_takes_no_time_at_any_rate, set_up),
		cmocka_unit_test_setup(does_not_wrap, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
