/* SPDX-License-Identifier: BSD-3-Clause */
/* A saved state as inspect sees it: whole exactly when a load would take it, and told as far as it goes when not. */
#include "inspect_rig.h"

#include "image/writer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <xxhash.h>

static struct rig_stream s;

/* Two blocks of pre-copy, the second with the mark, one of stop-copy. */
static void put_image(void)
{
	struct gw_image_head head = { .known = GW_IMAGE_KNOWS_PCI, .vendor_id = 0x1b36, .id = "dev0" };
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct image_io io = image_io(fd, NULL, NULL);
	struct gw_error e = GW_ERROR_NONE;
	struct image_writer *writer;
	uint8_t state[300];

	memset(state, 0x5a, sizeof(state));
	assert_int_equal(image_writer_open(&writer, &io, &head, &e), 0);
	assert_int_equal(image_writer_put(writer, 0, state, 300, &e), 0);
	assert_int_equal(image_writer_put(writer, IMAGE_BLOCK_INITIAL_END, state, 20, &e), 0);
	assert_int_equal(image_writer_put(writer, IMAGE_BLOCK_STOP_COPY, state, 100, &e), 0);
	assert_int_equal(image_writer_finish(writer, 0, NULL, &e), 0);
	image_writer_close(writer);
	s.used = (size_t)pread(fd, s.bytes, sizeof(s.bytes), 0);
	close(fd);
}

static bool load_takes_it(void)
{
	int fd = rig_file(&s);
	int ret = gw_image_verify(fd, NULL, NULL, NULL);

	close(fd);
	return !ret;
}

static void test_whole(void **state)
{
	const struct gw_inspection *told;

	put_image();
	told = rig_look(&s);
	assert_true(told->files->whole);
	assert_int_equal(told->files->kind, GW_FILE_IMAGE);
	assert_string_equal(told->image->head.id, "dev0");
	assert_int_equal(told->image->head.vendor_id, 0x1b36);
	assert_int_equal(told->image->totals.precopy_bytes, 320);
	assert_int_equal(told->image->totals.stop_copy_bytes, 100);
	assert_int_equal(told->image->totals.nr_blocks, 3);
	assert_int_equal(told->image->totals.file_bytes, s.used);
	assert_int_equal(gw_inspect_extract(told, "dev0", -1, NULL, NULL, NULL), -EINVAL);
	gw_inspection_free(told);
	assert_true(load_takes_it());
}

static void test_flipped_anywhere(void **state)
{
	put_image();
	for (size_t at = 4; at < s.used; at++) {
		const struct gw_inspection *told;

		s.bytes[at] ^= 1;
		told = rig_look(&s);
		assert_false(told->files->whole);
		assert_false(load_takes_it());
		gw_inspection_free(told);
		s.bytes[at] ^= 1;
	}
}

static void test_cut_and_grown(void **state)
{
	size_t whole;

	put_image();
	whole = s.used;
	for (s.used = 4; s.used < whole; s.used++) {
		const struct gw_inspection *told = rig_look(&s);

		assert_int_equal(told->files->trouble.code, -EBADMSG);
		gw_inspection_free(told);
	}
	rig_u8(&s, 0);
	{
		const struct gw_inspection *told = rig_look(&s);

		assert_non_null(strstr(told->files->trouble.what, "goes on after its end"));
		gw_inspection_free(told);
	}
	assert_false(load_takes_it());
}

/* A bad block does not hide those behind it. */
static void test_goes_on_behind_a_bad_block(void **state)
{
	const struct gw_inspection *told;
	size_t at;

	put_image();
	for (at = 0; s.bytes[at] != 0x5a || s.bytes[at + 1] != 0x5a; at++)
		;
	s.bytes[at] ^= 1;
	told = rig_look(&s);
	assert_int_equal(told->image->nr_bad_sums, 1);
	assert_int_equal(told->image->totals.nr_blocks, 3);
	assert_int_equal(told->files->bytes, s.used);
	assert_non_null(strstr(told->files->trouble.what, "record 1 "));
	gw_inspection_free(told);
}

/* The record that begins at *at, changed, with the sum that it then should have. */
static void forge(size_t at, uint64_t number, uint32_t flags, uint8_t flip)
{
	struct image_record record;
	uint8_t *header = s.bytes + at, *body = header + IMAGE_RECORD_BYTES;

	assert_int_equal(image_record_decode(header, &record), 0);
	body[0] ^= flip;
	record.number += number;
	record.flags ^= flags;
	image_record_encode(header, &record);
	record.sum = image_record_sum(header, body, record.body_bytes);
	image_record_encode(header, &record);
}

static size_t place_of(unsigned int number)
{
	size_t at = 0;

	while (number--) {
		struct image_record record;

		assert_int_equal(image_record_decode(s.bytes + at, &record), 0);
		at += IMAGE_RECORD_BYTES + record.body_bytes;
	}
	return at;
}

/* All headers of which the trailer speaks, and its sum, for those that are there now. */
static void forge_records_digest(void)
{
	XXH3_state_t *digest = XXH3_createState();
	struct image_trailer trailer;
	size_t at = place_of(4);

	XXH3_64bits_reset(digest);
	for (unsigned int i = 0; i < 4; i++)
		XXH3_64bits_update(digest, s.bytes + place_of(i), IMAGE_RECORD_BYTES);
	assert_int_equal(image_trailer_decode(s.bytes + at + IMAGE_RECORD_BYTES, IMAGE_TRAILER_BYTES, &trailer), 0);
	trailer.records_digest = XXH3_64bits_digest(digest);
	image_trailer_encode(s.bytes + at + IMAGE_RECORD_BYTES, &trailer);
	forge(at, 0, 0, 0);
	XXH3_freeState(digest);
}

/* What no record's own sum can show. */
static void test_forged(void **state)
{
	static const struct {
		uint64_t number;
		uint32_t flags;
		uint8_t flip;
		int digest; /* of the records is forged, too */
		const char *what;
	} rows[] = {
		{ .flip = 1, .digest = 1, .what = "the trailer speaks of other records" },
		{ .flags = IMAGE_BLOCK_INITIAL_END, .what = "the trailer speaks of other records" },
		{ .number = 1, .digest = 1, .what = "record 1 has the number 2" },
		{ .what = NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct gw_inspection *told;

		put_image();
		forge(place_of(1), rows[i].number, rows[i].flags, rows[i].flip);
		if (rows[i].digest)
			forge_records_digest();
		told = rig_look(&s);
		assert_int_equal(told->files->whole, !rows[i].what);
		assert_int_equal(told->files->whole, load_takes_it());
		if (rows[i].what && !strstr(told->files->trouble.what, rows[i].what))
			fail_msg("no \"%s\" in \"%s\"", rows[i].what, told->files->trouble.what);
		gw_inspection_free(told);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),         cmocka_unit_test(test_flipped_anywhere),
		cmocka_unit_test(test_cut_and_grown), cmocka_unit_test(test_goes_on_behind_a_bad_block),
		cmocka_unit_test(test_forged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
