/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where an image comes from: a regular file, which is read twice, or anything else, which is read once and kept in an
 * unlinked file meanwhile. So no device sees a byte of an image that is not known to be whole.
 */
#ifndef IMAGE_SOURCE_H
#define IMAGE_SOURCE_H

#include "image/reader.h"
#include "image/watch.h"

struct image_source {
	int fd;       /* the caller's */
	int spool_fd; /* ours; -1: fd can be read again */
	off_t start;  /* of the image in the file that can be read again */
	struct image_watch *watch;
};

/* keep: what cannot be read again is kept, in watch->options.spool_dir. */
int image_source_open(struct image_source *source, int fd, int keep, struct image_watch *watch, struct gw_error *e);

/*
 * Reads all of the image and checks it. head and totals are filled as far as they were read. look is asked with the
 * head, before the rest is read; NULL: nobody. Errors: <godwit/image.h>.
 */
int image_source_check(struct image_source *source, struct gw_image_head *head, struct gw_image_totals *totals,
		       int (*look)(void *ctx, const struct gw_image_head *head, struct gw_error *e), void *ctx,
		       struct gw_error *e);

/* Begins to read it once more. */
int image_source_again(struct image_source *source, struct image_reader **reader, struct gw_error *e);

void image_source_close(struct image_source *source); /* any number of times after open, failed or not */

#endif
