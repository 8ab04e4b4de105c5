/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DEVICE_FEATURE: a table of features, which operations each has and what must have been agreed for it. A feature
 * that the device lacks is ENOTTY, as with the kernel; an operation that a feature lacks is EINVAL. Numbers and
 * data are linux/vfio.h's, 0x6701 is the extension's; host headers older than 6.2 lack some, so all are here.
 */
#include "ref/device/command.h"
#include "ref/device/cursor.h"
#include "ref/device/device.h"

#include <errno.h>

#define HEAD_BYTES 8

#define FEATURE_MASK         0xffffu
#define FEATURE_GET          (1u << 16)
#define FEATURE_SET          (1u << 17)
#define FEATURE_PROBE        (1u << 18)
#define FEATURE_KNOWN_FLAGS  (FEATURE_MASK | FEATURE_GET | FEATURE_SET | FEATURE_PROBE)
#define FEATURE_MIGRATION    1
#define FEATURE_STATE        2
#define FEATURE_LOG_START    6
#define FEATURE_LOG_STOP     7
#define FEATURE_LOG_REPORT   8
#define FEATURE_STOP_SIZE    9
#define FEATURE_PRECOPY_INFO 0x6701

#define PRECOPY_INFO_BYTES  24
#define PRECOPY_INFO_REINIT (1u << 0)
#define LOG_RANGE_BYTES     16
#define LOG_REPORT_BYTES    24

/* A request after its head, and where the reply's data goes. */
struct call {
	struct client *client;
	struct cursor in;
	struct reply *reply;
	uint32_t argsz;
	uint32_t flags;
};

/* The reply's head, and room for data bytes. A request's argsz says what its sender has room for. */
static struct writer answer(struct call *call, size_t data)
{
	struct writer w = { .bad = true };

	if (call->argsz < HEAD_BYTES + data || !ref_reply_reserve(call->reply, HEAD_BYTES + data))
		return w;
	w = writer_over(call->reply->body, HEAD_BYTES + data);
	writer_u32(&w, (uint32_t)(HEAD_BYTES + data));
	writer_u32(&w, call->flags);
	return w;
}

static int answered(const struct writer *w)
{
	return w->bad ? -EINVAL : 0;
}

static int answer_head(struct call *call)
{
	struct writer w = answer(call, 0);

	return answered(&w);
}

static int get_migration(struct call *call)
{
	struct writer w = answer(call, sizeof(uint64_t));

	writer_u64(&w, ref_client_mig_caps(call->client));
	return answered(&w);
}

static int get_state(struct call *call)
{
	struct writer w = answer(call, 2 * sizeof(uint32_t));

	writer_u32(&w, ref_migration_state(call->client->dev));
	writer_u32(&w, UINT32_MAX); /* data_fd -1: data travels by message */
	return answered(&w);
}

static int set_state(struct call *call)
{
	uint32_t state = cursor_u32(&call->in);
	struct writer w = answer(call, 2 * sizeof(uint32_t));

	cursor_u32(&call->in); /* data_fd */
	if (call->in.bad || w.bad)
		return -EINVAL;
	writer_u32(&w, state);
	writer_u32(&w, UINT32_MAX);
	return ref_migration_set(call->client->dev, state, ref_client_mig_caps(call->client));
}

static int log_ranges(struct ref_device *dev, struct cursor *in, uint32_t nr)
{
	int ret = 0;

	for (uint32_t i = 0; i < nr && !ret; i++) {
		uint64_t iova = cursor_u64(in);

		ret = ref_dma_log_add(&dev->log, iova, cursor_u64(in));
	}
	return ret;
}

static int log_maps(struct ref_device *dev)
{
	int ret = 0;

	for (size_t i = 0; i < dev->maps.nr && !ret; i++)
		ret = ref_dma_log_add_missing(&dev->log, dev->maps.items[i].iova, dev->maps.items[i].size);
	return ret;
}

static int log_start(struct call *call)
{
	struct ref_device *dev = call->client->dev;
	uint64_t page_size = cursor_u64(&call->in);
	uint32_t nr = cursor_u32(&call->in);
	int ret;

	cursor_u32(&call->in); /* reserved */
	if (call->in.bad || nr > call->in.left / LOG_RANGE_BYTES)
		return -EINVAL; /* a count cannot promise more than came */
	pthread_mutex_lock(&dev->lock);
	ret = ref_dma_log_start(&dev->log, page_size, !nr);
	if (!ret) {
		ret = nr ? log_ranges(dev, &call->in, nr) : log_maps(dev);
		if (ret)
			ref_dma_log_stop(&dev->log);
	}
	pthread_mutex_unlock(&dev->lock);
	return ret ? ret : answer_head(call);
}

static int log_stop(struct call *call)
{
	struct ref_device *dev = call->client->dev;

	pthread_mutex_lock(&dev->lock);
	ref_dma_log_stop(&dev->log);
	pthread_mutex_unlock(&dev->lock);
	return answer_head(call);
}

static int log_report(struct call *call)
{
	struct ref_device *dev = call->client->dev;
	uint64_t iova = cursor_u64(&call->in), size = cursor_u64(&call->in), page_size = cursor_u64(&call->in);
	uint64_t words = ref_dma_log_words(iova, size, page_size);
	struct writer w;
	int ret;

	if (call->in.bad || !words)
		return -EINVAL;
	w = answer(call, LOG_REPORT_BYTES + words * sizeof(uint64_t));
	writer_u64(&w, iova);
	writer_u64(&w, size);
	writer_u64(&w, page_size);
	if (w.bad)
		return -EINVAL;
	pthread_mutex_lock(&dev->lock);
	ret = ref_dma_log_report(&dev->log, iova, size, page_size, (uint64_t *)(void *)w.at);
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

static int get_stop_size(struct call *call)
{
	struct writer w = answer(call, sizeof(uint64_t));

	writer_u64(&w, ref_migration_stop_bytes(call->client->dev));
	return answered(&w);
}

static int get_precopy_info(struct call *call)
{
	struct writer w = answer(call, PRECOPY_INFO_BYTES);
	struct precopy_left left;
	int ret;

	if (w.bad)
		return -EINVAL; /* before anything is taken as told */
	ret = ref_migration_precopy_left(call->client->dev, &left);
	if (ret)
		return ret;
	writer_u32(&w, PRECOPY_INFO_BYTES);
	writer_u32(&w, left.reinit ? PRECOPY_INFO_REINIT : 0);
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
	{ FEATURE_LOG_START, REF_DEVICE_NO_DMA_LOG, 0, NULL, log_start },
	{ FEATURE_LOG_STOP, REF_DEVICE_NO_DMA_LOG, 0, NULL, log_stop },
	{ FEATURE_LOG_REPORT, REF_DEVICE_NO_DMA_LOG, 0, log_report, NULL },
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
		return answer_head(call);
	if (operation != FEATURE_GET && operation != FEATURE_SET)
		return -EINVAL;
	return operation == FEATURE_GET ? feature->get(call) : feature->set(call);
}

int ref_feature(struct client *client, struct request *request, struct reply *reply)
{
	struct call call = { .client = client, .in = cursor_over(request->body, request->size), .reply = reply };
	const struct feature *feature;

	call.argsz = cursor_u32(&call.in);
	call.flags = cursor_u32(&call.in);
	if (call.in.bad || call.argsz < HEAD_BYTES || call.flags & ~FEATURE_KNOWN_FLAGS)
		return -EINVAL;
	feature = find(client, call.flags & FEATURE_MASK);
	return feature ? run(feature, &call) : -ENOTTY;
}
