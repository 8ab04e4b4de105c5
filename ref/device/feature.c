/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DEVICE_FEATURE: a table of features, which operations each has and what must have been agreed for it. A feature
 * that the device lacks is ENOTTY, as with the kernel; an operation that a feature lacks is EINVAL. Numbers and
 * data are linux/vfio.h's, 0x6701 is the extension's; host headers older than 6.2 lack some, so all are here.
 */
#include "ref/device/feature.h"

#include "ref/device/command.h"
#include "ref/device/device.h"
#include "ref/device/feature_strike.h"

#include <errno.h>

#define FEATURE_MASK         0xffffu
#define FEATURE_GET          (1u << 16)
#define FEATURE_SET          (1u << 17)
#define FEATURE_PROBE        (1u << 18)
#define FEATURE_KNOWN_FLAGS  (FEATURE_MASK | FEATURE_GET | FEATURE_SET | FEATURE_PROBE)
#define FEATURE_OPERATION    16 /* the first of the three bits above */
#define FEATURE_MIGRATION    1
#define FEATURE_STATE        2
#define FEATURE_LOG_START    6
#define FEATURE_LOG_STOP     7
#define FEATURE_LOG_REPORT   8
#define FEATURE_STOP_SIZE    9
#define FEATURE_PRECOPY_INFO 0x6701

#define PRECOPY_INFO_BYTES  24
#define PRECOPY_INFO_REINIT (1u << 0)

struct writer ref_feature_answer(struct call *call, size_t data)
{
	struct writer w = { .bad = true };

	if (call->argsz < FEATURE_HEAD_BYTES + data || !ref_reply_reserve(call->reply, FEATURE_HEAD_BYTES + data))
		return w;
	w = writer_over(call->reply->body, FEATURE_HEAD_BYTES + data);
	writer_u32(&w, (uint32_t)(FEATURE_HEAD_BYTES + data));
	writer_u32(&w, call->flags);
	return w;
}

static int answered(const struct writer *w)
{
	return w->bad ? -EINVAL : 0;
}

int ref_feature_answer_head(struct call *call)
{
	struct writer w = ref_feature_answer(call, 0);

	return answered(&w);
}

static int get_migration(struct call *call)
{
	struct writer w = ref_feature_answer(call, sizeof(uint64_t));

	writer_u64(&w, ref_client_mig_caps(call->client));
	return answered(&w);
}

static int get_state(struct call *call)
{
	uint32_t state = ref_migration_state(call->client->dev);
	struct strike strike = ref_fault_at(call->client->dev, FAULT_GET, state, 0, 0, call->argsz);
	struct writer w = ref_feature_answer(call, 2 * sizeof(uint32_t));

	writer_u32(&w, strike.action == FAULT_VALUE ? (uint32_t)strike.value : state);
	/* data_fd -1: data travels by message */
	writer_u32(&w, strike.action == FAULT_FD ? (uint32_t)strike.value : UINT32_MAX);
	return strike.ret ? strike.ret : answered(&w);
}

static int set_state(struct call *call)
{
	uint32_t state = cursor_u32(&call->in);
	struct writer w = ref_feature_answer(call, 2 * sizeof(uint32_t));
	struct state_told told;
	int ret;

	cursor_u32(&call->in); /* data_fd */
	if (call->in.bad || w.bad)
		return -EINVAL;
	ret = ref_migration_set_asked(call->client->dev, state, ref_client_mig_caps(call->client), &told);
	writer_u32(&w, told.state);
	writer_u32(&w, told.data_fd);
	return ret;
}

static int get_stop_size(struct call *call)
{
	struct ref_device *dev = call->client->dev;
	struct strike strike =
		ref_fault_at(dev, FAULT_SIZE, ref_migration_state(dev), 0, ref_migration_position(dev), call->argsz);
	struct writer w = ref_feature_answer(call, sizeof(uint64_t));
	uint64_t bytes = ref_migration_stop_bytes(dev);

	writer_u64(&w, ref_feature_number_struck(&strike, bytes));
	return strike.ret ? strike.ret : answered(&w);
}

static int get_precopy_info(struct call *call)
{
	struct ref_device *dev = call->client->dev;
	struct strike strike =
		ref_fault_at(dev, FAULT_PRECOPY, ref_migration_state(dev), 0, ref_migration_position(dev), 0);
	struct writer w = ref_feature_answer(call, PRECOPY_INFO_BYTES);
	struct precopy_left left = { 0 };
	int ret = strike.ret;

	if (w.bad)
		return -EINVAL; /* before anything is taken as told */
	if (strike.action == FAULT_REINIT)
		ref_migration_rearm_now(dev);
	if (!ret)
		ret = ref_migration_precopy_left(dev, &left);
	if (ret && strike.action != FAULT_ACCEPT)
		return ret;
	ref_feature_left_struck(&strike, &left);
	writer_u32(&w, strike.action == FAULT_ARGSZ ? (uint32_t)strike.value : PRECOPY_INFO_BYTES);
	writer_u32(&w, (left.reinit ? PRECOPY_INFO_REINIT : 0) |
			       (strike.action == FAULT_FLAGS ? (uint32_t)strike.value : 0));
	writer_u64(&w, left.initial);
	writer_u64(&w, left.dirty);
	return answered(&w);
}

static const struct feature {
	uint32_t number;
	uint32_t switched_off; /* by these options */
	uint32_t extension;    /* needs this part of the extension */
	int (*get)(struct call *call);
	int (*set)(struct call *call);
} features[] = {
	{ FEATURE_MIGRATION, REF_DEVICE_NO_MIGRATION, 0, get_migration, NULL },
	{ FEATURE_STATE, REF_DEVICE_NO_MIGRATION, 0, get_state, set_state },
	{ FEATURE_LOG_START, REF_DEVICE_NO_DMA_LOG, 0, NULL, ref_feature_log_start },
	{ FEATURE_LOG_STOP, REF_DEVICE_NO_DMA_LOG, 0, NULL, ref_feature_log_stop },
	{ FEATURE_LOG_REPORT, REF_DEVICE_NO_DMA_LOG, 0, ref_feature_log_report, NULL },
	{ FEATURE_STOP_SIZE, REF_DEVICE_NO_MIGRATION, CLIENT_STOP_SIZE, get_stop_size, NULL },
	{ FEATURE_PRECOPY_INFO, REF_DEVICE_NO_MIGRATION | REF_DEVICE_NO_PRECOPY, CLIENT_PRECOPY_INFO, get_precopy_info,
	  NULL },
};

static const struct feature *find(const struct client *client, uint32_t number)
{
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		const struct feature *feature = &features[i];

		if (feature->number != number || feature->switched_off & client->dev->options->without)
			continue;
		return feature->extension & ~client->extension ? NULL : feature;
	}
	return NULL;
}

static int run(const struct feature *feature, struct call *call)
{
	uint32_t operation = call->flags & (FEATURE_GET | FEATURE_SET);

	if ((operation & FEATURE_GET && !feature->get) || (operation & FEATURE_SET && !feature->set))
		return -EINVAL;
	if (call->flags & FEATURE_PROBE)
		return ref_feature_answer_head(call);
	if (operation != FEATURE_GET && operation != FEATURE_SET)
		return -EINVAL;
	return operation == FEATURE_GET ? feature->get(call) : feature->set(call);
}

static int run_sound(struct call *call)
{
	const struct feature *feature;

	if (call->in.bad || call->argsz < FEATURE_HEAD_BYTES || call->flags & ~FEATURE_KNOWN_FLAGS)
		return -EINVAL;
	feature = find(call->client, call->flags & FEATURE_MASK);
	return feature ? run(feature, call) : -ENOTTY;
}

int ref_feature(struct client *client, struct request *request, struct reply *reply)
{
	struct call call = { .client = client, .in = cursor_over(request->body, request->size), .reply = reply };
	struct strike strike;
	int ret;

	call.argsz = cursor_u32(&call.in);
	call.flags = cursor_u32(&call.in);
	strike = ref_fault_at(client->dev, FAULT_FEATURE, call.flags & FEATURE_MASK,
			      call.flags >> FEATURE_OPERATION & 7, 0, call.argsz);
	ret = strike.ret;
	if (!ret && strike.action != FAULT_IGNORE)
		ret = run_sound(&call);
	return ref_feature_struck(&call, &strike, ret);
}
