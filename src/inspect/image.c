/* SPDX-License-Identifier: BSD-3-Clause */
/* A saved device state, record by record: doc/image.md has the format, wire/image.h what a record is. */
#include "inspect/image.h"

#include "inspect/inspector.h"
#include "wire/image.h"

#include <errno.h>
#include <inttypes.h>
#include <xxhash.h>

struct image {
	struct reading *r;
	struct gw_inspected_image *told;
	XXH3_state_t *state, *records; /* all device state; all headers */
	uint64_t number;               /* of the next record */
	bool ended;                    /* the trailer was there */
};

/* A record as it is looked at: both are the input's, until its next call. */
struct image_seen {
	struct image_record record;
	const uint8_t *header, *body;
	uint64_t at;
};

static int take_head(struct image *image, const struct image_seen *seen)
{
	struct gw_image_head head;

	if (image->number || image_head_decode(seen->body, seen->record.body_bytes, &head))
		return reading_damaged(image->r, seen->at, "record %" PRIu64 " is not the head of an image",
				       image->number);
	image->told->head = head;
	return 0;
}

static int take_block(struct image *image, const struct image_seen *seen)
{
	struct gw_image_totals *totals = &image->told->totals;
	uint32_t nr_bytes = seen->record.body_bytes;
	bool stop_copy = seen->record.flags & IMAGE_BLOCK_STOP_COPY, late = !stop_copy && totals->stop_copy_bytes;

	XXH3_64bits_update(image->state, seen->body, nr_bytes);
	*(stop_copy ? &totals->stop_copy_bytes : &totals->precopy_bytes) += nr_bytes;
	totals->nr_blocks++;
	return late ? reading_damaged(image->r, seen->at, "a block of pre-copy comes after those of stop-copy") : 0;
}

static int take_trailer(struct image *image, const struct image_seen *seen)
{
	struct gw_image_totals *totals = &image->told->totals;
	struct image_trailer t;

	image->ended = true;
	if (image_trailer_decode(seen->body, seen->record.body_bytes, &t))
		return reading_damaged(image->r, seen->at, "the trailer is none");
	totals->stopped_ns = t.stopped_ns;
	if (t.nr_blocks != totals->nr_blocks || t.precopy_bytes != totals->precopy_bytes ||
	    t.stop_copy_bytes != totals->stop_copy_bytes || t.state_digest != XXH3_64bits_digest(image->state) ||
	    t.records_digest != XXH3_64bits_digest(image->records))
		return reading_damaged(image->r, seen->at, "the trailer speaks of other records than those that came");
	return 0;
}

/* The header, then the body; one that has another sum than it should is counted, and taken for what it says it is. */
static int look_at_record(struct image *image, struct image_seen *seen)
{
	struct reading *r = image->r;
	size_t nr, want = IMAGE_RECORD_BYTES;
	int ret;

	seen->at = r->in->offset;
	reading_begins(r, "record %" PRIu64, image->number);
	nr = input_look(r->in, want, &seen->header);
	ret = nr == want ? image_record_decode(seen->header, &seen->record) : 0;
	if (ret == -EPROTONOSUPPORT && seen->record.version != GW_IMAGE_VERSION)
		return reading_unknown(r, seen->at, "an image of format version %u", seen->record.version);
	if (ret == -EPROTONOSUPPORT)
		return reading_unknown(r, seen->at, "a record of type %u", seen->record.type);
	if (ret)
		return reading_damaged(r, seen->at, "record %" PRIu64 " has no sane header", image->number);
	if (nr == want) {
		want += seen->record.body_bytes;
		nr = input_look(r->in, want, &seen->header);
	}
	seen->body = seen->header + IMAGE_RECORD_BYTES;
	if (nr == want)
		return 0;
	input_skip(r->in, want);
	return reading_check(r);
}

static int take_record(struct image *image, const struct image_seen *seen)
{
	const struct image_record *record = &seen->record;
	int ret = 0;

	if (image_record_sum(seen->header, seen->body, record->body_bytes) != record->sum) {
		image->told->nr_bad_sums++;
		reading_damaged(image->r, seen->at, "record %" PRIu64 " does not have the checksum that it should",
				image->number);
	}
	if (record->number != image->number)
		ret = reading_damaged(image->r, seen->at, "record %" PRIu64 " has the number %" PRIu64, image->number,
				      record->number);
	else if (record->type == IMAGE_HEAD || !image->number)
		ret = take_head(image, seen);
	else if (record->type == IMAGE_BLOCK)
		ret = take_block(image, seen);
	else if (record->type == IMAGE_TRAILER)
		ret = take_trailer(image, seen);
	XXH3_64bits_update(image->records, seen->header, IMAGE_RECORD_BYTES);
	image->number++;
	return ret;
}

static int read_records(struct image *image)
{
	struct input *in = image->r->in;
	int ret = 0;

	while (!ret && !input_at_end(in)) {
		struct image_seen seen;

		if (image->ended)
			return reading_damaged(image->r, in->offset, "the image goes on after its end");
		ret = look_at_record(image, &seen);
		if (ret)
			break;
		ret = take_record(image, &seen);
		input_skip(in, IMAGE_RECORD_BYTES + seen.record.body_bytes);
		image->told->totals.file_bytes = in->offset;
	}
	if (!ret)
		ret = reading_check(image->r);
	if (!ret && !image->ended)
		ret = reading_damaged(image->r, in->offset, "the file ends without a trailer");
	image->told->totals.state_digest = XXH3_64bits_digest(image->state);
	return ret;
}

int image_inspect(struct reading *r)
{
	struct image image = {
		.r = r,
		.told = r->inspector->image,
		.state = XXH3_createState(),
		.records = XXH3_createState(),
	};
	int ret = -ENOMEM;

	if (image.state && image.records) {
		XXH3_64bits_reset(image.state);
		XXH3_64bits_reset(image.records);
		ret = read_records(&image);
	}
	XXH3_freeState(image.state);
	XXH3_freeState(image.records);
	return ret;
}
