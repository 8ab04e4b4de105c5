/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole migrations over a wire that does one harm at one byte (relay.h): whatever it is, at most one side runs, a side
 * that does not know says so, and the guest is whole where it runs in the end. A case follows from a seed and its
 * number; several run at once, as most of their time is waiting. Arguments, all optional: how many cases, the seed,
 * the number of the first. A failed case prints what replays it.
 */
#include "fake_arbiter.h"
#include "fake_vm.h"
#include "relay.h"

#include <dirent.h>
#include <errno.h>
#include <godwit/godwit.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DEFAULT_CASES 300
#define DEFAULT_SEED  1
#define WORKERS       12
#define STALL_NS      300000000ull
#define RECONNECT_NS  1500000000ull
#define WAIT_MS       20000 /* for an outcome: far more than any deadline of a case */
#define LOOK_MS       5
#define CASE_BYTES    300 /* what is said of a failed one */

struct wire_case {
	unsigned long long seed, number;
	struct relay_plan plan;
	uint32_t flags, nr_channels;
	uint64_t device_bytes, stall_ns;
	bool take_over; /* how the user decides, where both sides do not know */
	bool reconnects, arbiter;
};

struct run {
	const struct wire_case *c;
	char listen_path[64], uri[80], connect_uri[80];
	struct fake_vm a, b;
	struct gw_source *source;
	struct gw_destination *destination;
	struct relay *relay;
	struct fake_arbiter arbiter;
	int running_vms, most_running;
	bool harmed, failed;
	enum gw_outcome outcome; /* of the source, before anyone decided */
	bool verified;
	uint32_t nr_reconnects;
};

static struct {
	unsigned long long seed, first, count;
	unsigned long long next;                                           /* atomic */
	int failed, harmed, unverified, outcomes[2][GW_OWNER_UNKNOWN + 1]; /* atomic; [whether it reconnects] */
	int nr_reconnects;
	char first_failed[CASE_BYTES];
} all = { .seed = DEFAULT_SEED, .count = DEFAULT_CASES };

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

static uint64_t draw(uint64_t *state, uint64_t below)
{
	*state = mix(*state);
	return (*state >> 16) % below;
}

/*
 * The control channel says a kilobyte in all, and the handover is in its second quarter. Of a data channel's stream
 * every order of magnitude is as likely.
 */
static uint64_t draw_offset(uint64_t *state, unsigned connection)
{
	if (connection == 0)
		return draw(state, 2) ? 150 + draw(state, 500) : draw(state, 1400);
	if (draw(state, 4))
		return draw(state, 2048);
	return draw(state, 2048ull << draw(state, 10));
}

static void make_case(struct wire_case *c, unsigned long long seed, unsigned long long number)
{
	static const enum relay_harm harms[] = { RELAY_FLIP, RELAY_FLIP,   RELAY_FLIP, RELAY_CUT,    RELAY_INSERT,
						 RELAY_DROP, RELAY_REPEAT, RELAY_FLIP, RELAY_REPEAT, RELAY_STALL };
	static const uint32_t flags[] = { 0, GW_MIGRATION_P2P, GW_MIGRATION_PRE_COPY,
					  GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY };
	uint64_t state = mix(mix(seed) + number);

	*c = (struct wire_case){ .seed = seed, .number = number, .stall_ns = STALL_NS };
	c->flags = GW_MIGRATION_STOP_COPY | flags[draw(&state, 4)];
	c->nr_channels = 1 + (uint32_t)draw(&state, 3);
	c->device_bytes = 1 + draw(&state, 200000);
	c->take_over = draw(&state, 2);
	c->reconnects = draw(&state, 2);
	c->arbiter = !draw(&state, 3);
	c->plan.harm = harms[number % (sizeof(harms) / sizeof(harms[0]))];
	c->plan.connection = draw(&state, 2) ? 0 : 1 + (unsigned)draw(&state, c->nr_channels);
	c->plan.way = draw(&state, c->plan.connection ? 16 : 2) ? RELAY_TO_DESTINATION : RELAY_TO_SOURCE;
	c->plan.offset = draw_offset(&state, c->plan.connection);
	c->plan.nr_bytes = draw(&state, 4) ? 32 : 1 + draw(&state, RELAY_HARM_BYTES);
	c->plan.random = mix(state);
}

/* cmocka's asserts are for its own thread alone. */
static bool check(struct run *r, bool right, const char *what)
{
	const struct wire_case *c = r->c;
	const struct relay_plan *p = &c->plan;
	char text[CASE_BYTES];

	if (right || r->failed)
		return right;
	r->failed = true;
	snprintf(text, sizeof(text),
		 "seed %llu case %llu (%s %s byte %llu of connection %u, %u data channels; source: %s%s%s): %s",
		 c->seed, c->number, relay_harm_names[p->harm],
		 p->way == RELAY_TO_DESTINATION ? "to the destination" : "to the source", (unsigned long long)p->offset,
		 p->connection, c->nr_channels, gw_outcome_name(r->outcome), r->harmed ? ", harmed" : "",
		 r->verified ? ", verified" : "", what);
	fprintf(stderr, "# %s\n", text);
	if (__atomic_fetch_add(&all.failed, 1, __ATOMIC_RELAXED) == 0)
		memcpy(all.first_failed, text, sizeof(text));
	return false;
}

static bool begin(struct run *r, const struct wire_case *c)
{
	struct gw_limits limits = {
		.size = sizeof(limits),
		.flags = GW_VERIFY | GW_ALLOW_NO_P2P | (c->reconnects ? 0 : GW_NO_RECONNECT),
		.nr_channels = c->nr_channels,
		.downtime_ns = 5000000000ull,
		.stall_ns = c->stall_ns,
		.reconnect_ns = RECONNECT_NS,
	};
	struct gw_error e = GW_ERROR_NONE;
	static int nr_runs;
	int n = __atomic_fetch_add(&nr_runs, 1, __ATOMIC_RELAXED);

	memset(r, 0, sizeof(*r));
	r->c = c;
	fake_arbiter_open(&r->arbiter);
	if (c->arbiter)
		limits.arbiter = r->arbiter.arbiter;
	snprintf(r->listen_path, sizeof(r->listen_path), "/tmp/godwit-wire-%d-%d.relay", getpid(), n);
	snprintf(r->uri, sizeof(r->uri), "unix:/tmp/godwit-wire-%d-%d.sock", getpid(), n);
	snprintf(r->connect_uri, sizeof(r->connect_uri), "unix:%s", r->listen_path);
	fake_vm_open(&r->a, c->flags, c->device_bytes, 1, NULL, &r->running_vms, &r->most_running);
	fake_vm_open(&r->b, c->flags, c->device_bytes, 99, NULL, &r->running_vms, &r->most_running);
	fake_vm_run(&r->a);
	if (!check(r, !gw_destination_new(&r->destination, &r->b.vm, &limits, &e), "no destination") ||
	    !check(r, !gw_destination_start(r->destination, r->uri, &e), "the destination does not start"))
		return false;
	r->relay = relay_start(r->listen_path, r->uri + strlen("unix:"), &c->plan);
	return check(r, r->relay, "no relay") &&
	       check(r, !gw_source_new(&r->source, &r->a.vm, &limits, &e), "no source") &&
	       check(r, !gw_source_start(r->source, r->connect_uri, &e), "the source does not start");
}

/* A destination that nothing came to yet has no outcome: it waits for the next source. */
static bool destination_waits(struct run *r)
{
	struct gw_progress progress;

	gw_destination_progress(r->destination, &progress);
	return !strcmp(progress.phase, "waiting");
}

static enum gw_outcome outcome_of_destination(struct run *r, enum gw_outcome of_source)
{
	for (int waited_ms = 0; gw_destination_wait(r->destination, LOOK_MS); waited_ms += LOOK_MS) {
		if (of_source == GW_ROLLED_BACK && destination_waits(r))
			return GW_OUTCOME_NONE;
		if (!check(r, waited_ms < WAIT_MS, "the destination has no end"))
			return GW_OUTCOME_NONE;
	}
	return gw_destination_report(r->destination)->outcome;
}

static void check_report(struct run *r, const struct gw_report *report)
{
	bool told = report->error.code < 0 && report->error.what[0];

	check(r, report->outcome == GW_COMPLETED || told, "it says not why it has not completed");
}

/* What the two sides may say beside each other. */
static bool fit(enum gw_outcome source, enum gw_outcome destination)
{
	static const bool fits[GW_OWNER_UNKNOWN + 1][GW_OWNER_UNKNOWN + 1] = {
		[GW_COMPLETED] = { [GW_COMPLETED] = true },
		[GW_ROLLED_BACK] = { [GW_OUTCOME_NONE] = true, [GW_ROLLED_BACK] = true, [GW_OWNER_UNKNOWN] = true },
		[GW_OWNER_UNKNOWN] = { [GW_COMPLETED] = true, [GW_ROLLED_BACK] = true, [GW_OWNER_UNKNOWN] = true },
	};

	return fits[source][destination];
}

/* The operator's page of doc/handover.md. True: the guest is now the destination's. */
static bool decide(struct run *r, enum gw_outcome source, enum gw_outcome destination)
{
	struct gw_error e = GW_ERROR_NONE;

	check(r, !r->c->arbiter || (source != GW_OWNER_UNKNOWN && destination != GW_OWNER_UNKNOWN),
	      "an arbiter that answers leaves nobody in doubt");
	check(r, fake_vm_running(&r->a) == (source == GW_ROLLED_BACK), "the source and its guest disagree");
	check(r, fake_vm_running(&r->b) == (destination == GW_COMPLETED), "the destination and its guest disagree");
	if (destination == GW_COMPLETED)
		return true;
	if (destination == GW_OWNER_UNKNOWN && source == GW_OWNER_UNKNOWN && r->c->take_over) {
		check(r, !gw_destination_take_over(r->destination, &e), "it cannot be taken over");
		check(r, gw_destination_report(r->destination)->outcome == GW_COMPLETED, "taken over, not completed");
		return true;
	}
	if (destination != GW_ROLLED_BACK) {
		check(r, !gw_destination_cancel(r->destination), "what is held cannot be discarded");
		check(r, !gw_destination_wait(r->destination, WAIT_MS), "discarding does not end");
		check(r, gw_destination_report(r->destination)->outcome != GW_COMPLETED, "discarded and completed");
	}
	if (source == GW_OWNER_UNKNOWN) {
		check(r, !gw_source_take_back(r->source, &e), "it cannot be taken back");
		check(r, gw_source_report(r->source)->outcome == GW_ROLLED_BACK, "taken back, not rolled back");
	}
	return false;
}

/* A flipped bit of RAM sent while the guest runs is seen by the comparison at the end only. */
static bool may_be_damaged(const struct run *r)
{
	const struct relay_plan *p = &r->c->plan;

	return r->harmed && !r->verified && p->harm == RELAY_FLIP && p->connection && p->way == RELAY_TO_DESTINATION;
}

static void check_guest(struct run *r, bool moved)
{
	struct fake_vm *here = moved ? &r->b : &r->a, *there = moved ? &r->a : &r->b;

	check(r, fake_vm_running(here), "the guest does not run");
	check(r, !fake_vm_running(there), "the guest runs on both sides");
	check(r, r->most_running <= 1, "the guest ran on both sides at a time");
	check(r, fake_vm_memory_is_right(here) || (moved && may_be_damaged(r)), "memory is wrong");
	for (unsigned i = 0; i < FAKE_DEVICES; i++) {
		check(r, here->devices[i].state == GW_STATE_RUNNING, "a device does not run");
		check(r, !memcmp(r->a.devices[i].bytes, r->b.devices[i].bytes, r->c->device_bytes) || !moved,
		      "a device's state is wrong");
		check(r, !r->a.devices[i].misused && !r->b.devices[i].misused, "a device was misused");
	}
}

static void end(struct run *r)
{
	gw_source_free(r->source);
	gw_destination_free(r->destination);
	fake_arbiter_close(&r->arbiter);
	fake_vm_close(&r->a);
	fake_vm_close(&r->b);
}

static void run_case(struct run *r, const struct wire_case *c)
{
	enum gw_outcome destination;

	if (begin(r, c) && check(r, !gw_source_wait(r->source, WAIT_MS), "the source has no end")) {
		r->outcome = gw_source_report(r->source)->outcome;
		r->verified = gw_source_report(r->source)->verified;
		r->nr_reconnects = gw_source_report(r->source)->handover.nr_reconnects;
		check_report(r, gw_source_report(r->source));
		destination = outcome_of_destination(r, r->outcome);
		if (destination != GW_OUTCOME_NONE)
			check_report(r, gw_destination_report(r->destination));
		check(r, r->outcome == GW_COMPLETED || !r->verified, "verified and not completed");
		r->harmed = relay_has_harmed(r->relay);
		check(r, fit(r->outcome, destination), "the two sides contradict each other");
		check_guest(r, decide(r, r->outcome, destination));
	}
	relay_stop(r->relay);
	end(r);
}

static void count(const struct run *r)
{
	__atomic_fetch_add(&all.outcomes[r->c->reconnects][r->outcome], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&all.nr_reconnects, (int)r->nr_reconnects, __ATOMIC_RELAXED);
	__atomic_fetch_add(&all.harmed, r->harmed, __ATOMIC_RELAXED);
	__atomic_fetch_add(&all.unverified, r->outcome == GW_COMPLETED && !r->verified, __ATOMIC_RELAXED);
}

static void *work(void *arg)
{
	struct run *r = malloc(sizeof(*r));
	unsigned long long n;

	(void)arg;
	while (r && (n = __atomic_fetch_add(&all.next, 1, __ATOMIC_RELAXED)) < all.count) {
		struct wire_case c;

		make_case(&c, all.seed, all.first + n);
		run_case(r, &c);
		count(r);
	}
	free(r);
	return NULL;
}

static int nr_entries(const char *folder)
{
	DIR *dir = opendir(folder);
	int nr = 0;

	while (dir && readdir(dir))
		nr++;
	if (dir)
		closedir(dir);
	return nr;
}

static void test_a_relay_that_does_no_harm(void **state)
{
	struct wire_case c = { .flags = GW_MIGRATION_STOP_COPY, .nr_channels = 2, .device_bytes = 77777 };
	struct run *r = malloc(sizeof(*r));

	(void)state;
	run_case(r, &c);
	assert_false(r->failed);
	assert_int_equal(r->outcome, GW_COMPLETED);
	assert_true(r->verified);
	free(r);
}

static void test_every_harm(void **state)
{
	pthread_t workers[WORKERS];
	int nr_files = nr_entries("/proc/self/fd"), nr_threads = nr_entries("/proc/self/task");

	(void)state;
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&workers[i], NULL, work, NULL), 0);
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	print_message("# %llu cases from %llu of seed %llu, %d harmed, %d not verified, %d reconnected\n", all.count,
		      all.first, all.seed, all.harmed, all.unverified, all.nr_reconnects);
	for (int i = 0; i < 2; i++)
		print_message("# %s: %d completed, %d rolled back, %d owner unknown\n",
			      i ? "with reconnecting" : "without", all.outcomes[i][GW_COMPLETED],
			      all.outcomes[i][GW_ROLLED_BACK], all.outcomes[i][GW_OWNER_UNKNOWN]);
	if (all.failed)
		fail_msg("%d failed, first %s", all.failed, all.first_failed);
	assert_int_equal(nr_entries("/proc/self/fd"), nr_files);
	assert_int_equal(nr_entries("/proc/self/task"), nr_threads); /* a sanitizer's own has been there before */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_relay_that_does_no_harm),
		cmocka_unit_test(test_every_harm),
	};

	if (argc > 1)
		all.count = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		all.seed = strtoull(argv[2], NULL, 0);
	if (argc > 3)
		all.first = strtoull(argv[3], NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
