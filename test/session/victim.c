/* SPDX-License-Identifier: BSD-3-Clause */
/* A destination, and an honest source's first steps towards it. */
#include "victim.h"

#include <godwit/godwit.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FLAGS   (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P)
#define WAIT_MS 30000

void victim_open(struct victim *v)
{
	static unsigned serial;
	struct gw_limits limits = { .size = sizeof(limits), .stall_ns = 3 * NS_PER_S };
	char uri[64];

	*v = (struct victim){ .control.fd = -1, .data = { { .fd = -1 }, { .fd = -1 } } };
	process_size_get(&v->before);
	fake_vm_open(&v->vm, FLAGS, VICTIM_DEVICE_BYTES, 99, NULL, &v->running_vms, &v->most_running);
	snprintf(uri, sizeof(uri), "unix:/tmp/godwit-hostile-%d-%u.sock", getpid(), ++serial);
	assert_int_equal(gw_destination_new(&v->destination, &v->vm.vm, &limits, NULL), 0);
	assert_int_equal(gw_destination_start(v->destination, uri, NULL), 0);
	v->path = gw_destination_uri(v->destination) + strlen("unix:");
	process_size_restart_peak();
	v->resident_bytes = process_size_peak_bytes();
}

void victim_hang_up(struct victim *v)
{
	raw_peer_close(&v->control);
	for (unsigned i = 0; i < VICTIM_NR_DATA; i++)
		raw_peer_close(&v->data[i]);
}

void victim_check_memory(const struct victim *v, uint64_t bound_bytes)
{
	if (v->resident_bytes == UINT64_MAX)
		return;
	print_message("# %llu KiB more at the peak, %llu allowed\n",
		      (unsigned long long)(process_size_peak_bytes() - v->resident_bytes) / KIB,
		      (unsigned long long)bound_bytes / KIB);
	assert_true(process_size_peak_bytes() <= v->resident_bytes + bound_bytes);
}

void victim_close(struct victim *v)
{
	struct process_size after;

	victim_hang_up(v);
	gw_destination_free(v->destination);
	assert_false(fake_vm_running(&v->vm) && v->running_vms != 1);
	assert_in_range(v->most_running, 0, 1);
	fake_vm_close(&v->vm);
	process_size_get(&after);
	assert_int_equal(after.nr_fds, v->before.nr_fds);
	assert_int_equal(after.nr_threads, v->before.nr_threads);
}

void victim_rolled_back(struct victim *v, const char *why)
{
	const struct gw_report *report = gw_destination_report(v->destination);

	assert_int_equal(gw_destination_wait(v->destination, WAIT_MS), 0);
	assert_int_equal(report->outcome, GW_ROLLED_BACK);
	if (!strstr(report->error.what, why))
		fail_msg("it failed for another reason: %s", report->error.what);
	assert_false(fake_vm_running(&v->vm));
	assert_int_equal(v->most_running, 0);
	assert_true(fake_vm_memory_is_right(&v->vm));
}

void victim_takes_a_guest(struct victim *v)
{
	const struct gw_report *report;
	struct gw_source *source;
	struct fake_vm vm;
	bool busy;

	fake_vm_open(&vm, FLAGS, VICTIM_DEVICE_BYTES, 1, NULL, &v->running_vms, &v->most_running);
	fake_vm_run(&vm);
	do {
		assert_int_equal(gw_source_new(&source, &vm.vm, NULL, NULL), 0);
		assert_int_equal(gw_source_start(source, gw_destination_uri(v->destination), NULL), 0);
		assert_int_equal(gw_source_wait(source, WAIT_MS), 0);
		report = gw_source_report(source);
		busy = report->nr_blockers == 1 && !strcmp(report->blockers[0].code, "busy");
		if (!busy)
			assert_int_equal(report->outcome, GW_COMPLETED);
		gw_source_free(source);
	} while (busy);
	assert_int_equal(gw_destination_wait(v->destination, WAIT_MS), 0);
	assert_true(fake_vm_running(&v->vm));
	assert_true(fake_vm_memory_is_right(&v->vm));
	fake_vm_close(&vm);
}

struct message victim_hello(uint32_t role, uint32_t channel, uint32_t epoch)
{
	return (struct message){
		.type = FRAME_HELLO,
		.hello = { .version_min = WIRE_VERSION_MIN,
			   .version_max = WIRE_VERSION_MAX,
			   .migration_id = "hostile",
			   .role = role,
			   .channel = channel,
			   .nr_channels = VICTIM_NR_DATA,
			   .epoch = epoch },
	};
}

void victim_greet(const struct victim *v, struct raw_peer *peer, const struct message *message)
{
	assert_true(raw_peer_connect(peer, v->path));
	raw_peer_say(peer, message);
}

void victim_describe(const struct victim *v, struct message *m)
{
	struct manifest *manifest = &m->manifest;

	*m = (struct message){ .type = FRAME_MANIFEST };
	*manifest = (struct manifest){ .page_bytes = GW_PAGE_BYTES, .nr_ram = FAKE_BLOCKS, .nr_devices = FAKE_DEVICES };
	for (unsigned i = 0; i < FAKE_BLOCKS; i++) {
		snprintf(manifest->ram[i].id, sizeof(manifest->ram[i].id), "%s", v->vm.ram[i].id);
		manifest->ram[i].gpa = v->vm.ram[i].gpa;
		manifest->ram[i].size_bytes = v->vm.ram[i].size_bytes;
	}
	for (unsigned i = 0; i < FAKE_DEVICES; i++) {
		snprintf(manifest->devices[i].id, sizeof(manifest->devices[i].id), "dev%u", i);
		gw_device_get_info(v->vm.list[i], &manifest->devices[i].info, NULL);
	}
}

void victim_begin(struct victim *v, uint32_t reconnect_ms)
{
	struct message *m = malloc(sizeof(*m));

	*m = victim_hello(ROLE_CONTROL, 0, 0);
	m->hello.reconnect_ms = reconnect_ms;
	victim_greet(v, &v->control, m);
	assert_true(raw_peer_await(&v->control, FRAME_WELCOME, m));
	victim_describe(v, m);
	raw_peer_say(&v->control, m);
	assert_true(raw_peer_await(&v->control, FRAME_ACCEPT, m));
	for (unsigned i = 0; i < VICTIM_NR_DATA; i++) {
		*m = victim_hello(ROLE_DATA, i, 0);
		victim_greet(v, &v->data[i], m);
	}
	assert_true(raw_peer_await(&v->control, FRAME_LOADABLE, m));
	free(m);
}
