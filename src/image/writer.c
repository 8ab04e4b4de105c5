/* SPDX-License-Identifier: BSD-3-Clause */
/* An image as it is written: records one after the other, and what the trailer will say of them. */
#include "image/writer.h"

#include "base/bits.h"
#include "base/err.h"

#include <errno.h>
#include <godwit/godwit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct image_writer {
	struct image_io io;
	uint64_t number; /* of the next record */
	uint64_t file_bytes;
	struct image_trailer totals; /* but for its digests */
	XXH3_state_t *state, *records;
};

static int write_error(int code, struct gw_error *e)
{
	if (code == -ECANCELED)
		return err_set(e, code, "image", "stopped while it was written");
	return err_set(e, code, "image", "cannot be written: %s", strerror(-code));
}

/* The header is known once the body is: the sum of both stands in it. */
static int put_record(struct image_writer *w, uint16_t type, uint32_t flags, const void *body, uint32_t body_bytes,
		      struct gw_error *e)
{
	struct image_record record = {
		.version = GW_IMAGE_VERSION,
		.type = type,
		.flags = flags,
		.body_bytes = body_bytes,
		.number = w->number,
	};
	uint8_t header[IMAGE_RECORD_BYTES];
	int ret;

	image_record_encode(header, &record);
	record.sum = image_record_sum(header, body, body_bytes);
	image_record_encode(header, &record);
	ret = image_io_write(&w->io, header, sizeof(header));
	if (!ret)
		ret = image_io_write(&w->io, body, body_bytes);
	if (ret)
		return write_error(ret, e);
	XXH3_64bits_update(w->records, header, sizeof(header));
	w->number++;
	w->file_bytes += sizeof(header) + body_bytes;
	return 0;
}

/* What cannot be read again must not be written: a caller's head is checked as a file's is. */
static int put_head(struct image_writer *w, struct gw_image_head *head, struct gw_error *e)
{
	struct gw_image_head again;
	uint8_t body[IMAGE_HEAD_MAX];
	int n;

	head->version = GW_IMAGE_VERSION;
	if (!head->writer[0])
		snprintf(head->writer, sizeof(head->writer), "godwit %d.%d.%d", GW_VERSION_MAJOR, GW_VERSION_MINOR,
			 GW_VERSION_PATCH);
	n = image_head_encode(head, body, sizeof(body));
	if (n < 0 || image_head_decode(body, (size_t)n, &again))
		return err_set(e, -EINVAL, "image", "its head holds values that are said not to be known");
	return put_record(w, IMAGE_HEAD, 0, body, (uint32_t)n, e);
}

int image_writer_open(struct image_writer **writer, const struct image_io *io, struct gw_image_head *head,
		      struct gw_error *e)
{
	struct image_writer *w = calloc(1, sizeof(*w));
	int ret;

	*writer = NULL;
	if (w) {
		w->io = *io;
		w->state = XXH3_createState();
		w->records = XXH3_createState();
	}
	if (!w || !w->state || !w->records) {
		image_writer_close(w);
		return err_set(e, -ENOMEM, "image", "no memory");
	}
	XXH3_64bits_reset(w->state);
	XXH3_64bits_reset(w->records);
	ret = put_head(w, head, e);
	if (ret)
		image_writer_close(w);
	else
		*writer = w;
	return ret;
}

static int put_block(struct image_writer *w, uint32_t flags, const void *data, uint32_t nr_bytes, struct gw_error *e)
{
	bool stop_copy = flags & IMAGE_BLOCK_STOP_COPY;
	int ret = put_record(w, IMAGE_BLOCK, flags, data, nr_bytes, e);

	if (ret)
		return ret;
	if (nr_bytes)
		XXH3_64bits_update(w->state, data, nr_bytes);
	w->totals.nr_blocks++;
	*(stop_copy ? &w->totals.stop_copy_bytes : &w->totals.precopy_bytes) += nr_bytes;
	return 0;
}

int image_writer_put(struct image_writer *w, uint32_t flags, const void *data, size_t size_bytes, struct gw_error *e)
{
	const uint8_t *at = data;
	uint32_t last = flags & IMAGE_BLOCK_INITIAL_END;
	int ret = 0;

	if (!(flags & IMAGE_BLOCK_STOP_COPY) && w->totals.stop_copy_bytes)
		return err_set(e, -EINVAL, "image", "pre-copy data cannot follow stop-copy data");
	for (; !ret && size_bytes > GW_IMAGE_BLOCK_BYTES; size_bytes -= GW_IMAGE_BLOCK_BYTES) {
		ret = put_block(w, flags & ~last, at, GW_IMAGE_BLOCK_BYTES, e);
		at += GW_IMAGE_BLOCK_BYTES;
	}
	if (!ret && (size_bytes || last))
		ret = put_block(w, flags, at, (uint32_t)size_bytes, e);
	return ret;
}

int image_writer_finish(struct image_writer *w, uint64_t stopped_ns, struct gw_image_totals *totals, struct gw_error *e)
{
	uint8_t body[IMAGE_TRAILER_BYTES];
	int ret;

	w->totals.stopped_ns = stopped_ns;
	w->totals.state_digest = XXH3_64bits_digest(w->state);
	w->totals.records_digest = XXH3_64bits_digest(w->records);
	image_trailer_encode(body, &w->totals);
	ret = put_record(w, IMAGE_TRAILER, 0, body, sizeof(body), e);
	if (!ret && totals)
		*totals = image_totals(&w->totals, w->file_bytes);
	return ret;
}

uint64_t image_writer_bytes(const struct image_writer *w)
{
	return w->totals.precopy_bytes + w->totals.stop_copy_bytes;
}

void image_writer_close(struct image_writer *w)
{
	if (!w)
		return;
	XXH3_freeState(w->state);
	XXH3_freeState(w->records);
	free(w);
}
