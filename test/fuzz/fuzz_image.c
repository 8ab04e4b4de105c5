/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target: a saved device state. Input: a byte of options, then a file. With bit 0 the sums are made right first,
 * or no mutant would get past them; with bit 1 the trailer's digests, too. What is taken must be within its bounds, and
 * give the same bytes when it is written again.
 */
#include "fuzz.h"

#include "image/reader.h"
#include "image/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#define FIX_SUMS    1u
#define FIX_DIGESTS 2u

/* Every record's sum, as far as records are to be found. */
static void fix(uint8_t *file, size_t size, uint8_t options)
{
	XXH3_state_t *records = XXH3_createState(), *state = XXH3_createState();
	struct image_record record;
	struct image_trailer trailer;

	fuzz_check(records && state);
	XXH3_64bits_reset(records);
	XXH3_64bits_reset(state);
	for (size_t at = 0; size - at >= IMAGE_RECORD_BYTES;) {
		uint8_t *header = file + at, *body = header + IMAGE_RECORD_BYTES;

		image_record_decode(header, &record);
		if (record.body_bytes > size - at - IMAGE_RECORD_BYTES)
			break;
		if (record.type == IMAGE_TRAILER && options & FIX_DIGESTS &&
		    !image_trailer_decode(body, record.body_bytes, &trailer)) {
			trailer.records_digest = XXH3_64bits_digest(records);
			trailer.state_digest = XXH3_64bits_digest(state);
			image_trailer_encode(body, &trailer);
		}
		record.sum = image_record_sum(header, body, record.body_bytes);
		for (unsigned int i = 0; i < 8; i++)
			header[24 + i] = (uint8_t)(record.sum >> (8 * i));
		XXH3_64bits_update(records, header, IMAGE_RECORD_BYTES);
		if (record.type == IMAGE_BLOCK && record.body_bytes)
			XXH3_64bits_update(state, body, record.body_bytes);
		at += IMAGE_RECORD_BYTES + record.body_bytes;
	}
	XXH3_freeState(records);
	XXH3_freeState(state);
}

static void check_head(const struct gw_image_head *head)
{
	fuzz_check(head->version == 1 && head->known < 32);
	fuzz_check(memchr(head->id, 0, sizeof(head->id)) && memchr(head->origin, 0, sizeof(head->origin)));
	fuzz_check(head->known & GW_IMAGE_KNOWS_SIZE || !head->expected_bytes);
}

/* Reads to the end and writes the same again. 0: a whole image. */
static int copy(int from, int to)
{
	struct image_io in = image_io(from, NULL, NULL), out = image_io(to, NULL, NULL);
	struct gw_image_totals totals = { 0 }, again = { 0 };
	struct image_reader *reader;
	struct image_writer *writer;
	struct gw_image_head head;
	struct image_block block;
	uint64_t offset = 0;
	int ret = image_reader_open(&reader, &in, NULL, NULL);

	if (ret)
		return ret;
	head = *image_reader_head(reader);
	check_head(&head);
	fuzz_check(!image_writer_open(&writer, &out, &head, NULL));
	while ((ret = image_reader_next(reader, &block, NULL)) > 0) {
		fuzz_check(block.nr_bytes <= 1 << 20 && block.flags < 3 && block.offset > offset);
		fuzz_check(block.nr_bytes || block.flags == IMAGE_BLOCK_INITIAL_END);
		offset = block.offset;
		fuzz_check(!image_writer_put(writer, block.flags, block.bytes, block.nr_bytes, NULL));
	}
	image_reader_totals(reader, &totals);
	fuzz_check(!image_writer_finish(writer, totals.stopped_ns, &again, NULL));
	if (!ret)
		fuzz_check(totals.state_digest == again.state_digest && totals.nr_blocks == again.nr_blocks &&
			   totals.precopy_bytes == again.precopy_bytes);
	image_writer_close(writer);
	image_reader_close(reader);
	return ret;
}

/* Without optional records what was written is what was read, but for a writer that was not named. */
static void compare(const uint8_t *file, size_t size, int to)
{
	uint8_t *again;

	if (lseek(to, 0, SEEK_END) != (off_t)size)
		return;
	again = malloc(size);
	fuzz_check(again && pread(to, again, size, 0) == (ssize_t)size && !memcmp(again, file, size));
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int from = memfd_create("from", MFD_CLOEXEC), to = memfd_create("to", MFD_CLOEXEC), ret;
	uint8_t *file = malloc(size ? size : 1);

	fuzz_check(from >= 0 && to >= 0 && file);
	if (size > 1) {
		memcpy(file, data + 1, size - 1);
		if (data[0] & FIX_SUMS)
			fix(file, size - 1, data[0]);
		fuzz_check(write(from, file, size - 1) == (ssize_t)(size - 1) && !lseek(from, 0, SEEK_SET));
		ret = copy(from, to);
		fuzz_check(!ret || ret == -EBADMSG || ret == -EPROTONOSUPPORT);
		if (!ret)
			compare(file, size - 1, to);
	}
	free(file);
	close(from);
	close(to);
	return 0;
}
