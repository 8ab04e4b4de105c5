/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing an image as a stream, whoever has the state: a device that is being saved, or another program's file. Nothing
 * is sought or written twice, so it goes into a pipe as well. A writer belongs to one thread.
 */
#ifndef IMAGE_WRITER_H
#define IMAGE_WRITER_H

#include "image/io.h"
#include "wire/image.h"

struct image_writer;

/*
 * Begins an image: its HEAD is written. An empty head->writer becomes this godwit, head->version the format's. Fails
 * with -errno and *writer NULL; io's tick may make it -ECANCELED, -EINVAL: such a head could not be read again.
 */
int image_writer_open(struct image_writer **writer, const struct image_io *io, struct gw_image_head *head,
		      struct gw_error *e);

/*
 * Adds device state, in the order in which a device takes it: one block for each GW_IMAGE_BLOCK_BYTES of it. flags:
 * IMAGE_BLOCK_*; INITIAL_END goes to the last of these blocks, and may come without a byte. Once a block was marked
 * STOP_COPY all that follow are.
 */
int image_writer_put(struct image_writer *writer, uint32_t flags, const void *data, size_t size_bytes,
		     struct gw_error *e);

/* The trailer: without it what was written is no image. totals may be NULL. stopped_ns 0: not known. */
int image_writer_finish(struct image_writer *writer, uint64_t stopped_ns, struct gw_image_totals *totals,
			struct gw_error *e);

void image_writer_close(struct image_writer *writer); /* frees it, NULL is fine; the fd stays open */

/* Bytes of device state put so far. */
uint64_t image_writer_bytes(const struct image_writer *writer);

#endif
