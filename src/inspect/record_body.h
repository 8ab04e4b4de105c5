/* SPDX-License-Identifier: BSD-3-Clause */
/* What the bodies of recorded frames tell: manifest, totals, pages by block, state by device. */
#ifndef INSPECT_RECORD_BODY_H
#define INSPECT_RECORD_BODY_H

#include "inspect/inspector.h"
#include "inspect/reading.h"
#include "wire/message.h"

/* How much of a body, from its start, has to be at hand for record_body_take: all, but of RAM, devices and the VM. */
size_t record_body_look(const struct frame_header *header);

/* A body whose sum holds: 0, or -EBADMSG: it is none of its type. -ENOMEM, as usual. */
int record_body_take(struct reading *r, struct gw_inspected_channel *channel, const struct frame_header *header,
		     const uint8_t *body, size_t nr_bytes);

#endif
