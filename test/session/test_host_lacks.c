/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a guest needs of its host (gw_vm_ops.needs), and what the destination's host lacks of it (lacks): asked of both
 * VMs before anything has begun, in whole migrations and dry runs, against a destination that knows nothing of it, and
 * with a source that says it at the wrong time.
 */
#include "fake_vm.h"
#include "raw_peer.h"

#include <errno.h>
#include <godwit/godwit.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define FLAGS        (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P)
#define DEVICE_BYTES (1024 * 1024 + 77)
#define WAIT_MS      30000

/* A fake VM that has needs, or lacks. */
struct host {
	struct fake_vm vm; /* first: the context of all its callbacks */
	struct gw_vm_ops ops;
	uint8_t bytes[GW_MAX_NEEDS_BYTES]; /* needs: what it tells. lacks: what it was told */
	ssize_t nr_bytes;                  /* needs returns it */
	size_t nr_told;
	uint32_t nr_asked; /* atomic */
	int lacks;         /* how many things, or -errno */
	bool was_running;  /* when it was asked */
	bool waits;        /* until the test goes on */
	sem_t asked, go_on;
	char thread[16];
};

struct pair {
	struct host a, b;
	struct gw_source *source;
	struct gw_destination *destination;
	struct gw_limits limits;
	struct sockaddr_un address;
	int running_vms, most_running;
};

static void note_question(struct host *host)
{
	__atomic_add_fetch(&host->nr_asked, 1, __ATOMIC_SEQ_CST);
	host->was_running = fake_vm_running(&host->vm);
	pthread_getname_np(pthread_self(), host->thread, sizeof(host->thread));
	sem_post(&host->asked);
	while (host->waits && sem_wait(&host->go_on))
		;
}

static ssize_t needs(void *ctx, void *buf, size_t size, struct gw_error *e)
{
	struct host *host = ctx;

	note_question(host);
	if (host->nr_bytes > 0 && (size_t)host->nr_bytes <= size)
		memcpy(buf, host->bytes, (size_t)host->nr_bytes);
	if (host->nr_bytes < 0)
		gw_error_set(e, (int)host->nr_bytes, "guest", "its CPUs do not answer");
	return host->nr_bytes;
}

static int lacks(void *ctx, const void *told, size_t size, struct gw_blocker *blockers, uint32_t max_blockers)
{
	struct host *host = ctx;

	note_question(host);
	host->nr_told = size;
	memcpy(host->bytes, told, size);
	for (uint32_t i = 0; i < max_blockers && (int)i < host->lacks; i++) {
		snprintf(blockers[i].code, sizeof(blockers[i].code), "mine");
		snprintf(blockers[i].where, sizeof(blockers[i].where), "CPU");
		snprintf(blockers[i].what, sizeof(blockers[i].what), "this host has no MSR 0x%x", 0x4b564d00 + i);
	}
	return host->lacks;
}

static void open_host(struct host *host, unsigned seed, struct pair *p)
{
	fake_vm_open(&host->vm, FLAGS, DEVICE_BYTES, seed, NULL, &p->running_vms, &p->most_running);
	host->ops = *host->vm.vm.ops;
	host->vm.vm.ops = &host->ops;
	sem_init(&host->asked, 0, 0);
	sem_init(&host->go_on, 0, 0);
}

/* The source tells as many bytes as there may be, of any value. */
static struct pair *open_pair(void)
{
	static unsigned serial;
	struct pair *p = calloc(1, sizeof(*p));

	open_host(&p->a, 1, p);
	open_host(&p->b, 99, p);
	p->a.ops.needs = needs;
	p->b.ops.lacks = lacks;
	p->a.nr_bytes = GW_MAX_NEEDS_BYTES;
	for (unsigned i = 0; i < GW_MAX_NEEDS_BYTES; i++)
		p->a.bytes[i] = (uint8_t)(i * 7 + i / 251);
	p->limits = (struct gw_limits){ .size = sizeof(p->limits), .flags = GW_VERIFY };
	p->address.sun_family = AF_UNIX;
	snprintf(p->address.sun_path, sizeof(p->address.sun_path), "/tmp/godwit-lacks-%d-%u.sock", getpid(), ++serial);
	fake_vm_run(&p->a.vm);
	return p;
}

static void start_destination(struct pair *p)
{
	char uri[sizeof(p->address.sun_path) + 8];

	snprintf(uri, sizeof(uri), "unix:%s", p->address.sun_path);
	assert_int_equal(gw_destination_new(&p->destination, &p->b.vm.vm, NULL, NULL), 0);
	assert_int_equal(gw_destination_start(p->destination, uri, NULL), 0);
}

static void start_source(struct pair *p)
{
	char uri[sizeof(p->address.sun_path) + 8];

	snprintf(uri, sizeof(uri), "unix:%s", p->address.sun_path);
	gw_source_free(p->source);
	assert_int_equal(gw_source_new(&p->source, &p->a.vm.vm, &p->limits, NULL), 0);
	assert_int_equal(gw_source_start(p->source, uri, NULL), 0);
}

static const struct gw_report *ended(struct pair *p)
{
	assert_int_equal(gw_source_wait(p->source, WAIT_MS), 0);
	return gw_source_report(p->source);
}

/* A source may come before the destination has seen that the last one is gone. */
static const struct gw_report *migrate(struct pair *p)
{
	const struct gw_report *report;

	do {
		start_source(p);
		report = ended(p);
	} while (report->nr_blockers == 1 && !strcmp(report->blockers[0].code, "busy"));
	return report;
}

static uint32_t nr_asked(struct host *host)
{
	return __atomic_load_n(&host->nr_asked, __ATOMIC_SEQ_CST);
}

static void close_pair(struct pair *p)
{
	assert_in_range(p->most_running, 0, 1);
	gw_source_free(p->source);
	gw_destination_free(p->destination);
	fake_vm_close(&p->a.vm);
	fake_vm_close(&p->b.vm);
	free(p);
}

static void guest_went_there(struct pair *p)
{
	assert_int_equal(gw_source_report(p->source)->outcome, GW_COMPLETED);
	assert_int_equal(gw_destination_wait(p->destination, WAIT_MS), 0);
	assert_true(fake_vm_running(&p->b.vm));
	assert_false(fake_vm_running(&p->a.vm));
}

/* As if nothing had been asked. */
static void guest_goes_on_here(struct pair *p)
{
	uint64_t writes = fake_vm_writes(&p->a.vm);

	assert_int_equal(gw_source_report(p->source)->outcome, GW_ROLLED_BACK);
	assert_int_equal(gw_source_report(p->source)->blackout_ns, 0);
	assert_true(fake_vm_running(&p->a.vm));
	assert_true(fake_vm_memory_is_right(&p->a.vm));
	while (fake_vm_writes(&p->a.vm) == writes)
		;
	assert_int_equal(p->most_running, 1);
	if (p->destination)
		assert_int_equal(gw_destination_wait(p->destination, 0), -ETIMEDOUT); /* it waits for the next */
}

static void needs_arrive_unchanged(void **state)
{
	struct pair *p = open_pair();

	start_destination(p);
	migrate(p);
	guest_went_there(p);
	assert_int_equal(nr_asked(&p->a), 1);
	assert_int_equal(nr_asked(&p->b), 1);
	assert_int_equal(p->b.nr_told, GW_MAX_NEEDS_BYTES);
	assert_memory_equal(p->a.bytes, p->b.bytes, GW_MAX_NEEDS_BYTES);
	assert_true(p->a.was_running);
	assert_false(p->b.was_running);
	assert_string_equal(p->a.thread, "gw-vm");
	assert_string_equal(p->b.thread, "gw-vm");
	close_pair(p);
}

/* A source that has none, says none, or is older than the question; a destination that is. */
static void lacks_is_asked_all_the_same(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct pair *p = open_pair();

		if (i == 0)
			p->a.ops.needs = NULL;
		p->a.nr_bytes = i == 1 ? 0 : 5;
		if (i == 2)
			p->a.ops.size = offsetof(struct gw_vm_ops, needs);
		if (i == 3)
			p->b.ops.size = offsetof(struct gw_vm_ops, needs);
		start_destination(p);
		migrate(p);
		guest_went_there(p);
		assert_int_equal(nr_asked(&p->a), i == 1 || i == 3);
		assert_int_equal(nr_asked(&p->b), i != 3);
		assert_int_equal(p->b.nr_told, 0);
		close_pair(p);
	}
}

static void check_blockers(const struct gw_report *report, uint32_t nr)
{
	assert_int_equal(report->error.code, -ENOTSUP);
	assert_int_equal(report->nr_blockers, nr);
	for (uint32_t i = 0; i < nr; i++) {
		char what[64];

		snprintf(what, sizeof(what), "this host has no MSR 0x%x", 0x4b564d00 + i);
		assert_string_equal(report->blockers[i].code, "host-lacks");
		assert_string_equal(report->blockers[i].where, "CPU");
		assert_string_equal(report->blockers[i].what, what);
	}
}

static void a_host_that_lacks_something_refuses(void **state)
{
	struct pair *p = open_pair();

	p->b.lacks = 3;
	start_destination(p);
	check_blockers(migrate(p), 3);
	guest_goes_on_here(p);
	p->b.lacks = 1000; /* more than are sent are cut */
	check_blockers(migrate(p), 32);
	guest_goes_on_here(p);
	p->b.lacks = 0;
	migrate(p);
	guest_went_there(p);
	close_pair(p);
}

static void a_host_that_cannot_tell_refuses(void **state)
{
	struct pair *p = open_pair();
	const struct gw_report *report;

	p->b.lacks = -EBADMSG;
	start_destination(p);
	report = migrate(p);
	assert_int_equal(report->nr_blockers, 1);
	assert_string_equal(report->blockers[0].code, "host-lacks");
	assert_non_null(strstr(report->blockers[0].what, strerror(EBADMSG)));
	guest_goes_on_here(p);
	close_pair(p);
}

/* The destination's other reasons are told with them. */
static void all_reasons_are_told_at_once(void **state)
{
	struct pair *p = open_pair();
	const struct gw_report *report;

	p->b.vm.vm.nr_devices = 1;
	p->b.lacks = 1;
	start_destination(p);
	report = migrate(p);
	assert_int_equal(report->nr_blockers, 2);
	assert_string_equal(report->blockers[0].code, "device-missing");
	assert_string_equal(report->blockers[1].code, "host-lacks");
	guest_goes_on_here(p);
	close_pair(p);
}

static void a_dry_run_asks_both(void **state)
{
	struct pair *p = open_pair();

	p->limits.flags = GW_DRY_RUN;
	start_destination(p);
	assert_int_equal(migrate(p)->error.code, 0);
	assert_int_equal(nr_asked(&p->a), 1);
	assert_int_equal(nr_asked(&p->b), 1);
	assert_int_equal(p->b.nr_told, GW_MAX_NEEDS_BYTES);
	guest_goes_on_here(p);
	p->b.lacks = 2;
	check_blockers(migrate(p), 2);
	guest_goes_on_here(p);
	close_pair(p);
}

/* It ends before it begins: the destination hears nothing of it. */
static void needs_that_cannot_be_told_end_it(void **state)
{
	static const struct {
		ssize_t nr_bytes;
		int code;
		const char *says;
	} cases[] = {
		{ -EIO, -EIO, "its CPUs do not answer" },
		{ GW_MAX_NEEDS_BYTES + 1, -EMSGSIZE, "16385 bytes" },
	};

	for (unsigned i = 0; i < 2; i++) {
		struct pair *p = open_pair();
		const struct gw_report *report;

		p->a.nr_bytes = cases[i].nr_bytes;
		start_destination(p);
		report = migrate(p);
		assert_int_equal(report->error.code, cases[i].code);
		assert_non_null(strstr(report->error.what, cases[i].says));
		assert_int_equal(nr_asked(&p->a), 1);
		assert_int_equal(nr_asked(&p->b), 0);
		guest_goes_on_here(p);
		close_pair(p);
	}
}

static void listen_raw(struct pair *p, int *listener)
{
	*listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*listener, (const struct sockaddr *)&p->address, sizeof(p->address)), 0);
	assert_int_equal(listen(*listener, 8), 0);
}

/* Nobody is connected to for a migration that was called off meanwhile. */
static void a_cancel_while_the_vm_is_asked(void **state)
{
	struct pair *p = open_pair();
	int listener;

	listen_raw(p, &listener);
	p->a.waits = true;
	start_source(p);
	while (sem_wait(&p->a.asked))
		;
	assert_int_equal(gw_source_cancel(p->source), 0);
	sem_post(&p->a.go_on);
	assert_int_equal(ended(p)->error.code, -ECANCELED);
	guest_goes_on_here(p);
	gw_source_free(p->source);
	p->source = NULL;
	assert_int_equal(poll(&(struct pollfd){ .fd = listener, .events = POLLIN }, 1, 0), 0);
	close(listener);
	close_pair(p);
}

static void hear_frame(struct raw_peer *peer, uint16_t type, uint16_t flags)
{
	uint8_t raw[FRAME_HEADER_BYTES], *body;
	struct frame_header header;

	assert_int_equal(recv(peer->fd, raw, sizeof(raw), MSG_WAITALL), sizeof(raw));
	assert_int_equal(frame_header_decode(raw, &header), 0);
	assert_int_equal(header.type, type);
	assert_int_equal(header.flags, flags);
	body = malloc(header.body_bytes);
	assert_int_equal(recv(peer->fd, body, header.body_bytes, MSG_WAITALL), header.body_bytes);
	free(body);
}

/* One that does not know of needs may skip them: the frame says so. Without needs there is none. */
static void an_older_destination_can_skip_them(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct message welcome = { .type = FRAME_WELCOME, .welcome = { .version = WIRE_VERSION_MAX } };
		struct pair *p = open_pair();
		struct raw_peer peer = { .fd = -1 };
		int listener;

		listen_raw(p, &listener);
		p->a.nr_bytes = i ? 0 : 100;
		start_source(p);
		raw_peer_accept(&peer, listener);
		hear_frame(&peer, FRAME_HELLO, 0);
		raw_peer_say(&peer, &welcome);
		if (!i)
			hear_frame(&peer, FRAME_NEEDS, FRAME_OPTIONAL);
		hear_frame(&peer, FRAME_MANIFEST, 0);
		raw_peer_close(&peer);
		close(listener);
		ended(p);
		guest_goes_on_here(p);
		close_pair(p);
	}
}

/* What the VM is reading is not changed under it, and the destination is there for the next source. */
static void needs_that_come_while_the_vm_reads_them(void **state)
{
	static const uint8_t bytes[GW_MAX_NEEDS_BYTES];
	struct pair *p = open_pair();
	struct message *m = calloc(1, sizeof(*m));
	struct message late = { .type = FRAME_NEEDS, .needs = { bytes, sizeof(bytes) } };
	struct raw_peer peer;

	p->b.waits = true;
	start_destination(p);
	assert_true(raw_peer_connect(&peer, p->address.sun_path));
	m->type = FRAME_HELLO;
	m->hello = (struct message_hello){ .version_min = 1, .version_max = 1, .role = ROLE_CONTROL, .nr_channels = 1 };
	raw_peer_say(&peer, m);
	*m = (struct message){ .type = FRAME_MANIFEST, .manifest.page_bytes = GW_PAGE_BYTES };
	raw_peer_say(&peer, m);
	while (sem_wait(&p->b.asked))
		;
	raw_peer_say(&peer, &late);
	assert_true(raw_peer_await(&peer, FRAME_FAILED, m));
	assert_non_null(strstr(m->failed.what, "NEEDS"));
	p->b.waits = false;
	sem_post(&p->b.go_on);
	raw_peer_close(&peer);
	free(m);
	migrate(p);
	guest_went_there(p);
	assert_int_equal(p->b.nr_told, GW_MAX_NEEDS_BYTES);
	assert_memory_equal(p->a.bytes, p->b.bytes, GW_MAX_NEEDS_BYTES);
	close_pair(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(needs_arrive_unchanged),
		cmocka_unit_test(lacks_is_asked_all_the_same),
		cmocka_unit_test(a_host_that_lacks_something_refuses),
		cmocka_unit_test(a_host_that_cannot_tell_refuses),
		cmocka_unit_test(all_reasons_are_told_at_once),
		cmocka_unit_test(a_dry_run_asks_both),
		cmocka_unit_test(needs_that_cannot_be_told_end_it),
		cmocka_unit_test(a_cancel_while_the_vm_is_asked),
		cmocka_unit_test(an_older_destination_can_skip_them),
		cmocka_unit_test(needs_that_come_while_the_vm_reads_them),
	};

	return cmocka_run_group_tests_name("host lacks", tests, NULL, NULL);
}
