/* SPDX-License-Identifier: BSD-3-Clause */
/* Framing on a channel. */
#include "session/frame_io.h"

#include "base/err.h"

#include <errno.h>

uint64_t frame_io_prepare(uint8_t head[FRAME_HEADER_BYTES], uint16_t type, uint64_t seq, const void *body,
			  size_t body_bytes, const void *more, size_t more_bytes)
{
	struct frame_header header = {
		.type = type,
		.flags = frame_flags(type),
		.body_bytes = (uint32_t)(body_bytes + more_bytes),
		.head_bytes = (uint32_t)(body_bytes + more_bytes),
		.seq = seq,
	};

	frame_header_encode(head, &header);
	header.sum = frame_sum(head, body, body_bytes, more, more_bytes);
	frame_header_encode(head, &header);
	return FRAME_HEADER_BYTES + body_bytes + more_bytes;
}

int frame_io_receive_header(struct channel *channel, uint64_t *seq, uint8_t raw[FRAME_HEADER_BYTES],
			    struct frame_header *header, struct gw_error *e)
{
	int ret = channel_receive(channel, raw, FRAME_HEADER_BYTES, e);

	if (ret)
		return ret;
	ret = frame_header_decode(raw, header);
	if (ret == -EPROTONOSUPPORT)
		return err_set(e, ret, channel->name,
			       "the peer sent a frame of type %u, which this version does not know", header->type);
	if (ret)
		return err_set(e, ret, channel->name, "the peer does not speak godwit's protocol");
	if (header->seq != *seq)
		return err_set(e, -EBADMSG, channel->name, "frame %llu came where frame %llu was due",
			       (unsigned long long)header->seq, (unsigned long long)*seq);
	(*seq)++;
	return 0;
}
