/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DEVICE_FEATURE of a vfio-user server, and the questions asked with it once at open. A probe that is refused, in
 * whatever words, is a "no": servers differ in the errno, and some do not know the command.
 */
#include "base/bits.h"
#include "base/err.h"
#include "device/user_device.h"
#include "wire/cursor.h"

#include <errno.h>
#include <string.h>

#define MAX_DATA_BYTES 64u /* of a feature whose data is not a list */

static int feature_call(struct user_device *dev, uint32_t flags, const void *data, size_t send_bytes, void *got,
			size_t got_bytes, uint64_t timeout_ns, struct gw_error *e)
{
	uint8_t head[USER_FEATURE_HEAD_BYTES], reply[USER_FEATURE_HEAD_BYTES];
	struct wire_out out = wire_out(head, sizeof(head));
	struct user_call call = {
		.command = USER_FEATURE,
		.request = head,
		.request_bytes = sizeof(head),
		.payload = data,
		.payload_bytes = send_bytes,
		.timeout_ns = timeout_ns,
		.reply = reply,
		.reply_size = sizeof(reply),
		.reply_min = got_bytes ? sizeof(reply) + got_bytes : 0,
		.data = got,
		.data_size = got_bytes,
	};
	int ret;

	wire_put_u32(&out, (uint32_t)(sizeof(head) + max_u64(send_bytes, got_bytes)));
	wire_put_u32(&out, flags);
	ret = user_call(&dev->commands, &call, e);
	/* What a server calls EPIPE or ETIMEDOUT is not the end of the connection. */
	if (call.refused == -EPIPE || call.refused == -ETIMEDOUT)
		return -EIO;
	return ret;
}

int user_feature_get(struct user_device *dev, uint32_t feature, void *data, size_t size_bytes, struct gw_error *e)
{
	uint8_t zeros[MAX_DATA_BYTES] = { 0 };

	return feature_call(dev, feature | USER_FEATURE_GET, zeros, min_u64(size_bytes, sizeof(zeros)), data,
			    size_bytes, 0, e);
}

int user_feature_set(struct user_device *dev, uint32_t feature, const void *data, size_t size_bytes,
		     uint64_t timeout_ns, struct gw_error *e)
{
	return feature_call(dev, feature | USER_FEATURE_SET, data, size_bytes, NULL, 0, timeout_ns, e);
}

int user_feature_probe(struct user_device *dev, uint32_t feature, uint32_t operations, struct gw_error *e)
{
	static const int refusals[] = { -EINVAL, -ENOTTY, -ENOTSUP, -ENOSYS };
	struct gw_error why = GW_ERROR_NONE;
	int ret = feature_call(dev, feature | operations | USER_FEATURE_PROBE, NULL, 0, NULL, 0, 0, &why);

	if (!ret)
		return 1;
	for (unsigned i = 0; i < ARRAY_SIZE(refusals); i++)
		if (ret == refusals[i])
			return 0;
	err_first(e, &why);
	return ret;
}

static const struct question {
	uint32_t feature;
	uint32_t operations;
	uint32_t means;     /* GW_FEATURE_*; all questions with the same one must be answered with yes */
	uint32_t extension; /* not asked, and no, unless agreed */
} questions[] = {
	{ USER_FEATURE_LOG_START, USER_FEATURE_SET, GW_FEATURE_DMA_LOG, 0 },
	{ USER_FEATURE_LOG_STOP, USER_FEATURE_SET, GW_FEATURE_DMA_LOG, 0 },
	{ USER_FEATURE_LOG_REPORT, USER_FEATURE_GET, GW_FEATURE_DMA_LOG, 0 },
	{ USER_FEATURE_STOP_SIZE, USER_FEATURE_GET, GW_FEATURE_STOP_SIZE, USER_EXT_STOP_SIZE },
	{ USER_FEATURE_PRECOPY_INFO, USER_FEATURE_GET, GW_FEATURE_PRECOPY_INFO, USER_EXT_PRECOPY_INFO },
};

static int ask_features(struct user_device *dev, struct gw_error *e)
{
	uint32_t yes = 0, no = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(questions); i++) {
		const struct question *q = &questions[i];
		int ret = 0;

		if ((no & q->means) == 0 && (dev->server.extension & q->extension) == q->extension)
			ret = user_feature_probe(dev, q->feature, q->operations, e);
		if (ret < 0)
			return ret;
		yes |= ret ? q->means : 0;
		no |= ret ? 0 : q->means;
	}
	dev->info.features |= yes & ~no;
	/* Agreed on in VERSION, which is the opt-in. Without PRECOPY_INFO it does not count. */
	if (dev->server.extension & USER_EXT_REINIT)
		dev->info.features |= GW_FEATURE_REINIT;
	return 0;
}

/* The truth about migration is whether GET answers: a server may claim it in a probe and have none. */
static int ask_migration(struct user_device *dev, struct gw_error *e)
{
	struct gw_error why = GW_ERROR_NONE;
	uint8_t data[8];
	struct wire_in in;
	uint64_t flags;
	int ret;

	ret = user_feature_get(dev, USER_FEATURE_MIGRATION, data, sizeof(data), &why);
	if (ret == -EPIPE || ret == -ETIMEDOUT || ret == -EPROTO || ret == -EBADMSG) {
		err_first(e, &why);
		return ret;
	}
	if (ret)
		return 0;
	in = wire_in(data, sizeof(data));
	flags = wire_get_u64(&in);
	if (!(dev->server.extension & USER_EXT_P2P))
		flags &= ~(uint64_t)GW_MIGRATION_P2P; /* the protocol itself has no P2P states */
	dev->info.migration_flags = (uint32_t)flags;
	return 0;
}

int user_feature_ask(struct user_device *dev, struct gw_error *e)
{
	int ret = ask_migration(dev, e);

	return ret ? ret : ask_features(dev, e);
}
