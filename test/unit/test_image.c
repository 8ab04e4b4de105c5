/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Images without a device: the golden bytes both ways, every bit of them flipped, every way to cut, double, drop and
 * mix records, and what a reader of version 1 makes of what it does not know.
 */
#include "base/bits.h"
#include "hex_file.h"
#include "image/reader.h"
#include "image/writer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

#define ROOM_BYTES 4096

static const char *source_root;
static uint8_t golden[ROOM_BYTES];
static size_t golden_bytes;

static const struct gw_image_head golden_head = {
	.version = 1,
	.known = 31,
	.migration_flags = 7,
	.features = 27,
	.class_revision = 0x00ff0001,
	.vendor_id = 0x1b36,
	.device_id = 0x0010,
	.subsystem_vendor_id = 0x1af4,
	.subsystem_device_id = 0x1100,
	.bar_bytes = { 4096, 1 << 20, 0, 0, 8192, 0 },
	.expected_bytes = 16,
	.created_s = 1700000000,
	.id = "nic0",
	.backend = "vfio-user",
	.origin = "vfio-user:/run/nic0.sock",
	.writer = "godwit 0.1.0",
};

/* Where the records of the golden image begin, and its end. */
static size_t starts[8];
static unsigned int nr_starts;

static int setup(void **state)
{
	ssize_t n = hex_file_read(source_root, "test/vectors/image/small.hex", golden, sizeof(golden));

	if (n < 0)
		return -1;
	golden_bytes = (size_t)n;
	for (size_t at = 0; at < golden_bytes; nr_starts++) {
		starts[nr_starts] = at;
		at += IMAGE_RECORD_BYTES + (golden[at + 12] | golden[at + 13] << 8);
	}
	starts[nr_starts] = golden_bytes;
	return nr_starts == 5 ? 0 : -1;
}

static int file_of(const void *bytes, size_t size_bytes)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size_bytes), size_bytes);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int verify(const void *bytes, size_t size_bytes, struct gw_image_result *result, struct gw_error *e)
{
	int fd = file_of(bytes, size_bytes), ret;

	*e = (struct gw_error)GW_ERROR_NONE;
	*result = (struct gw_image_result){ .size = sizeof(*result) };
	ret = gw_image_verify(fd, NULL, result, e);
	close(fd);
	assert_int_equal(ret, e->code);
	assert_int_equal(result->whole, ret == 0);
	return ret;
}

static void expect_refused(const void *bytes, size_t size_bytes, int code, const char *word)
{
	struct gw_image_result result;
	struct gw_error e;

	assert_int_equal(verify(bytes, size_bytes, &result, &e), code);
	if (!strstr(e.what, word))
		fail_msg("no \"%s\" in \"%s\"", word, e.what);
}

static void test_golden_is_read(void **state)
{
	struct gw_image_result r;
	struct gw_error e;

	assert_int_equal(verify(golden, golden_bytes, &r, &e), 0);
	assert_memory_equal(&r.head, &golden_head, sizeof(golden_head));
	assert_true(r.totals.file_bytes == golden_bytes && r.totals.nr_blocks == 3);
	assert_true(r.totals.precopy_bytes == 13 && r.totals.stop_copy_bytes == 8 && r.totals.stopped_ns == 1500000);
}

static void test_golden_is_written(void **state)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct image_io io = image_io(fd, NULL, NULL);
	struct gw_image_head head = golden_head;
	struct gw_image_totals totals;
	struct image_writer *w;
	uint8_t got[ROOM_BYTES];

	assert_int_equal(image_writer_open(&w, &io, &head, NULL), 0);
	assert_int_equal(image_writer_put(w, 0, "initial ", 8, NULL), 0);
	assert_int_equal(image_writer_put(w, IMAGE_BLOCK_INITIAL_END, "bytes", 5, NULL), 0);
	assert_int_equal(image_writer_put(w, IMAGE_BLOCK_STOP_COPY, "the rest", 8, NULL), 0);
	assert_int_equal(image_writer_put(w, 0, "late", 4, NULL), -EINVAL);
	assert_true(image_writer_bytes(w) == 21);
	assert_int_equal(image_writer_finish(w, 1500000, &totals, NULL), 0);
	image_writer_close(w);
	assert_true(totals.file_bytes == golden_bytes);
	assert_int_equal(pread(fd, got, sizeof(got), 0), golden_bytes);
	assert_memory_equal(got, golden, golden_bytes);
	close(fd);
}

static void test_any_flipped_bit_is_refused(void **state)
{
	uint8_t bytes[ROOM_BYTES];
	struct gw_image_result r;
	struct gw_error e;

	for (size_t bit = 0; bit < golden_bytes * 8; bit++) {
		memcpy(bytes, golden, golden_bytes);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (verify(bytes, golden_bytes, &r, &e) != -EBADMSG)
			fail_msg("bit %zu of byte %zu: %d, %s", bit % 8, bit / 8, e.code, e.what);
	}
}

static void test_any_other_length_is_refused(void **state)
{
	uint8_t bytes[ROOM_BYTES] = { 0 };

	expect_refused(golden, 0, -EBADMSG, "nothing in it");
	for (size_t n = 1; n < golden_bytes; n++)
		expect_refused(golden, n, -EBADMSG, n < IMAGE_RECORD_BYTES ? "no godwit image" : "cut short");
	memcpy(bytes, golden, golden_bytes);
	expect_refused(bytes, golden_bytes + 1, -EBADMSG, "goes on after its end");
	memcpy(bytes + golden_bytes, golden, golden_bytes);
	expect_refused(bytes, 2 * golden_bytes, -EBADMSG, "goes on after its end");
	expect_refused("godwit 0.1.0 says hello to whoever reads this", 45, -EBADMSG, "no godwit image");
}

/* Gives record `at` of bytes a header that is right for its body again. */
static void sum_again(uint8_t *bytes, size_t at, uint64_t number)
{
	struct image_record record;

	image_record_decode(bytes + at, &record);
	record.number = number;
	image_record_encode(bytes + at, &record);
	record.sum = image_record_sum(bytes + at, bytes + at + IMAGE_RECORD_BYTES, record.body_bytes);
	image_record_encode(bytes + at, &record);
}

static size_t append(uint8_t *bytes, size_t used, unsigned int record)
{
	size_t n = starts[record + 1] - starts[record];

	memcpy(bytes + used, golden + starts[record], n);
	return used + n;
}

/* Every record is right by itself, and numbered as it comes. */
static void test_no_record_missing_doubled_or_moved(void **state)
{
	static const struct {
		unsigned int nr, order[7];
	} mixes[] = {
		{ 4, { 0, 1, 2, 4 } },          /* missing */
		{ 3, { 0, 3, 4 } },             /* missing */
		{ 6, { 0, 1, 1, 2, 3, 4 } },    /* doubled */
		{ 5, { 0, 2, 1, 3, 4 } },       /* moved */
		{ 5, { 0, 1, 3, 2, 4 } },       /* pre-copy after stop-copy */
		{ 6, { 0, 0, 1, 2, 3, 4 } },    /* a second head */
		{ 4, { 1, 2, 3, 4 } },          /* none */
		{ 4, { 0, 1, 2, 3 } },          /* no trailer */
		{ 6, { 0, 1, 2, 3, 4, 4 } },    /* a second trailer */
		{ 7, { 0, 1, 2, 3, 4, 1, 2 } }, /* more after it */
		{ 1, { 4 } },
	};
	uint8_t bytes[ROOM_BYTES];
	struct gw_image_result r;
	struct gw_error e;

	for (size_t i = 0; i < ARRAY_SIZE(mixes); i++) {
		size_t used = 0;

		for (unsigned int k = 0; k < mixes[i].nr; k++) {
			used = append(bytes, used, mixes[i].order[k]);
			sum_again(bytes, used - (starts[mixes[i].order[k] + 1] - starts[mixes[i].order[k]]), k);
		}
		if (verify(bytes, used, &r, &e) != -EBADMSG)
			fail_msg("mix %zu: %d, %s", i, e.code, e.what);
	}
}

/* A trailer that is right for all that is before it. */
static size_t append_right_trailer(uint8_t *bytes, size_t used)
{
	uint8_t headers[8 * IMAGE_RECORD_BYTES], blocks[64];
	size_t nr_headers = 0, nr_bytes = 0;
	struct image_trailer trailer = { .nr_blocks = 0 };
	struct image_record record;

	for (size_t at = 0; at < used; at += IMAGE_RECORD_BYTES + record.body_bytes) {
		image_record_decode(bytes + at, &record);
		memcpy(headers + IMAGE_RECORD_BYTES * nr_headers++, bytes + at, IMAGE_RECORD_BYTES);
		if (record.type != IMAGE_BLOCK)
			continue;
		memcpy(blocks + nr_bytes, bytes + at + IMAGE_RECORD_BYTES, record.body_bytes);
		nr_bytes += record.body_bytes;
		trailer.nr_blocks++;
		if (record.flags & IMAGE_BLOCK_STOP_COPY)
			trailer.stop_copy_bytes += record.body_bytes;
		else
			trailer.precopy_bytes += record.body_bytes;
	}
	trailer.state_digest = XXH3_64bits(blocks, nr_bytes);
	trailer.records_digest = XXH3_64bits(headers, nr_headers * IMAGE_RECORD_BYTES);
	append(bytes, used, 4);
	image_trailer_encode(bytes + used + IMAGE_RECORD_BYTES, &trailer);
	sum_again(bytes, used, nr_headers);
	return used + IMAGE_RECORD_BYTES + IMAGE_TRAILER_BYTES;
}

/* Even with a trailer that fits. */
static void test_order_counts(void **state)
{
	static const struct {
		unsigned int nr, order[5];
		int ret;
		const char *word;
	} rows[] = {
		{ 4, { 0, 1, 2, 3 }, 0, "" },
		{ 1, { 0 }, 0, "" },
		{ 4, { 0, 1, 3, 2 }, -EBADMSG, "after stop-copy" },
		{ 5, { 0, 1, 0, 2, 3 }, -EBADMSG, "second head" },
		{ 3, { 1, 2, 3 }, -EBADMSG, "not the head" },
	};
	uint8_t bytes[ROOM_BYTES];
	struct gw_image_result r;
	struct gw_error e;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t used = 0;

		for (unsigned int k = 0; k < rows[i].nr; k++) {
			size_t at = used;

			used = append(bytes, used, rows[i].order[k]);
			sum_again(bytes, at, k);
		}
		used = append_right_trailer(bytes, used);
		assert_int_equal(verify(bytes, used, &r, &e), rows[i].ret);
		if (!strstr(e.what, rows[i].word))
			fail_msg("row %zu: %s", i, e.what);
	}
}

/* A block of another image that is as long, in the same place: only the digests tell. */
static void test_a_block_of_another_image(void **state)
{
	uint8_t bytes[ROOM_BYTES];

	memcpy(bytes, golden, golden_bytes);
	memcpy(bytes + starts[1] + IMAGE_RECORD_BYTES, "INITIAL ", 8);
	sum_again(bytes, starts[1], 1);
	expect_refused(bytes, golden_bytes, -EBADMSG, "other records");
	memcpy(bytes, golden, golden_bytes);
	bytes[starts[0] + IMAGE_RECORD_BYTES + 8] ^= 1; /* features */
	sum_again(bytes, starts[0], 0);
	expect_refused(bytes, golden_bytes, -EBADMSG, "other records");
}

/* What the trailer says of the records, one wrong word at a time; how long the device stood still is only told. */
static void test_a_trailer_that_lies(void **state)
{
	uint8_t bytes[ROOM_BYTES];
	struct gw_image_result r;
	struct gw_error e;

	for (size_t word = 0; word < 5; word++) {
		memcpy(bytes, golden, golden_bytes);
		bytes[starts[4] + IMAGE_RECORD_BYTES + 8 * word] ^= 1;
		sum_again(bytes, starts[4], 4);
		expect_refused(bytes, golden_bytes, -EBADMSG, "other records");
	}
	memcpy(bytes, golden, golden_bytes);
	bytes[golden_bytes - 8] ^= 1;
	sum_again(bytes, starts[4], 4);
	assert_int_equal(verify(bytes, golden_bytes, &r, &e), 0);
}

static void test_numbers_count(void **state)
{
	uint8_t bytes[ROOM_BYTES];

	for (unsigned int i = 0; i < nr_starts; i++) {
		memcpy(bytes, golden, golden_bytes);
		sum_again(bytes, starts[i], i + 1);
		expect_refused(bytes, golden_bytes, -EBADMSG, "another number");
	}
}

static void test_what_version_1_does_not_know(void **state)
{
	uint8_t bytes[ROOM_BYTES];

	memcpy(bytes, golden, golden_bytes);
	bytes[4] = 2;
	expect_refused(bytes, golden_bytes, -EBADMSG, "checksum");
	sum_again(bytes, starts[0], 0);
	expect_refused(bytes, golden_bytes, -EPROTONOSUPPORT, "format version 2");

	memcpy(bytes, golden, golden_bytes);
	bytes[starts[3] + 6] = 9;
	bytes[starts[3] + 8] = 0;
	sum_again(bytes, starts[3], 3);
	expect_refused(bytes, golden_bytes, -EPROTONOSUPPORT, "type 9");
}

/* The golden image with an optional record before its trailer, which speaks of it. */
static void test_an_optional_record_is_skipped(void **state)
{
	struct image_record record = { .version = 1, .type = 9, .flags = IMAGE_OPTIONAL, .body_bytes = 4 };
	size_t at = starts[4], trailer_at = at + IMAGE_RECORD_BYTES + 4;
	uint8_t bytes[ROOM_BYTES];
	struct gw_image_result r;
	struct gw_error e;

	memcpy(bytes, golden, at);
	image_record_encode(bytes + at, &record);
	memcpy(bytes + at + IMAGE_RECORD_BYTES, "news", 4);
	sum_again(bytes, at, 4);
	memcpy(bytes + trailer_at, golden + at, golden_bytes - at);
	sum_again(bytes, trailer_at, 5);
	expect_refused(bytes, golden_bytes + 36, -EBADMSG, "other records");

	append_right_trailer(bytes, trailer_at);
	assert_int_equal(verify(bytes, golden_bytes + 36, &r, &e), 0);
	assert_true(r.totals.nr_blocks == 3);
}

static void test_headers_out_of_bounds(void **state)
{
	static const struct {
		struct image_record record;
		int ret;
	} rows[] = {
		{ { .version = 1, .type = IMAGE_BLOCK, .body_bytes = 1 }, 0 },
		{ { .version = 1, .type = IMAGE_BLOCK, .body_bytes = 1 << 20 }, 0 },
		{ { .version = 1, .type = IMAGE_BLOCK, .body_bytes = (1 << 20) + 1 }, -EBADMSG },
		{ { .version = 1, .type = IMAGE_BLOCK }, -EBADMSG },
		{ { .version = 1, .type = IMAGE_BLOCK, .flags = 2 }, 0 },
		{ { .version = 1, .type = IMAGE_BLOCK, .flags = 1 }, -EBADMSG },
		{ { .version = 1, .type = IMAGE_BLOCK, .flags = 3, .body_bytes = 1 }, -EBADMSG },
		{ { .version = 1, .type = IMAGE_BLOCK, .flags = 4, .body_bytes = 1 }, -EBADMSG },
		{ { .version = 1, .type = IMAGE_HEAD, .body_bytes = 97 }, -EBADMSG },
		{ { .version = 1, .type = IMAGE_HEAD, .body_bytes = 98 }, 0 },
		{ { .version = 1, .type = IMAGE_HEAD, .body_bytes = 541 }, 0 },
		{ { .version = 1, .type = IMAGE_HEAD, .body_bytes = 542 }, -EBADMSG },
		{ { .version = 1, .type = IMAGE_TRAILER, .body_bytes = 47 }, -EBADMSG },
		{ { .version = 1, .type = IMAGE_TRAILER, .body_bytes = 49 }, -EBADMSG },
		{ { .version = 1, .type = IMAGE_TRAILER, .body_bytes = 48, .flags = IMAGE_OPTIONAL }, -EBADMSG },
		{ { .version = 1, .type = 4, .flags = IMAGE_OPTIONAL, .body_bytes = 256 << 10 }, 0 },
		{ { .version = 1, .type = 4, .flags = IMAGE_OPTIONAL, .body_bytes = (256 << 10) + 1 }, -EBADMSG },
		{ { .version = 1, .type = 4, .flags = IMAGE_OPTIONAL | 1 }, -EBADMSG },
		{ { .version = 1, .type = 0 }, -EPROTONOSUPPORT },
		{ { .version = 0, .type = IMAGE_BLOCK, .body_bytes = 1 }, -EPROTONOSUPPORT },
	};
	uint8_t buf[IMAGE_RECORD_BYTES];
	struct image_record got;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		image_record_encode(buf, &rows[i].record);
		if (image_record_decode(buf, &got) != rows[i].ret)
			fail_msg("row %zu", i);
	}
}

/* A head says nothing of what it does not know, and has no text that would end up on a terminal. */
static void test_heads_out_of_bounds(void **state)
{
	struct gw_image_head head, got;
	uint8_t buf[IMAGE_HEAD_MAX];
	int n;

	for (uint32_t bit = 0; bit < 6; bit++) {
		head = golden_head;
		head.known ^= 1u << bit;
		n = image_head_encode(&head, buf, sizeof(buf));
		assert_int_equal(n, 147);
		assert_int_equal(image_head_decode(buf, (size_t)n, &got), -EBADMSG);
	}
	head = (struct gw_image_head){ .known = 0 };
	n = image_head_encode(&head, buf, sizeof(buf));
	assert_int_equal(n, 98);
	assert_int_equal(image_head_decode(buf, (size_t)n, &got), 0);
	assert_int_equal(image_head_decode(buf, (size_t)n - 1, &got), -EBADMSG);
	assert_int_equal(image_head_decode(buf, (size_t)n + 1, &got), -EBADMSG);
	buf[88] = 1; /* the id's length: takes the next text's first byte, a control character */
	assert_int_equal(image_head_decode(buf, (size_t)n, &got), -EBADMSG);

	head = golden_head;
	memset(head.id, 'i', sizeof(head.id) - 1);
	memset(head.backend, 'b', sizeof(head.backend) - 1);
	memset(head.driver, 'd', sizeof(head.driver) - 1);
	memset(head.origin, 'o', sizeof(head.origin) - 1);
	memset(head.writer, 'w', sizeof(head.writer) - 1);
	n = image_head_encode(&head, buf, sizeof(buf));
	assert_int_equal(n, 541);
	assert_int_equal(image_head_decode(buf, (size_t)n, &got), 0);
	assert_memory_equal(&head, &got, sizeof(got));
	head.created_s = 253402300800ull;
	n = image_head_encode(&head, buf, sizeof(buf));
	assert_int_equal(image_head_decode(buf, (size_t)n, &got), -EBADMSG);
	assert_int_equal(image_head_encode(&head, buf, 540), -EMSGSIZE);
}

static void test_a_writer_makes_blocks(void **state)
{
	size_t size = 2 * GW_IMAGE_BLOCK_BYTES + 5;
	uint8_t *bytes = calloc(1, size);
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct image_io io = image_io(fd, NULL, NULL);
	struct gw_image_head head = { .known = 0 };
	struct image_reader *reader;
	struct image_writer *w;
	struct image_block b;

	assert_non_null(bytes);
	assert_int_equal(image_writer_open(&w, &io, &head, NULL), 0);
	assert_string_equal(head.writer, "godwit 0.1.0");
	assert_int_equal(image_writer_put(w, IMAGE_BLOCK_INITIAL_END, bytes, size, NULL), 0);
	assert_int_equal(image_writer_put(w, IMAGE_BLOCK_INITIAL_END, NULL, 0, NULL), 0);
	assert_int_equal(image_writer_put(w, 0, NULL, 0, NULL), 0);
	assert_int_equal(image_writer_finish(w, 0, NULL, NULL), 0);
	image_writer_close(w);
	free(bytes);

	lseek(fd, 0, SEEK_SET);
	assert_int_equal(image_reader_open(&reader, &io, NULL, NULL), 0);
	assert_int_equal(image_reader_next(reader, &b, NULL), 1);
	assert_true(b.nr_bytes == GW_IMAGE_BLOCK_BYTES && !b.flags && b.number == 1);
	assert_int_equal(image_reader_next(reader, &b, NULL), 1);
	assert_true(b.nr_bytes == GW_IMAGE_BLOCK_BYTES && !b.flags);
	assert_int_equal(image_reader_next(reader, &b, NULL), 1);
	assert_true(b.nr_bytes == 5 && b.flags == IMAGE_BLOCK_INITIAL_END);
	assert_int_equal(image_reader_next(reader, &b, NULL), 1);
	assert_true(b.nr_bytes == 0 && b.flags == IMAGE_BLOCK_INITIAL_END && b.number == 4);
	assert_int_equal(image_reader_next(reader, &b, NULL), 0);
	assert_int_equal(image_reader_next(reader, &b, NULL), 0);
	image_reader_close(reader);
	close(fd);
}

static void test_a_head_that_could_not_be_read(void **state)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct image_io io = image_io(fd, NULL, NULL);
	struct gw_image_head head = { .known = 0, .vendor_id = 1 };
	struct image_writer *w;

	assert_int_equal(image_writer_open(&w, &io, &head, NULL), -EINVAL);
	assert_null(w);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	close(fd);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_is_read),
		cmocka_unit_test(test_golden_is_written),
		cmocka_unit_test(test_any_flipped_bit_is_refused),
		cmocka_unit_test(test_any_other_length_is_refused),
		cmocka_unit_test(test_no_record_missing_doubled_or_moved),
		cmocka_unit_test(test_order_counts),
		cmocka_unit_test(test_a_block_of_another_image),
		cmocka_unit_test(test_a_trailer_that_lies),
		cmocka_unit_test(test_numbers_count),
		cmocka_unit_test(test_what_version_1_does_not_know),
		cmocka_unit_test(test_an_optional_record_is_skipped),
		cmocka_unit_test(test_headers_out_of_bounds),
		cmocka_unit_test(test_heads_out_of_bounds),
		cmocka_unit_test(test_a_writer_makes_blocks),
		cmocka_unit_test(test_a_head_that_could_not_be_read),
	};

	source_root = argc > 1 ? argv[1] : getenv("GODWIT_SOURCE_ROOT");
	if (!source_root)
		source_root = ".";
	return cmocka_run_group_tests(tests, setup, NULL);
}
