/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of a save in which the device runs. */
#ifndef IMAGE_PRECOPY_H
#define IMAGE_PRECOPY_H

#include "image/watch.h"
#include "image/writer.h"

struct image_precopy {
	struct gw_device *dev;
	struct image_writer *writer;
	struct image_watch *watch;
	uint8_t *buf; /* GW_IMAGE_BLOCK_BYTES */

	bool tells;   /* the device tells what is left */
	bool pending; /* initial bytes are left, or their end was not marked yet */
	uint64_t nr_reads, rearm_seen_at;
	unsigned int nr_waits;
};

/*
 * Reads a device in PRE_COPY until its initial bytes are read and little is left, or the rounds are used up: what is
 * left then comes with stop-copy. 0, or -errno with *e set.
 */
int image_precopy_run(struct image_precopy *p, struct gw_error *e);

#endif
