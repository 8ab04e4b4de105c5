/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The uAPI call by call of a vfio-user device, one message each: see <godwit/raw.h>. Device state goes over the data
 * socket where there is one; the server's dirty log is asked past the client's own, which the ordinary calls have.
 */
#include "base/bitmap.h"
#include "base/bits.h"
#include "device/user_device.h"
#include "wire/cursor.h"

#include <errno.h>
#include <godwit/raw.h>
#include <stdlib.h>
#include <string.h>

#define STATE_BYTES        8u
#define PRECOPY_INFO_BYTES 24u
#define START_HEAD_BYTES   16u
#define START_RANGE_BYTES  16u
#define REPORT_BYTES       24u
#define MAX_RANGES         (1024u * 1024)
#define MAX_BITMAP_BYTES   (256 * MIB)

/* What a server calls EPIPE or ETIMEDOUT is not the end of the connection. */
static int call_on(struct user_conn *c, struct user_call *call)
{
	int ret = user_call(c, call, NULL);

	if (call->refused == -EPIPE || call->refused == -ETIMEDOUT)
		return -EIO;
	return ret;
}

/* After a SET or a reset; and a GET knows best. */
static void note_state(struct user_device *dev, uint32_t state)
{
	__atomic_store_n(&dev->state, state, __ATOMIC_RELAXED);
}

static bool sets_state(uint32_t feature_flags)
{
	return (feature_flags & ~USER_FEATURE_GET) == (USER_FEATURE_STATE | USER_FEATURE_SET);
}

/* DEVICE_FEATURE with any data, into a reply of any length: call's reply is the head, its data the rest. */
static int feature_call(struct user_device *dev, uint32_t argsz, uint32_t flags, struct user_call *call)
{
	uint8_t head[USER_FEATURE_HEAD_BYTES], reply[USER_FEATURE_HEAD_BYTES];
	struct wire_out out = wire_out(head, sizeof(head));
	int ret;

	wire_put_u32(&out, argsz ? argsz : (uint32_t)(sizeof(head) + max_u64(call->payload_bytes, call->data_size)));
	wire_put_u32(&out, flags);
	call->command = USER_FEATURE;
	call->request = head;
	call->request_bytes = sizeof(head);
	call->reply = reply;
	call->reply_size = sizeof(reply);
	call->timeout_ns = sets_state(flags) ? USER_STATE_TIMEOUT_NS : 0;
	ret = call_on(&dev->commands, call);
	call->reply_bytes -= min_u64(call->reply_bytes, sizeof(reply));
	return ret;
}

static int raw_feature(void *ctx, struct gw_raw_feature *feature)
{
	uint8_t got[GW_RAW_FEATURE_BYTES] = { 0 };
	struct user_call call = {
		.payload = feature->data,
		.payload_bytes = feature->data_bytes,
		.data = got,
		.data_size = sizeof(got),
	};
	uint32_t argsz = feature->argsz ? feature->argsz : USER_FEATURE_HEAD_BYTES + feature->data_bytes;
	int ret = feature_call(ctx, argsz, feature->flags, &call);
	uint32_t state;

	if (ret)
		return ret;
	if (sets_state(feature->flags) && feature->data_bytes >= sizeof(state)) {
		memcpy(&state, feature->data, sizeof(state));
		note_state(ctx, state);
	}
	feature->got_bytes = (uint32_t)call.reply_bytes;
	if (feature->data_bytes)
		memcpy(feature->data, got, min_u64(feature->data_bytes, call.reply_bytes));
	return 0;
}

/* data_bytes of data both ways; a reply with fewer is malformed unless it need not have any. */
static int simple_feature(struct user_device *dev, uint32_t flags, uint8_t *data, uint32_t data_bytes,
			  uint32_t least_bytes)
{
	struct gw_raw_feature call = { .flags = flags, .data = data, .data_bytes = data_bytes };
	int ret = raw_feature(dev, &call);

	return ret || call.got_bytes >= least_bytes ? ret : -EBADMSG;
}

static int raw_state_get(void *ctx, struct gw_raw_state *state)
{
	uint8_t data[STATE_BYTES] = { 0 };
	struct wire_in in = wire_in(data, sizeof(data));
	int ret = simple_feature(ctx, USER_FEATURE_STATE | USER_FEATURE_GET, data, sizeof(data), sizeof(data));

	if (ret)
		return ret;
	state->state = wire_get_u32(&in);
	note_state(ctx, state->state);
	return 0;
}

/* A reply without data leaves what was sent, which is what was asked for. */
static int raw_state_set(void *ctx, struct gw_raw_state *state)
{
	uint8_t data[STATE_BYTES];
	struct wire_out out = wire_out(data, sizeof(data));
	struct wire_in in = wire_in(data, sizeof(data));
	int ret;

	wire_put_u32(&out, state->state);
	wire_put_u32(&out, UINT32_MAX); /* data_fd: none, data travels by message */
	ret = simple_feature(ctx, USER_FEATURE_STATE | USER_FEATURE_SET, data, sizeof(data), 0);
	if (!ret)
		state->state = wire_get_u32(&in);
	return ret;
}

static int raw_reset(void *ctx)
{
	struct user_call call = { .command = USER_RESET };
	struct user_device *dev = ctx;
	int ret = call_on(&dev->commands, &call);

	if (!ret)
		note_state(dev, GW_STATE_RUNNING);
	return ret;
}

static ssize_t raw_data_read(void *ctx, void *buf, size_t size_bytes)
{
	int refused;

	return user_data_ask(ctx, buf, size_bytes, &refused, NULL);
}

static ssize_t raw_data_write(void *ctx, const void *buf, size_t size_bytes)
{
	int refused;

	return user_data_give(ctx, buf, size_bytes, &refused, NULL);
}

static int raw_precopy_info(void *ctx, struct gw_raw_precopy *info)
{
	uint8_t data[PRECOPY_INFO_BYTES];
	struct wire_out out = wire_out(data, sizeof(data));
	struct wire_in in = wire_in(data, sizeof(data));
	int ret;

	wire_put_u32(&out, info->argsz ? info->argsz : PRECOPY_INFO_BYTES);
	wire_put_u32(&out, info->flags);
	wire_put_u64(&out, 0);
	wire_put_u64(&out, 0);
	ret = simple_feature(ctx, USER_FEATURE_PRECOPY_INFO | USER_FEATURE_GET, data, sizeof(data), sizeof(data));
	if (ret)
		return ret;
	wire_get_u32(&in); /* argsz */
	info->flags = wire_get_u32(&in);
	info->initial_bytes = wire_get_u64(&in);
	info->dirty_bytes = wire_get_u64(&in);
	return 0;
}

static int raw_log_start(void *ctx, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size)
{
	size_t size_bytes = START_HEAD_BYTES + (size_t)nr_ranges * START_RANGE_BYTES;
	struct user_call call = { .payload_bytes = size_bytes };
	struct wire_out out;
	uint8_t *data;
	int ret;

	if (nr_ranges > MAX_RANGES)
		return -E2BIG;
	data = malloc(size_bytes);
	if (!data)
		return -ENOMEM;
	out = wire_out(data, size_bytes);
	wire_put_u64(&out, page_size);
	wire_put_u32(&out, nr_ranges);
	wire_put_u32(&out, 0);
	for (uint32_t i = 0; i < nr_ranges; i++) {
		wire_put_u64(&out, ranges[i].iova);
		wire_put_u64(&out, ranges[i].size_bytes);
	}
	call.payload = data;
	ret = feature_call(ctx, 0, USER_FEATURE_LOG_START | USER_FEATURE_SET, &call);
	free(data);
	return ret;
}

static int raw_log_stop(void *ctx)
{
	return simple_feature(ctx, USER_FEATURE_LOG_STOP | USER_FEATURE_SET, NULL, 0, 0);
}

/* The three words that were asked come back, then the bitmap. */
static int report_into(struct user_device *dev, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint8_t *got,
		       size_t bitmap_bytes)
{
	uint8_t words[REPORT_BYTES];
	struct wire_out out = wire_out(words, sizeof(words));
	struct user_call call = {
		.payload = words,
		.payload_bytes = sizeof(words),
		.data = got,
		.data_size = sizeof(words) + bitmap_bytes,
	};
	int ret;

	wire_put_u64(&out, iova);
	wire_put_u64(&out, size_bytes);
	wire_put_u64(&out, page_size);
	ret = feature_call(dev, 0, USER_FEATURE_LOG_REPORT | USER_FEATURE_GET, &call);
	return ret || call.reply_bytes == call.data_size ? ret : -EBADMSG;
}

/* What cannot be right has no bitmap: the server gets its say, and no byte of an answer reaches the caller's. */
static int raw_log_report(void *ctx, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap)
{
	bool sane = is_power_of_2(page_size) && range_is_sane(iova, size_bytes);
	uint64_t nr_pages = sane ? (size_bytes - 1) / page_size + 1 : 0;
	size_t nr_words = bitmap_words(nr_pages);
	uint8_t *got;
	int ret;

	if (nr_pages > MAX_BITMAP_BYTES * 8)
		return -E2BIG;
	got = malloc(REPORT_BYTES + nr_words * sizeof(*bitmap));
	if (!got)
		return -ENOMEM;
	ret = report_into(ctx, iova, size_bytes, page_size, got, nr_words * sizeof(*bitmap));
	for (size_t i = 0; !ret && i < nr_words; i++) {
		uint64_t word;

		memcpy(&word, got + REPORT_BYTES + i * sizeof(word), sizeof(word));
		bitmap[i] |= word;
	}
	free(got);
	return ret;
}

const struct gw_raw_ops user_raw_ops = {
	.size = sizeof(user_raw_ops),
	.feature = raw_feature,
	.state_get = raw_state_get,
	.state_set = raw_state_set,
	.reset = raw_reset,
	.data_read = raw_data_read,
	.data_write = raw_data_write,
	.precopy_info = raw_precopy_info,
	.log_start = raw_log_start,
	.log_stop = raw_log_stop,
	.log_report = raw_log_report,
};
