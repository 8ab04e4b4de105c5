/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO devices in a QEMU stream, by the main channel and by multifd, and their state taken out of it. */
#include "inspect_rig.h"

#include "base/bits.h"
#include "image/reader.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define START 1
#define PART  2
#define END   3
#define FULL  4

#define END_OF_STATE   0xffffffffef100001u
#define CONFIG         0xffffffffef100002u
#define SETUP          0xffffffffef100003u
#define DATA           0xffffffffef100004u
#define INIT_DATA_SENT 0xffffffffef100005u
#define LOAD_READY     0xffffffffef100006u

#define DEVICE "0000:00:05.0/vfio"
#define ID     9

#define VECTORS 3

static struct rig_stream s[3]; /* the main channel, two multifd channels */
static int fds[3];

static void put_data(uint8_t byte, uint32_t nr_bytes)
{
	rig_u64(s, DATA);
	rig_u64(s, nr_bytes);
	rig_fill(s, byte, nr_bytes);
}

/* 15b3:101e, subsystem 15b3:0063, class 020000, revision 42; an MSI-X capability if there are vectors. */
static void put_pci_state(struct rig_stream *to, size_t config_bytes, unsigned int vectors)
{
	uint8_t config[4096] = { 0xb3, 0x15, 0x1e, 0x10 };

	config[6] = vectors ? 0x10 : 0;
	config[8] = 0x42;
	config[11] = 2;
	memcpy(config + 0x2c, (const uint8_t[]){ 0xb3, 0x15, 0x63, 0 }, 4);
	config[0x34] = 0x40;
	config[0x40] = 0x09; /* another one before it */
	config[0x41] = 0x60;
	config[0x60] = 0x11;
	config[0x62] = (uint8_t)(vectors - 1);
	config[256 + vectors * 16 + 16 + 1] = 0x05; /* as if a subsection began behind 256 bytes */
	rig_u32(to, 2);
	rig_bytes(to, config, config_bytes);
	rig_fill(to, 0, 16);
	rig_u64(to, END_OF_STATE); /* by chance, in the MSI-X table */
	rig_fill(to, 0x7e, vectors * 16 + DIV_ROUND_UP(vectors, 8) - 8);
}

static void put_begin(const char *name)
{
	rig_header(s);
	rig_begin(s, START, ID, name, 1);
	rig_u64(s, SETUP);
	rig_u64(s, END_OF_STATE);
	rig_footer(s, ID);
}

static void put_precopy(void)
{
	rig_part(s, PART, ID);
	put_data(0xa1, 1000);
	rig_u64(s, END_OF_STATE);
	rig_footer(s, ID);
	rig_part(s, PART, ID);
	put_data(0xa2, 10);
	rig_u64(s, INIT_DATA_SENT);
	rig_footer(s, ID);
}

static void put_stop_copy(void)
{
	rig_part(s, END, ID);
	put_data(0xb1, 500);
	put_data(0xb2, 5);
	rig_u64(s, END_OF_STATE);
	rig_footer(s, ID);
}

static void put_config(size_t config_bytes)
{
	rig_begin(s, FULL, ID, DEVICE, 1);
	rig_u64(s, CONFIG);
	put_pci_state(s, config_bytes, VECTORS);
	rig_u64(s, END_OF_STATE);
	rig_footer(s, ID);
}

static const struct gw_inspection *look(uint32_t nr)
{
	return rig_inspect(s, nr, fds);
}

static void done(const struct gw_inspection *told, uint32_t nr)
{
	gw_inspection_free(told);
	for (uint32_t i = 0; i < nr; i++)
		close(fds[i]);
}

static void expect_whole(const struct gw_inspection *told)
{
	for (const struct gw_inspected_file *file = told->files; file; file = file->next)
		if (!file->whole)
			fail_msg("%s", file->trouble.what);
}

/* What comes out, as an image that is read again: runs of equal bytes. */
static void expect_state(const struct gw_inspection *told, const char *name, const uint8_t (*runs)[3])
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct image_io io = image_io(fd, NULL, NULL);
	struct gw_error e = GW_ERROR_NONE;
	struct gw_image_totals totals;
	struct image_reader *reader;
	struct image_block block;
	uint8_t state[4096];
	size_t nr = 0, at = 0;

	if (gw_inspect_extract(told, name, fd, NULL, &totals, &e))
		fail_msg("%s", e.what);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(image_reader_open(&reader, &io, NULL, &e), 0);
	assert_string_equal(image_reader_head(reader)->id, "0000:00:05.0");
	assert_int_equal(image_reader_head(reader)->known, GW_IMAGE_KNOWS_PCI);
	assert_int_equal(image_reader_head(reader)->vendor_id, 0x15b3);
	assert_int_equal(image_reader_head(reader)->subsystem_device_id, 0x63);
	while (image_reader_next(reader, &block, &e) > 0) {
		assert_true(nr + block.nr_bytes <= sizeof(state));
		memcpy(state + nr, block.bytes, block.nr_bytes);
		nr += block.nr_bytes;
	}
	assert_int_equal(e.code, 0);
	for (; (*runs)[0]; runs++)
		for (int i = 0; i < (*runs)[1] * (*runs)[2]; i++, at++)
			assert_true(at < nr && state[at] == (*runs)[0]);
	assert_int_equal(at, nr);
	assert_int_equal(totals.precopy_bytes + totals.stop_copy_bytes, nr);
	image_reader_close(reader);
	close(fd);
}

static const uint8_t main_state[][3] = { { 0xa1, 100, 10 }, { 0xa2, 10, 1 }, { 0xb1, 100, 5 }, { 0xb2, 5, 1 }, { 0 } };

static void test_main_channel(void **state)
{
	const size_t spaces[] = { 256, 4096 };

	for (int i = 0; i < 2; i++) {
		const struct gw_inspected_device *device;
		const struct gw_inspection *told;

		put_begin(DEVICE);
		put_precopy();
		put_stop_copy();
		put_config(spaces[i]);
		rig_end(s, NULL);
		told = look(1);
		expect_whole(told);
		device = told->qemu->devices;
		assert_string_equal(device->id, DEVICE);
		assert_int_equal(device->precopy_bytes, 1010);
		assert_int_equal(device->stop_copy_bytes, 505);
		assert_int_equal(device->nr_buffers, 4);
		assert_int_equal(device->initial_marks, 1);
		assert_int_equal(device->config_bytes, 4 + spaces[i] + 16 + VECTORS * 16 + 1);
		assert_int_equal(device->config_space_bytes, spaces[i]);
		assert_int_equal(device->msix_vectors, VECTORS);
		assert_int_equal(device->vendor_id, 0x15b3);
		assert_int_equal(device->device_id, 0x101e);
		assert_int_equal(device->class_revision, 0x02000042);
		assert_int_equal(device->flags, GW_INSPECTED_PCI | GW_INSPECTED_COMPLETE);
		expect_state(told, DEVICE, main_state);
		expect_state(told, "0000:00:05.0", main_state);
		expect_state(told, "0000:00:05.0#0", main_state);
		assert_int_equal(gw_inspect_extract(told, "0000:00:05", -1, NULL, NULL, NULL), -ENOENT);
		assert_int_equal(gw_inspect_extract(told, DEVICE "#1", -1, NULL, NULL, NULL), -ENOENT);
		done(told, 1);
	}
}

static void test_not_all_there(void **state)
{
	const struct gw_inspection *told;
	struct gw_error e = GW_ERROR_NONE;

	put_begin(DEVICE);
	put_precopy();
	told = look(1);
	assert_false(told->qemu->devices->flags & GW_INSPECTED_COMPLETE);
	assert_int_equal(gw_inspect_extract(told, DEVICE, -1, NULL, NULL, &e), -EBADMSG);
	assert_non_null(strstr(e.what, "the end of it"));
	done(told, 1);

	/* Nothing in the main channel: it went another way. */
	put_begin(DEVICE);
	rig_part(s, END, ID);
	rig_u64(s, END_OF_STATE);
	rig_footer(s, ID);
	rig_begin(s, FULL, ID, DEVICE, 1);
	rig_u64(s, LOAD_READY);
	rig_footer(s, ID);
	rig_end(s, NULL);
	told = look(1);
	expect_whole(told);
	e = (struct gw_error)GW_ERROR_NONE;
	assert_int_equal(gw_inspect_extract(told, DEVICE, -1, NULL, NULL, &e), -EBADMSG);
	assert_non_null(strstr(e.what, "multifd"));
	done(told, 1);
}

static void test_damage(void **state)
{
	const struct gw_inspection *told;

	put_begin(DEVICE);
	rig_part(s, PART, ID);
	rig_u64(s, 0xffffffffef100009u);
	told = look(1);
	assert_non_null(strstr(told->files->trouble.what, "0xffffffffef100009"));
	done(told, 1);

	put_begin(DEVICE);
	rig_part(s, PART, ID);
	rig_u64(s, DATA);
	rig_u64(s, UINT64_MAX); /* promised, not there */
	rig_fill(s, 1, 100);
	told = look(1);
	assert_non_null(strstr(told->files->trouble.what, "in the middle of section 9"));
	assert_int_equal(told->qemu->devices->precopy_bytes, 100);
	done(told, 1);

	put_begin(DEVICE);
	put_stop_copy();
	put_precopy();
	told = look(1);
	assert_non_null(strstr(told->files->trouble.what, "a device that runs"));
	done(told, 1);

	put_begin(DEVICE);
	rig_begin(s, FULL, ID, DEVICE, 1);
	rig_u64(s, CONFIG);
	rig_fill(s, 0, 5000);
	told = look(1);
	assert_int_equal(told->files->trouble.code, -EBADMSG);
	done(told, 1);
}

static void put_channel(struct rig_stream *to, uint8_t number)
{
	to->used = 0;
	rig_u32(to, 0x11223344);
	rig_u32(to, 1);
	rig_fill(to, 0, 16);
	rig_u8(to, number);
	rig_fill(to, 0, 39);
}

static void put_packet(struct rig_stream *to, uint32_t flags)
{
	rig_u32(to, 0x11223344);
	rig_u32(to, 1);
	rig_u32(to, flags);
}

static void put_field(struct rig_stream *to, const char *name)
{
	rig_bytes(to, name, strlen(name));
	rig_fill(to, 0, 256 - strlen(name));
}

static void put_buffer(struct rig_stream *to, uint32_t index, uint8_t byte, uint32_t nr_bytes)
{
	put_packet(to, 0x40);
	put_field(to, DEVICE);
	rig_u32(to, 0);
	rig_u32(to, 12 + nr_bytes);
	rig_u32(to, 0);
	rig_u32(to, index);
	rig_u32(to, 0);
	rig_fill(to, byte, nr_bytes);
}

static void put_config_buffer(struct rig_stream *to, uint32_t index)
{
	put_packet(to, 0x40);
	put_field(to, DEVICE);
	rig_u32(to, 0);
	rig_u32(to, 12 + 16 + 4 + 256 + 16 + VECTORS * 16 + 1);
	rig_u32(to, 0);
	rig_u32(to, index);
	rig_u32(to, 1);
	rig_u64(to, CONFIG);
	put_pci_state(to, 256, VECTORS);
	rig_u64(to, END_OF_STATE);
}

/* The main channel of a device whose stop-copy data goes by multifd. */
static void put_main_of_multifd(void)
{
	put_begin(DEVICE);
	put_precopy();
	rig_u8(s, 8);
	rig_u16(s, 11);
	rig_u16(s, 0);
	rig_part(s, END, ID);
	rig_u64(s, END_OF_STATE);
	rig_footer(s, ID);
	rig_begin(s, FULL, ID, DEVICE, 1);
	rig_u64(s, END_OF_STATE);
	rig_footer(s, ID);
	rig_end(s, NULL);
}

static void test_multifd(void **state)
{
	static const uint8_t runs[][3] = { { 0xa1, 100, 10 }, { 0xa2, 10, 1 }, { 0xc0, 7, 1 },
					   { 0xc1, 100, 3 },  { 0xc2, 9, 1 },  { 0 } };
	const struct gw_inspection *told;
	const struct gw_inspected_device *device;

	put_main_of_multifd();
	put_channel(&s[1], 0);
	put_channel(&s[2], 1);
	put_buffer(&s[1], 2, 0xc2, 9);
	put_config_buffer(&s[1], 3);
	put_buffer(&s[2], 1, 0xc1, 300);
	put_buffer(&s[2], 0, 0xc0, 7);
	told = look(3);
	expect_whole(told);
	device = told->qemu->devices;
	assert_null(device->next);
	assert_int_equal(device->stop_copy_bytes, 316);
	assert_int_equal(device->flags, GW_INSPECTED_PCI | GW_INSPECTED_COMPLETE | GW_INSPECTED_MULTIFD);
	assert_int_equal(told->qemu->channels->next->number, 1);
	assert_string_equal(told->qemu->channels->types->name, "DEVICE_STATE");
	assert_int_equal(told->qemu->channels->types->nr, 2);
	expect_state(told, DEVICE, runs);
	done(told, 3);
}

/* Buffers that are missing, doubled, or have no end. */
static void test_multifd_not_all_there(void **state)
{
	static const struct {
		uint32_t indexes[3], config;
		const char *what;
	} rows[] = {
		{ { 0, 1, 3 }, 4, "buffer 2" }, { { 1, 2, 3 }, 4, "buffer 0" },
		{ { 0, 1, 1 }, 3, "buffer 1" }, { { 0, 1, 2 }, 4, "buffer 3" },
		{ { 0, 1, 2 }, 2, "buffer 3" }, { { 0, 1, 2 }, UINT32_MAX, "PCI state" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct gw_inspection *told;
		struct gw_error e = GW_ERROR_NONE;

		put_main_of_multifd();
		put_channel(&s[1], 0);
		for (int k = 0; k < 3; k++)
			put_buffer(&s[1], rows[i].indexes[k], 0xcc, 8);
		if (rows[i].config != UINT32_MAX)
			put_config_buffer(&s[1], rows[i].config);
		told = look(2);
		expect_whole(told);
		assert_int_equal(gw_inspect_extract(told, DEVICE, -1, NULL, NULL, &e), -EBADMSG);
		if (!strstr(e.what, rows[i].what))
			fail_msg("no \"%s\" in \"%s\"", rows[i].what, e.what);
		done(told, 2);
	}
}

static void test_multifd_alone(void **state)
{
	const struct gw_inspection *told;
	struct gw_error e = GW_ERROR_NONE;

	put_channel(&s[0], 4);
	put_buffer(&s[0], 0, 0xcc, 8);
	put_config_buffer(&s[0], 1);
	told = look(1);
	expect_whole(told);
	assert_int_equal(told->files->kind, GW_FILE_QEMU_CHANNEL);
	assert_int_equal(gw_inspect_extract(told, DEVICE, -1, NULL, NULL, &e), -EBADMSG);
	assert_non_null(strstr(e.what, "main channel"));
	done(told, 1);
}

static void put_pages(struct rig_stream *to, uint32_t flags, uint32_t normal, uint32_t zero, const char *name,
		      uint32_t nr_bytes)
{
	put_packet(to, flags);
	rig_u32(to, 16);
	rig_u32(to, normal);
	rig_u32(to, nr_bytes);
	rig_u64(to, 77);
	rig_u32(to, zero);
	rig_fill(to, 0, 28);
	put_field(to, name);
	rig_fill(to, 0, 16 * 8);
}

static void test_multifd_pages(void **state)
{
	const struct gw_inspection *told;

	put_channel(s, 0);
	put_pages(s, 0, 2, 5, "pc.ram", 8192);
	rig_fill(s, 0x99, 8192);
	put_pages(s, 1, 0, 0, "pc.ram", 8192); /* what is left of the packet before means nothing */
	told = look(1);
	expect_whole(told);
	assert_int_equal(told->qemu->ram->pages[GW_PAGES_MULTIFD], 2);
	assert_int_equal(told->qemu->ram->pages[GW_PAGES_MULTIFD_ZERO], 5);
	assert_string_equal(told->qemu->channels->last, "SYNC");
	done(told, 1);
}

static void expect_trouble(int code, const char *what)
{
	const struct gw_inspection *told = look(1);

	assert_int_equal(told->files->trouble.code, code);
	if (!strstr(told->files->trouble.what, what))
		fail_msg("no \"%s\" in \"%s\"", what, told->files->trouble.what);
	done(told, 1);
}

static void test_multifd_damage(void **state)
{
	put_channel(s, 0);
	put_pages(s, 0, 12, 5, "pc.ram", 0);
	expect_trouble(-EBADMSG, "room for 16");
	put_channel(s, 0);
	put_pages(s, 0, 0, 1, "", 0);
	expect_trouble(-EBADMSG, "without the name");
	put_channel(s, 0);
	put_packet(s, 0x41);
	expect_trouble(-EPROTONOSUPPORT, "0x41");
	put_channel(s, 0);
	rig_fill(s, 0, 12);
	expect_trouble(-EBADMSG, "should begin here");
	put_channel(s, 0);
	put_buffer(s, UINT32_MAX, 0, 8);
	expect_trouble(-EBADMSG, "number 4294967295");
	put_channel(s, 0);
	put_buffer(s, 0, 0, 0);
	expect_trouble(-EBADMSG, "without state");
	put_channel(s, 0);
	put_config_buffer(s, 0);
	put_config_buffer(s, 1);
	expect_trouble(-EBADMSG, "second PCI state");
}

/* Two devices of a name, told apart by their instance. */
static void test_instances(void **state)
{
	const struct gw_inspection *told;

	rig_header(s);
	for (uint32_t i = 0; i < 2; i++) {
		rig_u8(s, FULL);
		rig_u32(s, ID + i);
		rig_name(s, DEVICE);
		rig_u32(s, i);
		rig_u32(s, 1);
		rig_u64(s, END_OF_STATE);
		rig_footer(s, ID + i);
	}
	rig_end(s, NULL);
	told = look(1);
	expect_whole(told);
	assert_int_equal(told->qemu->devices->next->instance, 1);
	assert_int_equal(gw_inspect_extract(told, DEVICE, -1, NULL, NULL, NULL), -ENOENT);
	assert_int_equal(gw_inspect_extract(told, DEVICE "#1", -1, NULL, NULL, NULL), -EBADMSG);
	done(told, 1);
}

static void test_files_that_do_not_belong_together(void **state)
{
	struct gw_inspect_input inputs[2] = { { .name = "one" }, { .name = "other" } };
	const struct gw_inspection *told = NULL;
	struct gw_error e = GW_ERROR_NONE;

	put_begin(DEVICE);
	inputs[0].fd = rig_file(s);
	inputs[1].fd = rig_file(s);
	assert_int_equal(gw_inspect_read(&told, inputs, 2, NULL, &e), -EINVAL);
	assert_string_equal(e.where, "other");
	assert_null(told);
	s->bytes[0] = 0;
	e = (struct gw_error)GW_ERROR_NONE;
	assert_int_equal(pwrite(inputs[0].fd, s->bytes, s->used, 0), s->used);
	lseek(inputs[0].fd, 0, SEEK_SET);
	assert_int_equal(gw_inspect_read(&told, inputs, 1, NULL, &e), -EPROTONOSUPPORT);
	assert_null(told);
	close(inputs[0].fd);
	close(inputs[1].fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_main_channel),
		cmocka_unit_test(test_not_all_there),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_multifd),
		cmocka_unit_test(test_multifd_not_all_there),
		cmocka_unit_test(test_multifd_alone),
		cmocka_unit_test(test_multifd_pages),
		cmocka_unit_test(test_multifd_damage),
		cmocka_unit_test(test_instances),
		cmocka_unit_test(test_files_that_do_not_belong_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
