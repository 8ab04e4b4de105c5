/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile source against a real destination. Whatever it sends: memory stays within what the guest's RAM and the
 * devices' windows add up to, the guest does not run here, no thread and no fd is left, and where nothing had been
 * accepted yet the next source is served as if it had been the first.
 */
#include "fake_vm.h"
#include "process_size.h"
#include "raw_peer.h"

#include <errno.h>
#include <godwit/godwit.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define DEVICE_BYTES  (1024 * 1024 + 77)
#define NR_DATA       2
#define FLAGS         (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P)
#define RAM_BYTES     (FAKE_BLOCKS * FAKE_PAGES * GW_PAGE_BYTES)
#define WINDOWS_BYTES (FAKE_DEVICES * DEFAULT_DEVICE_WINDOW_BYTES)
/* Stacks, heads of frames, messages on the way, and what malloc keeps. The VM's state counts apart. */
#define SMALL_THINGS  (12 * MIB)
#define WAIT_MS       30000
#define HELLO_MS      3000 /* what a newcomer has for its HELLO */

struct rig {
	struct fake_vm vm;
	int running_vms, most_running;
	struct gw_destination *destination;
	struct process_size before;
	uint64_t resident_bytes;
	const char *path; /* where it listens */
	struct raw_peer control, data[NR_DATA];
};

static void open_rig(struct rig *r)
{
	static unsigned serial;
	char uri[64];

	*r = (struct rig){ .control.fd = -1, .data = { { .fd = -1 }, { .fd = -1 } } };
	process_size_get(&r->before);
	fake_vm_open(&r->vm, FLAGS, DEVICE_BYTES, 99, NULL, &r->running_vms, &r->most_running);
	snprintf(uri, sizeof(uri), "unix:/tmp/godwit-hostile-%d-%u.sock", getpid(), ++serial);
	assert_int_equal(gw_destination_new(&r->destination, &r->vm.vm, NULL, NULL), 0);
	assert_int_equal(gw_destination_start(r->destination, uri, NULL), 0);
	r->path = gw_destination_uri(r->destination) + strlen("unix:");
	process_size_restart_peak();
	r->resident_bytes = process_size_peak_bytes();
}

static void hang_up(struct rig *r)
{
	raw_peer_close(&r->control);
	for (unsigned i = 0; i < NR_DATA; i++)
		raw_peer_close(&r->data[i]);
}

static void check_memory(const struct rig *r, uint64_t bound_bytes)
{
	if (r->resident_bytes == UINT64_MAX)
		return;
	print_message("# %llu KiB more at the peak, %llu allowed\n",
		      (unsigned long long)(process_size_peak_bytes() - r->resident_bytes) / KIB,
		      (unsigned long long)bound_bytes / KIB);
	assert_true(process_size_peak_bytes() <= r->resident_bytes + bound_bytes);
}

static void close_rig(struct rig *r)
{
	struct process_size after;

	hang_up(r);
	gw_destination_free(r->destination);
	assert_false(fake_vm_running(&r->vm) && r->running_vms != 1);
	assert_in_range(r->most_running, 0, 1);
	fake_vm_close(&r->vm);
	process_size_get(&after);
	assert_int_equal(after.nr_fds, r->before.nr_fds);
	assert_int_equal(after.nr_threads, r->before.nr_threads);
}

/* The migration has failed, for this reason, and the guest is not here. */
static void rolled_back(struct rig *r, const char *why)
{
	const struct gw_report *report = gw_destination_report(r->destination);

	assert_int_equal(gw_destination_wait(r->destination, WAIT_MS), 0);
	assert_int_equal(report->outcome, GW_ROLLED_BACK);
	if (!strstr(report->error.what, why))
		fail_msg("it failed for another reason: %s", report->error.what);
	assert_false(fake_vm_running(&r->vm));
	assert_int_equal(r->most_running, 0);
	assert_true(fake_vm_memory_is_right(&r->vm));
}

/* An honest source comes, and its guest arrives; as soon as the destination has seen that the last one is gone. */
static void takes_a_guest(struct rig *r)
{
	const struct gw_report *report;
	struct gw_source *source;
	struct fake_vm vm;
	bool busy;

	fake_vm_open(&vm, FLAGS, DEVICE_BYTES, 1, NULL, &r->running_vms, &r->most_running);
	fake_vm_run(&vm);
	do {
		assert_int_equal(gw_source_new(&source, &vm.vm, NULL, NULL), 0);
		assert_int_equal(gw_source_start(source, gw_destination_uri(r->destination), NULL), 0);
		assert_int_equal(gw_source_wait(source, WAIT_MS), 0);
		report = gw_source_report(source);
		busy = report->nr_blockers == 1 && !strcmp(report->blockers[0].code, "busy");
		if (!busy)
			assert_int_equal(report->outcome, GW_COMPLETED);
		gw_source_free(source);
	} while (busy);
	assert_int_equal(gw_destination_wait(r->destination, WAIT_MS), 0);
	assert_true(fake_vm_running(&r->vm));
	assert_true(fake_vm_memory_is_right(&r->vm));
	fake_vm_close(&vm);
}

static struct message hello(uint32_t role, uint32_t channel, uint32_t epoch)
{
	return (struct message){
		.type = FRAME_HELLO,
		.hello = { .version_min = WIRE_VERSION_MIN,
			   .version_max = WIRE_VERSION_MAX,
			   .migration_id = "hostile",
			   .role = role,
			   .channel = channel,
			   .nr_channels = NR_DATA,
			   .epoch = epoch },
	};
}

static void greet(struct rig *r, struct raw_peer *peer, const struct message *message)
{
	assert_true(raw_peer_connect(peer, r->path));
	raw_peer_say(peer, message);
}

static void describe(const struct rig *r, struct message *m)
{
	struct manifest *manifest = &m->manifest;

	*m = (struct message){ .type = FRAME_MANIFEST };
	*manifest = (struct manifest){ .page_bytes = GW_PAGE_BYTES, .nr_ram = FAKE_BLOCKS, .nr_devices = FAKE_DEVICES };
	for (unsigned i = 0; i < FAKE_BLOCKS; i++) {
		snprintf(manifest->ram[i].id, sizeof(manifest->ram[i].id), "%s", r->vm.ram[i].id);
		manifest->ram[i].gpa = r->vm.ram[i].gpa;
		manifest->ram[i].size_bytes = r->vm.ram[i].size_bytes;
	}
	for (unsigned i = 0; i < FAKE_DEVICES; i++) {
		snprintf(manifest->devices[i].id, sizeof(manifest->devices[i].id), "dev%u", i);
		gw_device_get_info(r->vm.list[i], &manifest->devices[i].info, NULL);
	}
}

/* As an honest source would, up to LOADABLE. */
static void begin(struct rig *r, uint32_t reconnect_ms)
{
	struct message *m = malloc(sizeof(*m));

	*m = hello(ROLE_CONTROL, 0, 0);
	m->hello.reconnect_ms = reconnect_ms;
	greet(r, &r->control, m);
	assert_true(raw_peer_await(&r->control, FRAME_WELCOME, m));
	describe(r, m);
	raw_peer_say(&r->control, m);
	assert_true(raw_peer_await(&r->control, FRAME_ACCEPT, m));
	for (unsigned i = 0; i < NR_DATA; i++) {
		*m = hello(ROLE_DATA, i, 0);
		greet(r, &r->data[i], m);
	}
	assert_true(raw_peer_await(&r->control, FRAME_LOADABLE, m));
	free(m);
}

static void send_buffer(struct rig *r, uint32_t device, uint64_t number, size_t nr_bytes)
{
	size_t size = FRAME_DEVICE_FIXED_BYTES + nr_bytes;
	struct device_buffer_header header = { .device = device, .number = number, .sent = number * nr_bytes };
	uint8_t *body = calloc(1, size);

	frame_device_encode(body, &header);
	raw_peer_frame(&r->data[number % NR_DATA], FRAME_DEVICE, 0, body, size, size);
	free(body);
}

/* Each device's window is filled with buffers that cannot be loaded, for number 0 never comes; then one more. */
static void window_is_filled(uint64_t nr_bytes, uint64_t cost_bytes, const char *why)
{
	uint64_t nr = DEFAULT_DEVICE_WINDOW_BYTES / cost_bytes;
	struct rig r;

	open_rig(&r);
	begin(&r, 0);
	for (uint32_t device = 0; device < FAKE_DEVICES; device++)
		for (uint64_t number = 1; number < nr; number++)
			send_buffer(&r, device, number, nr_bytes);
	send_buffer(&r, 0, nr, nr_bytes);
	send_buffer(&r, 0, nr + 1, nr_bytes);
	rolled_back(&r, why);
	check_memory(&r, RAM_BYTES + WINDOWS_BYTES + SMALL_THINGS);
	close_rig(&r);
}

static void large_buffers_fill_the_window(void **state)
{
	window_is_filled(LIMIT_DEVICE_BUFFER_BYTES, LIMIT_DEVICE_BUFFER_BYTES, "more device state than was granted");
}

static void small_buffers_fill_the_window(void **state)
{
	window_is_filled(1, LIMIT_DEVICE_BUFFER_COST, "where 0 is due");
}

/* The largest there is, again and again, while nobody reads what is said to that. */
static void vm_state_floods(void **state)
{
	uint8_t *bytes = calloc(1, LIMIT_VM_STATE_BYTES);
	struct message m = { .type = FRAME_VM_STATE,
			     .vm_state = { .bytes = bytes, .nr_bytes = LIMIT_VM_STATE_BYTES - 4 } };
	uint8_t *body = malloc(LIMIT_VM_STATE_BYTES);
	size_t nr = (size_t)message_encode(&m, body, LIMIT_VM_STATE_BYTES);
	struct rig r;

	free(bytes);
	open_rig(&r);
	begin(&r, 0);
	for (unsigned i = 0; i < 24; i++)
		raw_peer_frame(&r.control, FRAME_VM_STATE, 0, body, nr, nr);
	free(body);
	raw_peer_close(&r.control);
	rolled_back(&r, "closed the connection");
	check_memory(&r, RAM_BYTES + 4 * LIMIT_VM_STATE_BYTES + SMALL_THINGS);
	close_rig(&r);
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
	struct rig r;

	open_rig(&r);
	while (nr_refused < 50) {
		*m = hello(ROLE_CONTROL, 0, 0);
		greet(&r, &r.control, m);
		describe(&r, m);
		make_endless(&m->manifest);
		raw_peer_say(&r.control, m);
		assert_true(raw_peer_await(&r.control, FRAME_REFUSE, m));
		raw_peer_close(&r.control);
		if (m->refuse.list[0].code == REASON_BUSY) /* with the one before */
			continue;
		assert_int_equal(m->refuse.nr, LIMIT_REASONS);
		nr_refused++;
	}
	check_memory(&r, SMALL_THINGS);
	free(m);
	takes_a_guest(&r);
	close_rig(&r);
}

/* What may always be said, and what says of itself that it may be passed over. */
static void control_floods(void **state)
{
	uint8_t *body = calloc(1, LIMIT_CONTROL_BYTES);
	struct message ping = { .type = FRAME_PING };
	struct rig r;

	open_rig(&r);
	begin(&r, 0);
	for (unsigned i = 0; i < 20000; i++)
		raw_peer_say(&r.control, &ping);
	for (unsigned i = 0; i < 200; i++)
		raw_peer_frame(&r.control, FRAME_RESUMED + 1 + i % 16, FRAME_OPTIONAL, body, LIMIT_CONTROL_BYTES,
			       LIMIT_CONTROL_BYTES);
	free(body);
	raw_peer_say(&r.control, &(struct message){ .type = FRAME_CANCEL });
	rolled_back(&r, "");
	check_memory(&r, RAM_BYTES + SMALL_THINGS);
	close_rig(&r);
}

static void a_destinations_words(void **state)
{
	struct rig r;

	open_rig(&r);
	begin(&r, 0);
	raw_peer_say(&r.control, &(struct message){ .type = FRAME_GRANT, .grant = { 0, UINT64_MAX, 1, 1 } });
	rolled_back(&r, "GRANT");
	close_rig(&r);
}

static void send_runs(struct rig *r, const struct page_run *runs, uint32_t nr)
{
	static uint8_t body[FRAME_RAM_MAX_BYTES];
	size_t head_bytes = frame_runs_bytes(nr), bytes = head_bytes;

	for (uint32_t i = 0; i < nr; i++)
		if (!(runs[i].flags & RUN_ZERO) && runs[i].nr_pages <= LIMIT_CHUNK_PAGES)
			bytes += runs[i].nr_pages * GW_PAGE_BYTES;
	memset(body, 0x5a, sizeof(body));
	frame_runs_encode(body, runs, nr);
	raw_peer_frame(&r->data[0], FRAME_RAM, 0, body, bytes, head_bytes);
}

static void hostile_runs(void **state)
{
	static const struct page_run lists[][2] = {
		{ { .gpa = RAM_BYTES, .nr_pages = 1 } },                               /* a hole */
		{ { .gpa = RAM_BYTES / FAKE_BLOCKS - GW_PAGE_BYTES, .nr_pages = 2 } }, /* past a block's end */
		{ { .gpa = UINT64_MAX - GW_PAGE_BYTES + 1, .nr_pages = 2 } },          /* wraps */
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
		struct rig r;

		open_rig(&r);
		begin(&r, 0);
		send_runs(&r, lists[i], lists[i][1].nr_pages ? 2 : 1);
		rolled_back(&r, ""); /* and no page is other than it was */
		check_memory(&r, RAM_BYTES + SMALL_THINGS);
		close_rig(&r);
	}
}

/* Connections that say nothing, or half of it, many more than have room; all stay open. */
static void silent_crowd(void **state)
{
	enum { CROWD = 1500 };
	struct raw_peer *crowd = calloc(CROWD, sizeof(*crowd));
	struct rlimit files;
	struct rig r;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max < 4096 ? files.rlim_max : 4096;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	open_rig(&r);
	for (unsigned i = 0; i < CROWD; i++) {
		assert_true(raw_peer_connect(&crowd[i], r.path));
		if (i % 2)
			raw_peer_write(&crowd[i], "GDWT\1\0\0\0", i % 8);
	}
	takes_a_guest(&r);
	check_memory(&r, 2 * RAM_BYTES + WINDOWS_BYTES + SMALL_THINGS);
	for (unsigned i = 0; i < CROWD; i++)
		raw_peer_close(&crowd[i]);
	free(crowd);
	close_rig(&r);
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
	struct rig r;

	open_rig(&r);
	frame_header_encode(bytes, &header);
	assert_true(raw_peer_connect(&slow, r.path));
	began_ms = now_ms();
	begin(&r, 0);
	fd = (struct pollfd){ .fd = slow.fd, .events = POLLIN };
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		raw_peer_write(&slow, &bytes[i], 1);
		if (poll(&fd, 1, HELLO_MS / 6))
			break;
	}
	assert_true(raw_peer_ended(&slow));
	assert_in_range(now_ms() - began_ms, HELLO_MS - 100, 3 * HELLO_MS); /* a busy host is late */
	raw_peer_close(&slow);
	close_rig(&r);
}

/* Who does not know the migration, or its epoch, does not get in, and does no harm to it. */
static void wrong_resumes(void **state)
{
	struct message m = hello(ROLE_RESUME, 0, 1);
	struct raw_peer stranger;
	struct rig r;

	open_rig(&r);
	begin(&r, 60000);
	m.hello.migration_id[0]++;
	greet(&r, &stranger, &m);
	assert_true(raw_peer_await(&stranger, FRAME_REFUSE, &m));
	raw_peer_close(&stranger);
	for (unsigned i = 0; i < NR_DATA; i++) { /* an epoch that is not, and a channel that is there */
		m = hello(ROLE_DATA, i, i);
		greet(&r, &stranger, &m);
		assert_true(raw_peer_ended(&stranger));
		raw_peer_close(&stranger);
	}
	hang_up(&r);
	m = hello(ROLE_RESUME, 0, 5);
	greet(&r, &r.control, &m);
	assert_true(raw_peer_await(&r.control, FRAME_RESUMED, &m));
	assert_int_equal(m.resumed.phase, RESUMED_LOADING);
	m = hello(ROLE_RESUME, 0, 5); /* the same once more is an old one */
	greet(&r, &stranger, &m);
	assert_true(raw_peer_await(&stranger, FRAME_REFUSE, &m));
	raw_peer_close(&stranger);
	raw_peer_say(&r.control, &(struct message){ .type = FRAME_CANCEL });
	rolled_back(&r, "");
	check_memory(&r, RAM_BYTES + SMALL_THINGS);
	close_rig(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(large_buffers_fill_the_window),
		cmocka_unit_test(small_buffers_fill_the_window),
		cmocka_unit_test(vm_state_floods),
		cmocka_unit_test(manifests_at_their_bounds),
		cmocka_unit_test(control_floods),
		cmocka_unit_test(a_destinations_words),
		cmocka_unit_test(hostile_runs),
		cmocka_unit_test(silent_crowd),
		cmocka_unit_test(slow_speaker),
		cmocka_unit_test(wrong_resumes),
	};

	return cmocka_run_group_tests_name("hostile source", tests, NULL, NULL);
}
