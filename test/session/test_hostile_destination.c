/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hostile destination against a real source with a running guest. Whatever it answers: the guest goes on running,
 * here and whole, with all its devices; memory stays within the bound; no thread and no fd is left.
 */
#include "fake_vm.h"
#include "process_size.h"
#include "raw_peer.h"

#include <errno.h>
#include <godwit/godwit.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define DEVICE_BYTES (1024 * 1024 + 77)
#define NR_DATA      2
#define FLAGS        (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P)
#define RAM_BYTES    (FAKE_BLOCKS * FAKE_PAGES * GW_PAGE_BYTES)
#define AHEAD_BYTES  (FAKE_DEVICES * 8 * LIMIT_DEVICE_BUFFER_BYTES) /* what a source keeps of its devices' state */
#define NR_STATES    2 /* that a destination sends, which has none to send */
#define STATES_BYTES (NR_STATES * LIMIT_VM_STATE_BYTES)
#define SMALL_THINGS (12 * MIB)
#define WAIT_MS      30000

struct liar {
	struct fake_vm vm;
	int running_vms, most_running;
	struct gw_source *source;
	struct process_size before;
	uint64_t resident_bytes;
	struct sockaddr_un address;
	int listener;
	struct raw_peer control, data[NR_DATA];
	struct message message; /* the last one heard, or the next one to say */
};

static void open_liar(struct liar *l)
{
	static unsigned serial;
	struct gw_limits limits = { .size = sizeof(limits), .stall_ns = 1 * NS_PER_S, .reconnect_ns = 1 * NS_PER_S };
	char uri[sizeof(l->address.sun_path) + 8];

	*l = (struct liar){ .control.fd = -1, .data = { { .fd = -1 }, { .fd = -1 } } };
	process_size_get(&l->before);
	l->address.sun_family = AF_UNIX;
	snprintf(l->address.sun_path, sizeof(l->address.sun_path), "/tmp/godwit-liar-%d-%u.sock", getpid(), ++serial);
	l->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(l->listener, (const struct sockaddr *)&l->address, sizeof(l->address)), 0);
	assert_int_equal(listen(l->listener, 8), 0);
	fake_vm_open(&l->vm, FLAGS, DEVICE_BYTES, 1, NULL, &l->running_vms, &l->most_running);
	fake_vm_run(&l->vm);
	assert_int_equal(gw_source_new(&l->source, &l->vm.vm, &limits, NULL), 0);
	process_size_restart_peak();
	l->resident_bytes = process_size_peak_bytes();
	snprintf(uri, sizeof(uri), "unix:%s", l->address.sun_path);
	assert_int_equal(gw_source_start(l->source, uri, NULL), 0);
}

static void hang_up(struct liar *l)
{
	raw_peer_close(&l->control);
	for (unsigned i = 0; i < NR_DATA; i++)
		raw_peer_close(&l->data[i]);
}

/* Nobody listens any more: a source that lost its peer need not look for it. */
static void go_away(struct liar *l)
{
	close(l->listener);
	unlink(l->address.sun_path);
	hang_up(l);
}

static void close_liar(struct liar *l)
{
	struct process_size after;

	gw_source_free(l->source);
	fake_vm_close(&l->vm);
	process_size_get(&after);
	assert_int_equal(after.nr_fds, l->before.nr_fds);
	assert_int_equal(after.nr_threads, l->before.nr_threads);
}

/* The guest runs here and is whole; the reason is this one. */
static void check_guest(struct liar *l, const char *why)
{
	const struct gw_report *report = gw_source_report(l->source);

	assert_int_equal(gw_source_wait(l->source, WAIT_MS), 0);
	assert_int_equal(report->outcome, GW_ROLLED_BACK);
	if (!strstr(report->error.what, why))
		fail_msg("it failed for another reason: %s", report->error.what);
	assert_true(fake_vm_running(&l->vm));
	assert_true(fake_vm_memory_is_right(&l->vm));
	for (unsigned i = 0; i < FAKE_DEVICES; i++) {
		assert_int_equal(l->vm.devices[i].state, GW_STATE_RUNNING);
		assert_int_equal(l->vm.devices[i].misused, 0);
	}
	if (l->resident_bytes != UINT64_MAX)
		assert_true(process_size_peak_bytes() <=
			    l->resident_bytes + RAM_BYTES + AHEAD_BYTES + STATES_BYTES + SMALL_THINGS);
}

static void hear(struct liar *l, uint16_t type)
{
	assert_true(raw_peer_await(&l->control, type, &l->message));
}

static void say(struct liar *l, const struct message *message)
{
	raw_peer_say(&l->control, message);
}

static void welcome(struct liar *l)
{
	raw_peer_accept(&l->control, l->listener);
	hear(l, FRAME_HELLO);
	say(l, &(struct message){ .type = FRAME_WELCOME, .welcome = { .version = WIRE_VERSION_MAX } });
	hear(l, FRAME_MANIFEST);
}

static void accept_guest(struct liar *l)
{
	struct message m = { .type = FRAME_ACCEPT, .accept.nr_devices = FAKE_DEVICES };

	for (unsigned i = 0; i < FAKE_DEVICES; i++)
		m.accept.window_bytes[i] = LIMIT_DEVICE_WINDOW_BYTES;
	welcome(l);
	say(l, &m);
	for (unsigned i = 0; i < NR_DATA; i++)
		raw_peer_accept(&l->data[i], l->listener);
}

/* Its guest is being copied, which nobody reads. */
static void load(struct liar *l)
{
	uint8_t header[FRAME_HEADER_BYTES];

	accept_guest(l);
	say(l, &(struct message){ .type = FRAME_LOADABLE, .loadable.nr_devices = FAKE_DEVICES });
	assert_int_equal(raw_peer_hear(&l->data[0], &l->message), FRAME_HELLO);
	assert_int_equal(recv(l->data[0].fd, header, sizeof(header), MSG_WAITALL), sizeof(header));
}

/* It says so, and the source will have no more of it. */
static void load_and_say(struct liar *l, const struct message *message)
{
	load(l);
	say(l, message);
	assert_true(raw_peer_ended(&l->control));
}

static void grants_what_was_never_sent(struct liar *l)
{
	load_and_say(l, &(struct message){ .type = FRAME_GRANT, .grant = { .device = 0, .loaded = UINT64_MAX } });
}

static void grants_to_a_device_that_is_not(struct liar *l)
{
	load_and_say(l, &(struct message){ .type = FRAME_GRANT, .grant = { .device = GW_MAX_DEVICES - 1 } });
}

static void is_ready_before_prepare(struct liar *l)
{
	load_and_say(l, &(struct message){ .type = FRAME_READY });
}

static void runs_before_commit(struct liar *l)
{
	load_and_say(l, &(struct message){ .type = FRAME_RUNNING });
}

static void accepts_other_devices(struct liar *l)
{
	struct message m = { .type = FRAME_ACCEPT, .accept.nr_devices = FAKE_DEVICES + 1 };

	for (unsigned i = 0; i <= FAKE_DEVICES; i++)
		m.accept.window_bytes[i] = LIMIT_DEVICE_WINDOW_BYTES;
	welcome(l);
	say(l, &m);
	assert_true(raw_peer_ended(&l->control));
}

static void refuses_at_length(struct liar *l)
{
	struct message *m = calloc(1, sizeof(*m));

	m->type = FRAME_REFUSE;
	m->refuse.nr = LIMIT_REASONS;
	for (unsigned i = 0; i < LIMIT_REASONS; i++) {
		m->refuse.list[i].code = 1 + i % (NR_REASON_CODES - 1);
		memset(m->refuse.list[i].where, 'w', sizeof(m->refuse.list[i].where) - 1);
		memset(m->refuse.list[i].what, 'x', sizeof(m->refuse.list[i].what) - 1);
	}
	welcome(l);
	say(l, m);
	free(m);
}

static void floods(struct liar *l)
{
	uint8_t *body = calloc(1, LIMIT_CONTROL_BYTES);
	struct message ping = { .type = FRAME_PING };

	load(l);
	for (unsigned i = 0; i < 20000; i++)
		say(l, &ping);
	for (unsigned i = 0; i < 200; i++)
		raw_peer_frame(&l->control, FRAME_NEEDS + 1, FRAME_OPTIONAL, body, LIMIT_CONTROL_BYTES,
			       LIMIT_CONTROL_BYTES);
	free(body);
}

static void sends_state_of_its_own(struct liar *l)
{
	uint8_t *bytes = calloc(1, LIMIT_VM_STATE_BYTES);
	struct message m = { .type = FRAME_VM_STATE, .vm_state = { bytes, LIMIT_VM_STATE_BYTES - 4 } };

	load(l);
	for (unsigned i = 0; i < NR_STATES; i++)
		say(l, &m);
	free(bytes);
	assert_true(raw_peer_ended(&l->control));
}

static void is_resumed_unasked(struct liar *l)
{
	load_and_say(l, &(struct message){ .type = FRAME_RESUMED, .resumed = { .phase = RESUMED_LOADING } });
}

/* The connection breaks, the source comes back, and is told that more has come than it sent. */
static void comes_back_to(struct liar *l, uint64_t frames, uint64_t buffers)
{
	struct message m = {
		.type = FRAME_RESUMED,
		.resumed = { .phase = RESUMED_LOADING, .nr_channels = NR_DATA, .nr_devices = FAKE_DEVICES },
	};

	load(l);
	hang_up(l);
	raw_peer_accept(&l->control, l->listener);
	hear(l, FRAME_HELLO);
	assert_int_equal(l->message.hello.role, ROLE_RESUME);
	for (unsigned i = 0; i < NR_DATA; i++)
		m.resumed.ram_frames[i] = frames;
	for (unsigned i = 0; i < FAKE_DEVICES; i++)
		m.resumed.devices[i] = (struct device_resumed){ .next = buffers, .loaded = buffers };
	say(l, &m);
	assert_true(raw_peer_ended(&l->control));
}

static void has_frames_never_sent(struct liar *l)
{
	comes_back_to(l, UINT64_MAX, 0);
}

static void has_buffers_never_sent(struct liar *l)
{
	comes_back_to(l, 0, UINT64_MAX);
}

static void says_it_was_committed(struct liar *l)
{
	load(l);
	hang_up(l);
	raw_peer_accept(&l->control, l->listener);
	hear(l, FRAME_HELLO);
	say(l, &(struct message){
		       .type = FRAME_RESUMED,
		       .resumed = { .phase = RESUMED_STARTING, .nr_channels = NR_DATA, .nr_devices = FAKE_DEVICES } });
	say(l, &(struct message){ .type = FRAME_RUNNING });
	assert_true(raw_peer_ended(&l->control));
}

static void speaks_another_language(struct liar *l)
{
	raw_peer_accept(&l->control, l->listener);
	raw_peer_write(&l->control, "HTTP/1.1 400 Bad Request\r\n\r\n____", 32);
	assert_true(raw_peer_ended(&l->control));
}

/* Not a word, though the connection stands: the source's patience ends. */
static void says_nothing(struct liar *l)
{
	raw_peer_accept(&l->control, l->listener);
	assert_true(raw_peer_ended(&l->control));
}

/* What a source sends must go somewhere: a peer that takes nothing stalls it, for its stall limit. */
static void takes_nothing(struct liar *l)
{
	load(l);
	assert_true(raw_peer_ended(&l->control));
}

static const struct lie {
	const char *name;
	void (*tell)(struct liar *l);
	const char *why;
} lies[] = {
	{ "grants what was never sent", grants_what_was_never_sent, "" },
	{ "grants to a device that is not", grants_to_a_device_that_is_not, "" },
	{ "is ready before PREPARE", is_ready_before_prepare, "READY" },
	{ "runs before COMMIT", runs_before_commit, "RUNNING" },
	{ "accepts other devices", accepts_other_devices, "" },
	{ "refuses at length", refuses_at_length, "xxxx" },
	{ "floods", floods, "" },
	{ "sends state of its own", sends_state_of_its_own, "VM_STATE" },
	{ "is RESUMED unasked", is_resumed_unasked, "RESUMED" },
	{ "has frames never sent", has_frames_never_sent, "" },
	{ "has buffers never sent", has_buffers_never_sent, "" },
	{ "says it was committed", says_it_was_committed, "" },
	{ "speaks another language", speaks_another_language, "does not speak godwit's protocol" },
	{ "says nothing", says_nothing, "" },
	{ "takes nothing", takes_nothing, "" },
};

static void lie(void **state)
{
	const struct lie *lie = *state;
	struct liar *l = calloc(1, sizeof(*l));

	open_liar(l);
	lie->tell(l);
	go_away(l);
	check_guest(l, lie->why);
	print_message("# %s\n", gw_source_report(l->source)->error.what);
	close_liar(l);
	free(l);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(lies)];

	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++)
		tests[i] = (struct CMUnitTest){ lies[i].name, lie, NULL, NULL, (void *)&lies[i] };
	return cmocka_run_group_tests_name("hostile destination", tests, NULL, NULL);
}
