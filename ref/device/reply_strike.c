/* SPDX-License-Identifier: BSD-3-Clause */
/* What a fault at a message makes of its reply. */
#include "ref/device/reply_strike.h"

#include <stdlib.h>
#include <string.h>

void ref_reply_shorten(struct reply *reply, uint64_t bytes)
{
	reply->size -= bytes < reply->size ? (size_t)bytes : reply->size;
}

void ref_reply_lengthen(struct reply *reply, uint64_t bytes)
{
	size_t size;
	uint8_t *body;

	if (bytes > MESSAGE_MAX_REPLY - reply->size)
		return;
	size = reply->size + (size_t)bytes;
	body = size > reply->capacity ? realloc(reply->body, size) : reply->body;
	if (!body)
		return;
	reply->capacity = size > reply->capacity ? size : reply->capacity;
	reply->body = body;
	memset(body + reply->size, 0, (size_t)bytes);
	reply->size = size;
}

int ref_reply_strike(const struct request *request, struct reply *reply, const struct strike *strike, int ret)
{
	switch (strike->action) {
	case FAULT_ACCEPT:
		reply->size = ret ? 0 : reply->size;
		return 0;
	case FAULT_SHORT:
		ref_reply_shorten(reply, strike->value);
		break;
	case FAULT_EXTRA:
		ref_reply_lengthen(reply, strike->value);
		break;
	case FAULT_MSG_ID:
		reply->lie.id = (uint16_t)strike->value;
		break;
	case FAULT_LENGTH:
		reply->lie.length = (uint32_t)strike->value;
		break;
	case FAULT_REPLY_FLAGS:
		reply->lie.flags = (uint32_t)strike->value;
		break;
	default:
		break;
	}
	return ret;
}
