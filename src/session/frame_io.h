/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames on a channel: the header of a frame that is whole in memory, and receiving one header after the other. */
#ifndef SESSION_FRAME_IO_H
#define SESSION_FRAME_IO_H

#include "channel/channel.h"
#include "wire/frame.h"

/* The header of a frame whose body is two pieces, all summed; flags as its type has them. Returns the frame's bytes. */
uint64_t frame_io_prepare(uint8_t head[FRAME_HEADER_BYTES], uint16_t type, uint64_t seq, const void *body,
			  size_t body_bytes, const void *more, size_t more_bytes);

/*
 * Receives and checks a header: magic, type, lengths, sequence (*seq is what is due, and counted on). The sum is the
 * caller's to check. raw: the bytes as they came, for that.
 */
int frame_io_receive_header(struct channel *channel, uint64_t *seq, uint8_t raw[FRAME_HEADER_BYTES],
			    struct frame_header *header, struct gw_error *e);

#endif
