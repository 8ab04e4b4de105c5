/* SPDX-License-Identifier: BSD-3-Clause */
/* What a fault makes of the answer to a DEVICE_FEATURE. */
#include "ref/device/feature_strike.h"

#include "ref/device/migration.h"
#include "ref/device/reply_strike.h"

#include <errno.h>
#include <string.h>

#define MAX_BLANK_BYTES 4096u

/* Yes, and nothing but zeroes: as much as was asked for. */
static int blank(struct call *call)
{
	struct writer w;

	if (call->argsz < FEATURE_HEAD_BYTES)
		call->argsz = FEATURE_HEAD_BYTES;
	if (call->argsz > MAX_BLANK_BYTES)
		call->argsz = MAX_BLANK_BYTES;
	w = ref_feature_answer(call, call->argsz - FEATURE_HEAD_BYTES);
	return w.bad ? -ENOMEM : 0;
}

/* A number of 8 or of 4 bytes, the first of the data. */
static void change_number(struct reply *reply, const struct strike *strike)
{
	uint64_t number = 0;
	size_t bytes = sizeof(number);

	if (reply->size < FEATURE_HEAD_BYTES + bytes)
		bytes = sizeof(uint32_t);
	if (reply->size < FEATURE_HEAD_BYTES + bytes)
		return;
	memcpy(&number, reply->body + FEATURE_HEAD_BYTES, bytes);
	number = ref_feature_number_struck(strike, number);
	memcpy(reply->body + FEATURE_HEAD_BYTES, &number, bytes);
}

static void change_head(struct reply *reply, size_t at, uint32_t value)
{
	if (reply->size >= FEATURE_HEAD_BYTES)
		memcpy(reply->body + at, &value, sizeof(value));
}

int ref_feature_struck(struct call *call, const struct strike *strike, int ret)
{
	switch (strike->action) {
	case FAULT_IGNORE:
		return blank(call);
	case FAULT_ACCEPT:
		return ret ? blank(call) : 0;
	case FAULT_VALUE:
	case FAULT_ADD:
		change_number(call->reply, strike);
		break;
	case FAULT_ARGSZ:
		change_head(call->reply, 0, (uint32_t)strike->value);
		break;
	case FAULT_FLAGS:
		change_head(call->reply, sizeof(uint32_t), (uint32_t)strike->value);
		break;
	case FAULT_SHORT:
		ref_reply_shorten(call->reply, strike->value);
		break;
	case FAULT_EXTRA:
		ret = ret ? blank(call) : 0; /* what is refused gets these bytes as well */
		ref_reply_lengthen(call->reply, strike->value);
		break;
	default:
		break;
	}
	return ret;
}

uint64_t ref_feature_number_struck(const struct strike *strike, uint64_t number)
{
	if (strike->action == FAULT_VALUE)
		return strike->value;
	return strike->action == FAULT_ADD ? number + strike->value : number;
}

void ref_feature_left_struck(const struct strike *strike, struct precopy_left *left)
{
	if (strike->action == FAULT_INITIAL)
		left->initial = strike->value;
	if (strike->action == FAULT_RISE)
		left->initial += strike->value * strike->nr;
	if (strike->action == FAULT_DIRTY)
		left->dirty = strike->value;
}
