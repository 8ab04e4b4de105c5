/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An image as it is read: one record after the other, each checked by itself and in its place, and in the end all of
 * them against the trailer. What is wrong is said with the place where it is.
 */
#include "image/reader.h"

#include "base/bits.h"
#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define WHERE "image"

_Static_assert(IMAGE_HEAD_MAX <= GW_IMAGE_BLOCK_BYTES && IMAGE_OPTIONAL_MAX <= GW_IMAGE_BLOCK_BYTES,
	       "every body fits into the buffer");

struct image_reader {
	struct image_io io;
	struct image_io copy;
	bool copies;
	uint64_t number;     /* of the next record */
	uint64_t file_bytes; /* read so far */
	struct gw_image_head head;
	struct image_trailer totals; /* as counted; its digests are the trailer's, once that was read */
	XXH3_state_t *state, *records;
	int ended; /* 0, -ENODATA: after the trailer; else the error that ended it */
	struct image_record record;
	uint8_t header[IMAGE_RECORD_BYTES];
	uint8_t body[GW_IMAGE_BLOCK_BYTES];
};

static int damaged(const struct image_reader *r, const char *how, struct gw_error *e)
{
	return err_set(e, -EBADMSG, WHERE, "damaged: record %llu, at byte %llu, %s", (unsigned long long)r->number,
		       (unsigned long long)r->file_bytes, how);
}

static int transfer_error(int code, const char *verb, struct gw_error *e)
{
	if (code == -ECANCELED)
		return err_set(e, code, WHERE, "stopped while it was %s", verb);
	return err_set(e, code, WHERE, "cannot be %s: %s", verb, strerror(-code));
}

/* All of size_bytes, or it was cut short. */
static int get(struct image_reader *r, void *buf, size_t size_bytes, struct gw_error *e)
{
	ssize_t n = image_io_read(&r->io, buf, size_bytes);

	if (n < 0)
		return transfer_error((int)n, "read", e);
	if ((size_t)n < size_bytes && !r->number && buf == r->header)
		return err_set(e, -EBADMSG, WHERE, n ? "this is no godwit image" : "there is nothing in it");
	if ((size_t)n < size_bytes)
		return err_set(e, -EBADMSG, WHERE, "cut short: record %llu, at byte %llu, is not all there",
			       (unsigned long long)r->number, (unsigned long long)r->file_bytes);
	return 0;
}

static int get_body(struct image_reader *r, struct gw_error *e)
{
	int ret = get(r, r->body, r->record.body_bytes, e);

	if (!ret && image_record_sum(r->header, r->body, r->record.body_bytes) != r->record.sum)
		ret = damaged(r, "does not have the checksum that it should", e);
	return ret;
}

/*
 * The header has its form in all versions, so a version that is not known is told from a damaged one. The same goes
 * for a type.
 */
static int unknown(struct image_reader *r, struct gw_error *e)
{
	int ret = r->record.body_bytes > sizeof(r->body) ? damaged(r, "has no sane header", e) : get_body(r, e);

	if (ret)
		return ret;
	if (r->record.version != GW_IMAGE_VERSION)
		return err_set(e, -EPROTONOSUPPORT, WHERE, "of format version %u, and this godwit reads %u",
			       r->record.version, GW_IMAGE_VERSION);
	return err_set(e, -EPROTONOSUPPORT, WHERE, "record %llu is of type %u, which this godwit does not know",
		       (unsigned long long)r->number, r->record.type);
}

static int get_record(struct image_reader *r, struct gw_error *e)
{
	static const uint8_t magic[4] = { 'G', 'D', 'W', 'I' };
	int ret = get(r, r->header, sizeof(r->header), e);

	if (ret)
		return ret;
	if (!r->number && memcmp(r->header, magic, sizeof(magic)))
		return err_set(e, -EBADMSG, WHERE, "this is no godwit image");
	ret = image_record_decode(r->header, &r->record);
	if (ret == -EPROTONOSUPPORT)
		return unknown(r, e);
	if (ret)
		return damaged(r, "has no sane header", e);
	ret = get_body(r, e);
	if (!ret && r->record.number != r->number)
		ret = damaged(r, "has another number", e);
	return ret;
}

/* The record was found good. */
static int take_record(struct image_reader *r, struct gw_error *e)
{
	int ret = 0;

	if (r->copies)
		ret = image_io_write(&r->copy, r->header, sizeof(r->header));
	if (r->copies && !ret)
		ret = image_io_write(&r->copy, r->body, r->record.body_bytes);
	if (ret)
		return ret == -ECANCELED
			       ? transfer_error(ret, "read", e)
			       : err_set(e, ret, WHERE, "cannot be kept until it is checked: %s", strerror(-ret));
	if (r->record.type != IMAGE_TRAILER)
		XXH3_64bits_update(r->records, r->header, sizeof(r->header));
	r->number++;
	r->file_bytes += sizeof(r->header) + r->record.body_bytes;
	return 0;
}

static int get_head(struct image_reader *r, struct gw_error *e)
{
	int ret = get_record(r, e);

	if (ret)
		return ret;
	if (r->record.type != IMAGE_HEAD || image_head_decode(r->body, r->record.body_bytes, &r->head))
		return damaged(r, "is not the head of an image", e);
	return take_record(r, e);
}

int image_reader_open(struct image_reader **reader, const struct image_io *io, const struct image_io *copy,
		      struct gw_error *e)
{
	struct image_reader *r = calloc(1, sizeof(*r));
	int ret;

	*reader = NULL;
	if (r) {
		r->io = *io;
		r->copies = copy;
		if (copy)
			r->copy = *copy;
		r->state = XXH3_createState();
		r->records = XXH3_createState();
	}
	if (!r || !r->state || !r->records) {
		image_reader_close(r);
		return err_set(e, -ENOMEM, WHERE, "no memory");
	}
	XXH3_64bits_reset(r->state);
	XXH3_64bits_reset(r->records);
	ret = get_head(r, e);
	if (ret)
		image_reader_close(r);
	else
		*reader = r;
	return ret;
}

const struct gw_image_head *image_reader_head(const struct image_reader *r)
{
	return &r->head;
}

static int take_block(struct image_reader *r, struct image_block *block, struct gw_error *e)
{
	bool stop_copy = r->record.flags & IMAGE_BLOCK_STOP_COPY;
	uint64_t *bytes = stop_copy ? &r->totals.stop_copy_bytes : &r->totals.precopy_bytes;

	if (!stop_copy && r->totals.stop_copy_bytes)
		return damaged(r, "is of pre-copy and comes after stop-copy", e);
	*block = (struct image_block){
		.number = r->number,
		.offset = r->file_bytes,
		.flags = r->record.flags,
		.nr_bytes = r->record.body_bytes,
		.bytes = r->body,
	};
	XXH3_64bits_update(r->state, r->body, block->nr_bytes);
	*bytes += block->nr_bytes;
	r->totals.nr_blocks++;
	return take_record(r, e);
}

/* Nothing may be missing, nothing doubled, nothing put in, and nothing follows. */
static int take_trailer(struct image_reader *r, struct gw_error *e)
{
	struct image_trailer t;
	uint8_t more;
	ssize_t n;
	int ret;

	if (image_trailer_decode(r->body, r->record.body_bytes, &t))
		return damaged(r, "is no trailer", e);
	if (t.nr_blocks != r->totals.nr_blocks || t.precopy_bytes != r->totals.precopy_bytes ||
	    t.stop_copy_bytes != r->totals.stop_copy_bytes || t.state_digest != XXH3_64bits_digest(r->state) ||
	    t.records_digest != XXH3_64bits_digest(r->records))
		return damaged(r, "the trailer, speaks of other records than those that came", e);
	r->totals = t;
	ret = take_record(r, e);
	if (ret)
		return ret;
	n = image_io_read(&r->io, &more, 1);
	if (n < 0)
		return transfer_error((int)n, "read", e);
	return n ? err_set(e, -EBADMSG, WHERE, "damaged: it goes on after its end, at byte %llu",
			   (unsigned long long)r->file_bytes)
		 : 0;
}

/* 1: a block, 0: the end. */
static int next(struct image_reader *r, struct image_block *block, struct gw_error *e)
{
	for (;;) {
		int ret = get_record(r, e);

		if (ret)
			return ret;
		switch (r->record.type) {
		case IMAGE_HEAD:
			return damaged(r, "is a second head", e);
		case IMAGE_BLOCK:
			ret = take_block(r, block, e);
			return ret ? ret : 1;
		case IMAGE_TRAILER:
			return take_trailer(r, e);
		}
		ret = take_record(r, e); /* optional, and not known */
		if (ret)
			return ret;
	}
}

int image_reader_next(struct image_reader *r, struct image_block *block, struct gw_error *e)
{
	int ret;

	*block = (struct image_block){ 0 };
	if (r->ended)
		return r->ended == -ENODATA ? 0 : err_set(e, r->ended, WHERE, "it could not be read on");
	ret = next(r, block, e);
	if (ret <= 0)
		r->ended = ret ? ret : -ENODATA;
	return ret;
}

void image_reader_totals(const struct image_reader *r, struct gw_image_totals *totals)
{
	*totals = image_totals(&r->totals, r->file_bytes);
}

void image_reader_close(struct image_reader *r)
{
	if (!r)
		return;
	XXH3_freeState(r->state);
	XXH3_freeState(r->records);
	free(r);
}
