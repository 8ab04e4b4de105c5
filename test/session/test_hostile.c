/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile source against a real destination. Whatever it sends: memory stays within what the guest's RAM and the
 * devices' windows add up to, the guest does not run here, no thread and no fd is left, and where nothing had been
 * accepted yet the next source is served as if it had been the first.
 */
#include "victim.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define WINDOWS_BYTES (FAKE_DEVICES * DEFAULT_DEVICE_WINDOW_BYTES)
/* Stacks, heads of frames, messages on the way, and what malloc keeps. The VM's state counts apart. */
#define SMALL_THINGS  (12 * MIB)
#define HELLO_MS      3000 /* what a newcomer has for its HELLO */

static void send_buffer(struct victim *v, uint32_t device, uint64_t number, size_t nr_bytes)
{
	size_t size = FRAME_DEVICE_FIXED_BYTES + nr_bytes;
	struct device_buffer_header header = { .device = device, .number = number, .sent = number * nr_bytes };
	uint8_t *body = calloc(1, size);

	frame_device_encode(body, &header);
	raw_peer_frame(&v->data[number % VICTIM_NR_DATA], FRAME_DEVICE, 0, body, size, size);
	free(body);
}

/* Each device's window is filled with buffers that cannot be loaded, for number 0 never comes; then one more. */
static void window_is_filled(uint64_t nr_bytes, uint64_t cost_bytes, const char *why)
{
	uint64_t nr = DEFAULT_DEVICE_WINDOW_BYTES / cost_bytes;
	struct victim v;

	victim_open(&v);
	victim_begin(&v, 0);
	for (uint32_t device = 0; device < FAKE_DEVICES; device++)
		for (uint64_t number = 1; number < nr; number++)
			send_buffer(&v, device, number, nr_bytes);
	send_buffer(&v, 0, nr, nr_bytes);
	send_buffer(&v, 0, nr + 1, nr_bytes);
	victim_rolled_back(&v, why);
	victim_check_memory(&v, VICTIM_RAM_BYTES + WINDOWS_BYTES + SMALL_THINGS);
	victim_close(&v);
}

static void large_buffers_fill_the_window(void **state)
{
	window_is_filled(LIMIT_DEVICE_BUFFER_BYTES, LIMIT_DEVICE_BUFFER_BYTES, "more device state than was granted");
}

static void small_buffers_fill_the_window(void **state)
{
	window_is_filled(1, LIMIT_DEVICE_BUFFER_COST, "where 0 is due");
}

/* The largest VM_STATE there is. */
static size_t encode_largest(uint8_t body[LIMIT_VM_STATE_BYTES])
{
	uint8_t *bytes = calloc(1, LIMIT_VM_STATE_BYTES);
	struct message m = { .type = FRAME_VM_STATE, .vm_state = { bytes, LIMIT_VM_STATE_BYTES - 4 } };
	ssize_t n = message_encode(&m, body, LIMIT_VM_STATE_BYTES);

	free(bytes);
	assert_int_equal(n, LIMIT_VM_STATE_BYTES);
	return (size_t)n;
}

static void vm_state_floods(void **state)
{
	uint8_t *body = malloc(LIMIT_VM_STATE_BYTES);
	size_t nr = encode_largest(body);
	struct victim v;

	victim_open(&v);
	victim_begin(&v, 0);
	for (unsigned i = 0; i < 24; i++)
		raw_peer_frame(&v.control, FRAME_VM_STATE, 0, body, nr, nr);
	free(body);
	raw_peer_close(&v.control);
	victim_rolled_back(&v, "closed the connection");
	victim_check_memory(&v, VICTIM_RAM_BYTES + 4 * LIMIT_VM_STATE_BYTES + SMALL_THINGS);
	victim_close(&v);
}

static int unread(const struct raw_peer *peer)
{
	int nr_bytes = 0;

	assert_int_equal(ioctl(peer->fd, FIONREAD, &nr_bytes), 0);
	return nr_bytes;
}

/* Sends buffers that are granted anew one by one, until nothing more can be said to that. */
static void fill_with_grants(struct victim *v)
{
	enum { TRIES = 200 };
	unsigned tries = 0;

	for (uint64_t number = 0; tries < TRIES; number++) {
		int before = unread(&v->control);

		assert_in_range(number, 0, VICTIM_DEVICE_BYTES - 1);
		send_buffer(v, 0, number, 1);
		for (tries = 0; tries < TRIES && unread(&v->control) == before; tries++)
			usleep(1000);
	}
}

/*
 * Nobody reads what the destination says: a loader waits with a grant, the session's thread behind it with a PING. What
 * comes meanwhile must wait where the peer pays for it.
 */
static void vm_state_floods_a_stuck_session(void **state)
{
	uint8_t *body = malloc(LIMIT_VM_STATE_BYTES);
	size_t nr = encode_largest(body);
	struct victim v;

	victim_open(&v);
	victim_begin(&v, 0);
	fill_with_grants(&v);
	for (unsigned i = 0; i < 90; i++)
		raw_peer_frame(&v.control, FRAME_VM_STATE, 0, body, nr, nr);
	free(body);
	victim_rolled_back(&v, "");
	victim_check_memory(&v, VICTIM_RAM_BYTES + 4 * LIMIT_VM_STATE_BYTES + SMALL_THINGS);
	victim_close(&v);
}

/* Nothing in it is here, and there is as much of it as a manifest can hold. */
static void make_endless(struct manifest *manifest)
{
	manifest->nr_ram = GW_MAX_RAM_BLOCKS;
	manifest->nr_devices = GW_MAX_DEVICES;
	for (unsigned i = 0; i < GW_MAX_RAM_BLOCKS; i++) {
		struct manifest_ram *ram = &manifest->ram[i];

		*ram = (struct manifest_ram){ .gpa = i * 16 * GIB, .size_bytes = 16 * GIB };
		snprintf(ram->id, sizeof(ram->id), "%0*u", (int)sizeof(ram->id) - 1, i);
	}
	for (unsigned i = 0; i < GW_MAX_DEVICES; i++) {
		struct manifest_device *device = &manifest->devices[i];

		*device = manifest->devices[0];
		snprintf(device->id, sizeof(device->id), "%0*u", (int)sizeof(device->id) - 1, i);
	}
}

static void manifests_at_their_bounds(void **state)
{
	struct message *m = malloc(sizeof(*m));
	unsigned nr_refused = 0;
	struct victim v;

	victim_open(&v);
	while (nr_refused < 50) {
		*m = victim_hello(ROLE_CONTROL, 0, 0);
		victim_greet(&v, &v.control, m);
		victim_describe(&v, m);
		make_endless(&m->manifest);
		raw_peer_say(&v.control, m);
		assert_true(raw_peer_await(&v.control, FRAME_REFUSE, m));
		raw_peer_close(&v.control);
		if (m->refuse.list[0].code == REASON_BUSY) /* with the one before */
			continue;
		assert_int_equal(m->refuse.nr, LIMIT_REASONS);
		nr_refused++;
	}
	victim_check_memory(&v, SMALL_THINGS);
	free(m);
	victim_takes_a_guest(&v);
	victim_close(&v);
}

/* The second is the longer one: its length must not be taken for that of the first. */
static void needs_come_twice(void **state)
{
	static const uint8_t bytes[GW_MAX_NEEDS_BYTES];
	struct message *m = malloc(sizeof(*m));
	struct victim v;

	victim_open(&v);
	*m = victim_hello(ROLE_CONTROL, 0, 0);
	victim_greet(&v, &v.control, m);
	for (unsigned i = 0; i < 2; i++)
		raw_peer_say(&v.control,
			     &(struct message){ .type = FRAME_NEEDS, .needs = { bytes, i ? sizeof(bytes) : 1 } });
	assert_true(raw_peer_await(&v.control, FRAME_FAILED, m));
	assert_non_null(strstr(m->failed.what, "NEEDS came twice"));
	raw_peer_close(&v.control);
	free(m);
	victim_takes_a_guest(&v);
	victim_close(&v);
}

/* What may always be said, and what says of itself that it may be passed over. */
static void control_floods(void **state)
{
	uint8_t *body = calloc(1, LIMIT_CONTROL_BYTES);
	struct message ping = { .type = FRAME_PING };
	struct victim v;

	victim_open(&v);
	victim_begin(&v, 0);
	for (unsigned i = 0; i < 20000; i++)
		raw_peer_say(&v.control, &ping);
	for (unsigned i = 0; i < 200; i++)
		raw_peer_frame(&v.control, FRAME_NEEDS + 1 + i % 16, FRAME_OPTIONAL, body, LIMIT_CONTROL_BYTES,
			       LIMIT_CONTROL_BYTES);
	free(body);
	raw_peer_say(&v.control, &(struct message){ .type = FRAME_CANCEL });
	victim_rolled_back(&v, "");
	victim_check_memory(&v, VICTIM_RAM_BYTES + SMALL_THINGS);
	victim_close(&v);
}

static void a_destinations_words(void **state)
{
	struct victim v;

	victim_open(&v);
	victim_begin(&v, 0);
	raw_peer_say(&v.control, &(struct message){ .type = FRAME_GRANT, .grant = { 0, UINT64_MAX, 1, 1 } });
	victim_rolled_back(&v, "GRANT");
	victim_close(&v);
}

static void send_runs(struct victim *v, const struct page_run *runs, uint32_t nr)
{
	static uint8_t body[FRAME_RAM_MAX_BYTES];
	size_t head_bytes = frame_runs_bytes(nr), bytes = head_bytes;

	for (uint32_t i = 0; i < nr; i++)
		if (!(runs[i].flags & RUN_ZERO) && runs[i].nr_pages <= LIMIT_CHUNK_PAGES)
			bytes += runs[i].nr_pages * GW_PAGE_BYTES;
	memset(body, 0x5a, sizeof(body));
	frame_runs_encode(body, runs, nr);
	raw_peer_frame(&v->data[0], FRAME_RAM, 0, body, bytes, head_bytes);
}

static void hostile_runs(void **state)
{
	static const struct page_run lists[][2] = {
		{ { .gpa = VICTIM_RAM_BYTES, .nr_pages = 1 } },                               /* a hole */
		{ { .gpa = VICTIM_RAM_BYTES / FAKE_BLOCKS - GW_PAGE_BYTES, .nr_pages = 2 } }, /* past a block's end */
		{ { .gpa = UINT64_MAX - GW_PAGE_BYTES + 1, .nr_pages = 2 } },                 /* wraps */
		{ { .gpa = UINT64_MAX - GW_PAGE_BYTES + 1, .nr_pages = 1, .flags = RUN_ZERO } },
		{ { .gpa = 0, .nr_pages = UINT32_MAX, .flags = RUN_ZERO } },
		{ { .gpa = 0, .nr_pages = 0 } },
		{ { .gpa = 8, .nr_pages = 1 } },                                              /* not a page's start */
		{ { .gpa = 0, .nr_pages = 1, .flags = 0x80 } },                               /* a flag of nobody's */
		{ { .gpa = 0, .nr_pages = 4 }, { .gpa = GW_PAGE_BYTES, .nr_pages = 1 } },     /* over each other */
		{ { .gpa = 4 * GW_PAGE_BYTES, .nr_pages = 1 }, { .gpa = 0, .nr_pages = 1 } }, /* backwards */
		{ { .gpa = LIMIT_CHUNK_BYTES - GW_PAGE_BYTES, .nr_pages = 2 } },              /* in two chunks */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(lists); i++) {
		struct victim v;

		victim_open(&v);
		victim_begin(&v, 0);
		send_runs(&v, lists[i], lists[i][1].nr_pages ? 2 : 1);
		victim_rolled_back(&v, ""); /* and no page is other than it was */
		victim_check_memory(&v, VICTIM_RAM_BYTES + SMALL_THINGS);
		victim_close(&v);
	}
}

/* Connections that say nothing, or half of it, many more than have room; all stay open. */
static void silent_crowd(void **state)
{
	enum { CROWD = 1500 };
	struct raw_peer *crowd = calloc(CROWD, sizeof(*crowd));
	struct rlimit files;
	struct victim v;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	victim_open(&v);
	for (unsigned i = 0; i < CROWD; i++) {
		assert_true(raw_peer_connect(&crowd[i], v.path));
		if (i % 2)
			raw_peer_write(&crowd[i], "GDWT\1\0\0\0", i % 8);
	}
	victim_takes_a_guest(&v);
	victim_check_memory(&v, 2 * VICTIM_RAM_BYTES + WINDOWS_BYTES + SMALL_THINGS);
	for (unsigned i = 0; i < CROWD; i++)
		raw_peer_close(&crowd[i]);
	free(crowd);
	victim_close(&v);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A byte now and then: each is in time, the whole HELLO is not. Meanwhile the next is served. */
static void slow_speaker(void **state)
{
	uint8_t bytes[FRAME_HEADER_BYTES];
	struct frame_header header = { .type = FRAME_HELLO, .body_bytes = 44, .head_bytes = 44 };
	int64_t began_ms;
	struct raw_peer slow;
	struct pollfd fd;
	struct victim v;

	victim_open(&v);
	frame_header_encode(bytes, &header);
	assert_true(raw_peer_connect(&slow, v.path));
	began_ms = now_ms();
	victim_begin(&v, 0);
	fd = (struct pollfd){ .fd = slow.fd, .events = POLLIN };
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		raw_peer_write(&slow, &bytes[i], 1);
		if (poll(&fd, 1, HELLO_MS / 6))
			break;
	}
	assert_true(raw_peer_ended(&slow));
	assert_in_range(now_ms() - began_ms, HELLO_MS - 100, 3 * HELLO_MS); /* a busy host is late */
	raw_peer_close(&slow);
	victim_close(&v);
}

/* Who does not know the migration, or its epoch, does not get in, and does no harm to it. */
static void wrong_resumes(void **state)
{
	struct message m = victim_hello(ROLE_RESUME, 0, 1);
	struct raw_peer stranger;
	struct victim v;

	victim_open(&v);
	victim_begin(&v, 60000);
	m.hello.migration_id[0]++;
	victim_greet(&v, &stranger, &m);
	assert_true(raw_peer_await(&stranger, FRAME_REFUSE, &m));
	raw_peer_close(&stranger);
	for (unsigned i = 0; i < VICTIM_NR_DATA; i++) { /* an epoch that is not, and a channel that is there */
		m = victim_hello(ROLE_DATA, i, i);
		victim_greet(&v, &stranger, &m);
		assert_true(raw_peer_ended(&stranger));
		raw_peer_close(&stranger);
	}
	victim_hang_up(&v);
	m = victim_hello(ROLE_RESUME, 0, 5);
	victim_greet(&v, &v.control, &m);
	assert_true(raw_peer_await(&v.control, FRAME_RESUMED, &m));
	assert_int_equal(m.resumed.phase, RESUMED_LOADING);
	m = victim_hello(ROLE_RESUME, 0, 5); /* the same once more is an old one */
	victim_greet(&v, &stranger, &m);
	assert_true(raw_peer_await(&stranger, FRAME_REFUSE, &m));
	raw_peer_close(&stranger);
	raw_peer_say(&v.control, &(struct message){ .type = FRAME_CANCEL });
	victim_rolled_back(&v, "");
	victim_check_memory(&v, VICTIM_RAM_BYTES + SMALL_THINGS);
	victim_close(&v);
}

/*
 * 32 bytes too many in a frame's pages, and not a byte after it: only the header that never came would have told. The
 * frame is not acknowledged, those before it are.
 */
static void last_frame_before_a_break(void **state)
{
	static const struct page_run run = { .gpa = 0, .nr_pages = 4, .flags = RUN_ZERO };
	static const uint8_t too_many[FRAME_HEADER_BYTES];
	struct message m = victim_hello(ROLE_RESUME, 0, 1);
	struct victim v;

	victim_open(&v);
	victim_begin(&v, 60000);
	for (unsigned i = 0; i < 3; i++)
		send_runs(&v, &run, 1);
	raw_peer_write(&v.data[0], too_many, sizeof(too_many) - 1);
	raw_peer_close(&v.data[0]); /* read to its end before the others are closed for it */
	assert_true(raw_peer_ended(&v.control));
	victim_hang_up(&v);
	victim_greet(&v, &v.control, &m);
	assert_true(raw_peer_await(&v.control, FRAME_RESUMED, &m));
	assert_int_equal(m.resumed.ram_frames[0], 2);
	assert_int_equal(m.resumed.ram_frames[1], 0);
	raw_peer_say(&v.control, &(struct message){ .type = FRAME_CANCEL });
	victim_rolled_back(&v, "");
	victim_close(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_buffers_fill_the_window),
		cmocka_unit_test(small_buffers_fill_the_window),
		cmocka_unit_test(vm_state_floods),
		cmocka_unit_test(vm_state_floods_a_stuck_session),
		cmocka_unit_test(manifests_at_their_bounds),
		cmocka_unit_test(needs_come_twice),
		cmocka_unit_test(control_floods),
		cmocka_unit_test(a_destinations_words),
		cmocka_unit_test(hostile_runs),
		cmocka_unit_test(silent_crowd),
		cmocka_unit_test(slow_speaker),
		cmocka_unit_test(wrong_resumes),
		cmocka_unit_test(last_frame_before_a_break),
	};

	return cmocka_run_group_tests_name("hostile source", tests, NULL, NULL);
}
