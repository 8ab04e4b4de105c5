/* SPDX-License-Identifier: BSD-3-Clause */
/* Recorded channels of a godwit migration: counted, named by the manifest, and their sums held against their bytes. */
#include "inspect_rig.h"

#include "wire/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct rig_stream s[2]; /* control, data */
static uint64_t seq;

static void put_frame(struct rig_stream *to, uint16_t type, const uint8_t *body, uint32_t nr_bytes, uint32_t head_bytes)
{
	struct frame_header header = { .type = type, .body_bytes = nr_bytes, .head_bytes = head_bytes, .seq = seq++ };
	uint8_t buf[FRAME_HEADER_BYTES];

	header.flags = frame_max_bytes(type) ? 0 : FRAME_OPTIONAL;
	frame_header_encode(buf, &header);
	header.sum = frame_sum(buf, body, head_bytes, NULL, 0);
	frame_header_encode(buf, &header);
	rig_bytes(to, buf, sizeof(buf));
	rig_bytes(to, body, nr_bytes);
}

static void put_message(struct rig_stream *to, const struct message *message)
{
	size_t room = message_max_bytes(message);
	uint8_t *body = malloc(room + 1);
	ssize_t nr = message_encode(message, body, room);

	assert_true(nr >= 0);
	put_frame(to, message->type, body, (uint32_t)nr, (uint32_t)nr);
	free(body);
}

static void put_hello(struct rig_stream *to, enum channel_role role, uint32_t channel)
{
	struct message message = { .type = FRAME_HELLO };

	message.hello = (struct message_hello){ .version_min = 1,
						.version_max = 1,
						.role = role,
						.channel = channel,
						.nr_channels = 2,
						.migration_id = { 0xfe } };
	to->used = 0;
	seq = 0;
	put_message(to, &message);
}

static void put_plain(struct rig_stream *to, uint16_t type)
{
	put_frame(to, type, NULL, 0, 0);
}

static void put_manifest(struct rig_stream *to)
{
	struct message *message = calloc(1, sizeof(*message));

	message->type = FRAME_MANIFEST;
	strcpy(message->manifest.vm_name, "guest");
	message->manifest.page_bytes = GW_PAGE_BYTES;
	message->manifest.nr_ram = 2;
	message->manifest.ram[0] = (struct manifest_ram){ .id = "low", .gpa = 0, .size_bytes = 64 << 12 };
	message->manifest.ram[1] = (struct manifest_ram){ .id = "high", .gpa = 64 << 12, .size_bytes = 64 << 12 };
	message->manifest.nr_devices = 1;
	strcpy(message->manifest.devices[0].id, "nic0");
	message->manifest.devices[0].info.vendor_id = 0x15b3;
	put_message(to, message);
	free(message);
}

/* Two pages with bytes across the border of the blocks, three of zeroes, one that is in no block. */
static void put_ram(struct rig_stream *to, int paused)
{
	static const struct page_run runs[] = {
		{ .gpa = 63 << 12, .nr_pages = 2 },
		{ .gpa = 65 << 12, .nr_pages = 3, .flags = RUN_ZERO },
		{ .gpa = 200 << 12, .nr_pages = 1, .flags = RUN_ZERO },
	};
	uint8_t body[8 + 3 * 16 + 8192] = { 0 };
	uint32_t list = (uint32_t)frame_runs_bytes(3);

	frame_runs_encode(body, runs, 3);
	memset(body + list, 0x77, 8192);
	put_frame(to, FRAME_RAM, body, sizeof(body), paused ? sizeof(body) : list);
}

static void put_device(struct rig_stream *to, uint32_t device, uint32_t flags, uint64_t number, uint32_t nr_bytes)
{
	struct device_buffer_header header = { .device = device, .flags = flags, .number = number, .sent = number };
	uint8_t body[FRAME_DEVICE_FIXED_BYTES + 100] = { 0 };

	frame_device_encode(body, &header);
	put_frame(to, FRAME_DEVICE, body, FRAME_DEVICE_FIXED_BYTES + nr_bytes, FRAME_DEVICE_FIXED_BYTES + nr_bytes);
}

static void put_control(void)
{
	static const struct message prepare = { .type = FRAME_PREPARE,
						.prepare = { .ram_frames = 2,
							     .ram_pages = 12,
							     .nr_devices = 1,
							     .devices = { { .bytes = 150, .buffers = 2 } } } };

	put_hello(&s[0], ROLE_CONTROL, 0);
	put_manifest(&s[0]);
	put_plain(&s[0], FRAME_PING);
	put_frame(&s[0], FRAME_VM_STATE, (const uint8_t[]){ 3, 0, 0, 0, 1, 2, 3 }, 7, 7);
	put_message(&s[0], &prepare);
	put_plain(&s[0], FRAME_COMMIT);
	put_plain(&s[0], FRAME_PING);
}

static void put_data(void)
{
	put_hello(&s[1], ROLE_DATA, 1);
	put_ram(&s[1], 0);
	put_device(&s[1], 0, DEVICE_BUFFER_INITIAL_END, 0, 100);
	put_frame(&s[1], FRAME_FILLER, (const uint8_t[]){ 1, 2 }, 2, 2);
	put_ram(&s[1], 1);
	put_device(&s[1], 0, DEVICE_BUFFER_STOP_COPY | DEVICE_BUFFER_LAST, 1, 50);
	put_plain(&s[1], FRAME_END);
}

static const struct gw_inspected_count *count_of(const struct gw_inspected_channel *channel, const char *name)
{
	const struct gw_inspected_count *count = channel->types;

	while (count && strcmp(count->name, name))
		count = count->next;
	assert_non_null(count);
	return count;
}

static void test_whole_migration(void **state)
{
	const struct gw_inspected_record *record;
	const struct gw_inspection *told;
	int fds[2];

	put_control();
	put_data();
	told = rig_inspect(s, 2, fds);
	record = told->record;
	assert_true(told->files->whole && told->files->next->whole);
	assert_int_equal(record->migration_id[0], 0xfe);
	assert_string_equal(record->vm_name, "guest");
	assert_string_equal(record->channels->role, "control");
	assert_string_equal(record->channels->last, "COMMIT");
	assert_int_equal(count_of(record->channels, "PING")->nr, 2);
	assert_int_equal(record->channels->next->number, 1);
	assert_int_equal(count_of(record->channels->next, "RAM")->nr, 2);
	assert_int_equal(count_of(record->channels->next, "RAM")->bytes, 2 * (32 + 8 + 48 + 8192));
	assert_int_equal(count_of(record->channels->next, "FILLER")->nr, 1);
	assert_int_equal(record->ram->pages[GW_PAGES_NORMAL], 2);
	assert_int_equal(record->ram->next->pages[GW_PAGES_NORMAL], 2);
	assert_int_equal(record->ram->next->pages[GW_PAGES_ZERO], 6);
	assert_int_equal(record->stray_pages, 0);
	assert_int_equal(record->stray_zero_pages, 2);
	assert_string_equal(record->devices->id, "nic0");
	assert_int_equal(record->devices->vendor_id, 0x15b3);
	assert_int_equal(record->devices->precopy_bytes, 100);
	assert_int_equal(record->devices->stop_copy_bytes, 50);
	assert_int_equal(record->devices->initial_marks, 1);
	assert_int_equal(record->vm_state_bytes, 3);
	assert_int_equal(record->prepare->ram_pages, 12);
	assert_int_equal(record->prepare->device_bytes, 150);
	gw_inspection_free(told);
	close(fds[0]);
	close(fds[1]);
}

/* Without the control channel nothing has a name. */
static void test_data_channel_alone(void **state)
{
	const struct gw_inspection *told;

	put_data();
	told = rig_look(&s[1]);
	assert_true(told->files->whole);
	assert_null(told->record->ram);
	assert_int_equal(told->record->stray_pages, 4);
	assert_int_equal(told->record->stray_zero_pages, 8);
	assert_string_equal(told->record->devices->id, "device 0");
	assert_int_equal(gw_inspect_extract(told, "device 0", -1, NULL, NULL, NULL), -EINVAL);
	gw_inspection_free(told);
}

static void judge(struct rig_stream *stream, const char *what)
{
	const struct gw_inspection *told = rig_look(stream);

	assert_int_equal(told->files->trouble.code, what ? -EBADMSG : 0);
	if (what && !strstr(told->files->trouble.what, what))
		fail_msg("no \"%s\" in \"%s\"", what, told->files->trouble.what);
	gw_inspection_free(told);
}

/* Every bit of a frame but the payload that cannot be summed is found, and what follows is counted all the same. */
static void test_flipped(void **state)
{
	const size_t unsummed = FRAME_HEADER_BYTES + 44 + FRAME_HEADER_BYTES + 8 + 48;

	put_data();
	for (size_t at = 4; at < s[1].used; at += at < 300 || at > s[1].used - 300 ? 1 : 97) {
		const struct gw_inspection *told;

		s[1].bytes[at] ^= 0x10;
		told = rig_look(&s[1]);
		if (at >= unsummed && at < unsummed + 8192)
			assert_true(told->files->whole);
		else
			assert_int_equal(told->files->trouble.code == -EBADMSG ||
						 told->files->trouble.code == -EPROTONOSUPPORT,
					 1);
		gw_inspection_free(told);
		s[1].bytes[at] ^= 0x10;
	}
	s[1].bytes[unsummed + 8192 + FRAME_HEADER_BYTES + FRAME_DEVICE_FIXED_BYTES] ^= 1; /* the device's state */
	{
		const struct gw_inspection *told = rig_look(&s[1]);

		assert_int_equal(told->record->channels->nr_bad_sums, 1);
		assert_int_equal(count_of(told->record->channels, "DEVICE")->nr_bad_sums, 1);
		assert_int_equal(count_of(told->record->channels, "END")->nr, 1);
		assert_int_equal(told->record->devices->precopy_bytes, 0);
		assert_non_null(strstr(told->files->trouble.what, "checksum"));
		gw_inspection_free(told);
	}
}

static void test_cut_and_unfinished(void **state)
{
	put_data();
	s[1].used -= FRAME_HEADER_BYTES;
	judge(&s[1], "the last frame is DEVICE");
	s[1].used -= 1;
	judge(&s[1], "in the middle of frame 5 (DEVICE)");
	put_control();
	s[0].used -= 2 * FRAME_HEADER_BYTES;
	judge(&s[0], "the last frame is PREPARE");
	seq++; /* one is missing */
	put_plain(&s[0], FRAME_COMMIT);
	judge(&s[0], "has the number");
	put_hello(&s[0], ROLE_CONTROL, 0);
	put_plain(&s[0], FRAME_CANCEL);
	judge(&s[0], NULL);
}

/* The answers of a destination are a record, too. */
static void test_answers(void **state)
{
	static const struct message welcome = { .type = FRAME_WELCOME, .welcome = { .version = 1 } };
	static const struct message running = { .type = FRAME_RUNNING };
	const struct gw_inspection *told;

	s[0].used = 0;
	seq = 0;
	put_message(&s[0], &welcome);
	judge(&s[0], "the last frame is WELCOME");
	put_message(&s[0], &running);
	told = rig_look(&s[0]);
	assert_true(told->files->whole);
	assert_string_equal(told->record->channels->role, "answers");
	gw_inspection_free(told);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_migration), cmocka_unit_test(test_data_channel_alone),
		cmocka_unit_test(test_flipped),         cmocka_unit_test(test_cut_and_unfinished),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
