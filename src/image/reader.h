/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading an image as a stream, and checking all of it on the way: form, order, numbers, sums, and at the end the
 * totals, the digests and that nothing follows. Until image_reader_next has returned 0 what was read is not known to be
 * whole. A reader belongs to one thread.
 */
#ifndef IMAGE_READER_H
#define IMAGE_READER_H

#include "image/io.h"
#include "wire/image.h"

struct image_reader;

struct image_block {
	uint64_t number; /* of the record in the file */
	uint64_t offset; /* of the record's header, from the image's start */
	uint32_t flags;  /* IMAGE_BLOCK_* */
	uint32_t nr_bytes;
	const uint8_t *bytes; /* of device state; the reader's, until its next call */
};

/*
 * Reads the HEAD from where io's fd stands. copy: where all that was read and found good is written as well; NULL:
 * nowhere. Fails with *reader NULL and -EBADMSG: no image, or a damaged one; -EPROTONOSUPPORT: a version that this
 * godwit does not read; others from reading and writing.
 */
int image_reader_open(struct image_reader **reader, const struct image_io *io, const struct image_io *copy,
		      struct gw_error *e);

const struct gw_image_head *image_reader_head(const struct image_reader *reader);

/* 1: *block is the next one. 0: that was all, the image is whole and the file ends. Errors as of open, for good. */
int image_reader_next(struct image_reader *reader, struct image_block *block, struct gw_error *e);

/* What was read so far. file_bytes counts up to the next record; stopped_ns is known at the end. */
void image_reader_totals(const struct image_reader *reader, struct gw_image_totals *totals);

void image_reader_close(struct image_reader *reader); /* frees it, NULL is fine; the fd stays open */

#endif
