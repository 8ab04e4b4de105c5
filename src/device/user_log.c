/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA logging of a vfio-user device. What the server reports goes into the client's own log first and is told from
 * there: a server without the extension is only asked for whole maps (others it refuses, or answers wrongly), in the
 * page size that was logged, and what it clears thereby may not have been asked for yet. Memory mapped without a
 * file is not asked for: the server reaches it by messages, and those the client logs itself.
 */
#include "base/bitmap.h"
#include "base/bits.h"
#include "base/err.h"
#include "device/log_ranges.h"
#include "device/user_device.h"
#include "wire/cursor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define START_HEAD_BYTES  16u
#define START_RANGE_BYTES 16u
#define REPORT_BYTES      24u
#define BITMAP_BYTES      (1 * MIB)   /* of one report by choice */
#define MAX_BITMAP_BYTES  (256 * MIB) /* of one report by need: a whole map of 8 TiB */
#define MAX_PAGE_BYTES    (1 * GIB)

static int server_start(struct user_device *dev, const struct gw_iova_range *ranges, uint32_t nr_ranges,
			uint64_t page_size, struct gw_error *e)
{
	size_t size_bytes = START_HEAD_BYTES + (size_t)nr_ranges * START_RANGE_BYTES;
	struct wire_out out;
	uint8_t *data = malloc(size_bytes);
	int ret;

	if (!data)
		return err_set(e, -ENOMEM, dev->commands.name, "no memory");
	out = wire_out(data, size_bytes);
	wire_put_u64(&out, page_size);
	wire_put_u32(&out, nr_ranges);
	wire_put_u32(&out, 0);
	for (uint32_t i = 0; i < nr_ranges; i++) {
		wire_put_u64(&out, ranges[i].iova);
		wire_put_u64(&out, ranges[i].size_bytes);
	}
	ret = user_feature_set(dev, USER_FEATURE_LOG_START, data, size_bytes, 0, e);
	free(data);
	return ret;
}

/* With the own log's ranges, joined where they are more than one message holds. They only change under log_lock. */
static int server_start_all(struct user_device *dev, struct gw_error *e)
{
	const struct dma_log *log = &dev->maps.log;
	uint64_t max = (dev->server.max_data_bytes - min_u64(dev->server.max_data_bytes, START_HEAD_BYTES)) /
		       START_RANGE_BYTES;
	uint32_t nr = log->nr_ranges;
	struct gw_iova_range *ranges = calloc(nr, sizeof(*ranges));
	int ret;

	if (!ranges)
		return err_set(e, -ENOMEM, dev->commands.name, "no memory");
	for (uint32_t i = 0; i < nr; i++)
		ranges[i] = (struct gw_iova_range){ .iova = log->ranges[i].first,
						    .size_bytes = log->ranges[i].last - log->ranges[i].first + 1 };
	ret = max ? log_ranges_fit(ranges, &nr, log->page_size, (uint32_t)min_u64(max, UINT32_MAX)) : -E2BIG;
	if (ret)
		err_set(e, ret, dev->commands.name, "the ranges to log do not fit into one message to the server");
	else
		ret = server_start(dev, ranges, nr, log->page_size, e);
	free(ranges);
	return ret;
}

static void local_stop(struct user_device *dev)
{
	pthread_mutex_lock(&dev->maps.lock);
	dma_log_stop(&dev->maps.log);
	pthread_mutex_unlock(&dev->maps.lock);
}

static int local_start(struct user_device *dev, const struct gw_iova_range *ranges, uint32_t nr_ranges,
		       uint64_t page_size)
{
	int ret = -EBUSY;

	pthread_mutex_lock(&dev->maps.lock);
	if (!dma_log_active(&dev->maps.log))
		ret = dma_log_start(&dev->maps.log, ranges, nr_ranges, page_size);
	pthread_mutex_unlock(&dev->maps.lock);
	return ret;
}

int user_log_start(void *ctx, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size,
		   struct gw_error *e)
{
	struct user_device *dev = ctx;
	int ret;

	if (page_size > MAX_PAGE_BYTES)
		return err_set(e, -EINVAL, dev->commands.name, "cannot log DMA in pages of more than 1 GiB");
	pthread_mutex_lock(&dev->log_lock);
	/* Own log first: from the server's answer on nothing it writes goes unseen. */
	ret = local_start(dev, ranges, nr_ranges, page_size);
	if (ret) {
		err_set(e, ret, dev->commands.name, "cannot log DMA: %s", strerror(-ret));
	} else {
		ret = server_start_all(dev, e);
		if (ret)
			local_stop(dev);
	}
	pthread_mutex_unlock(&dev->log_lock);
	return ret;
}

int user_log_stop(void *ctx, struct gw_error *e)
{
	struct user_device *dev = ctx;
	int ret;

	pthread_mutex_lock(&dev->log_lock);
	local_stop(dev);
	ret = user_feature_set(dev, USER_FEATURE_LOG_STOP, NULL, 0, 0, e);
	pthread_mutex_unlock(&dev->log_lock);
	return ret;
}

/* Is there something for the server to learn of the map? The own log learns it here. */
static bool extend(struct user_device *dev, const struct gw_dma_map *map)
{
	struct dma_log *log = &dev->maps.log;
	bool due;

	pthread_mutex_lock(&dev->maps.lock);
	due = dma_log_active(log) && map->prot & GW_DMA_WRITE && !dma_log_covers(log, map->iova, map->size_bytes);
	if (due && dma_log_extend(log, map->iova, map->size_bytes))
		log->lost = true;
	due = due && !log->lost && map->fd >= 0;
	pthread_mutex_unlock(&dev->maps.lock);
	return due;
}

/* A server's log has to be started anew for that, and what it held is gone: all of it counts as written. */
void user_log_before_map(struct user_device *dev, const struct gw_dma_map *map)
{
	int ret;

	pthread_mutex_lock(&dev->log_lock);
	if (extend(dev, map)) {
		ret = user_feature_set(dev, USER_FEATURE_LOG_STOP, NULL, 0, 0, NULL);
		if (!ret)
			ret = server_start_all(dev, NULL);
		pthread_mutex_lock(&dev->maps.lock);
		if (ret)
			dev->maps.log.lost = true;
		dma_log_mark_all(&dev->maps.log);
		pthread_mutex_unlock(&dev->maps.lock);
	}
	pthread_mutex_unlock(&dev->log_lock);
}

/* One REPORT into data: the three words that were asked come back, then the bitmap. */
static int ask_server(struct user_device *dev, uint64_t iova, uint64_t size_bytes, uint8_t *data, size_t data_bytes,
		      struct gw_error *e)
{
	uint8_t head[USER_FEATURE_HEAD_BYTES + REPORT_BYTES], reply[sizeof(head)];
	struct wire_out out = wire_out(head, sizeof(head));
	struct user_call call = {
		.command = USER_FEATURE,
		.request = head,
		.request_bytes = sizeof(head),
		.reply = reply,
		.reply_size = sizeof(reply),
		.reply_min = sizeof(reply) + data_bytes,
		.data = data,
		.data_size = data_bytes,
	};
	int ret;

	wire_put_u32(&out, (uint32_t)(sizeof(head) + data_bytes));
	wire_put_u32(&out, USER_FEATURE_LOG_REPORT | USER_FEATURE_GET);
	wire_put_u64(&out, iova);
	wire_put_u64(&out, size_bytes);
	wire_put_u64(&out, dev->maps.log.page_size);
	ret = user_call(&dev->commands, &call, e);
	if (!ret && memcmp(reply + USER_FEATURE_HEAD_BYTES, head + USER_FEATURE_HEAD_BYTES, REPORT_BYTES))
		return err_set(e, -EBADMSG, dev->commands.name, "the server reports dirty pages of another range");
	return ret;
}

static int report_piece(struct user_device *dev, uint64_t iova, uint64_t size_bytes, struct gw_error *e)
{
	uint64_t nr_pages = (size_bytes - 1) / dev->maps.log.page_size + 1;
	size_t data_bytes = bitmap_words(nr_pages) * sizeof(uint64_t);
	uint64_t *bits;
	int ret;

	if (data_bytes > MAX_BITMAP_BYTES)
		return err_set(e, -E2BIG, dev->commands.name,
			       "a DMA map of %llu bytes has too many pages to be reported",
			       (unsigned long long)size_bytes);
	bits = bitmap_new(nr_pages);
	if (!bits)
		return err_set(e, -ENOMEM, dev->commands.name, "no memory for a dirty bitmap");
	ret = ask_server(dev, iova, size_bytes, (uint8_t *)bits, data_bytes, e);
	if (!ret) {
		pthread_mutex_lock(&dev->maps.lock);
		dma_log_merge(&dev->maps.log, iova, bits, nr_pages, dev->maps.log.page_size);
		pthread_mutex_unlock(&dev->maps.lock);
	}
	free(bits);
	return ret;
}

/* [first, last] of one map, in pieces whose bitmap is small. */
static int report_pieces(struct user_device *dev, uint64_t first, uint64_t last, struct gw_error *e)
{
	uint64_t stated = dev->server.max_bitmap_bytes & ~7ull;
	uint64_t bitmap_bytes = stated ? min_u64(stated, BITMAP_BYTES) : BITMAP_BYTES;
	uint64_t piece_bytes = bitmap_bytes * 8 * dev->maps.log.page_size;
	int ret = 0;

	while (!ret && last - first >= piece_bytes) {
		ret = report_piece(dev, first, piece_bytes, e);
		first += piece_bytes;
	}
	return ret ? ret : report_piece(dev, first, last - first + 1, e);
}

/* Asks the server for all that it can know of [first, last]. */
static int report_maps(struct user_device *dev, uint64_t first, uint64_t last, struct gw_error *e)
{
	struct gw_dma_map map;
	uint64_t at = first;
	int ret = 0;

	while (!ret && !user_maps_next(&dev->maps, at, &map) && map.iova <= last) {
		uint64_t map_last = map.iova + (map.size_bytes - 1);

		if (map.fd >= 0 && map.prot & GW_DMA_WRITE) {
			if (dev->server.extension)
				ret = report_pieces(dev, max_u64(first, map.iova), min_u64(last, map_last), e);
			else
				ret = report_piece(dev, map.iova, map.size_bytes, e);
		}
		if (map_last >= last)
			break;
		at = map_last + 1;
	}
	return ret;
}

static int report(struct user_device *dev, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap,
		  struct gw_error *e)
{
	int ret;

	if (!dma_log_active(&dev->maps.log))
		return err_set(e, -EINVAL, dev->commands.name, "DMA is not being logged");
	ret = report_maps(dev, iova, iova + (size_bytes - 1), e);
	if (ret)
		return ret;
	pthread_mutex_lock(&dev->maps.lock);
	ret = dma_log_take(&dev->maps.log, iova, size_bytes, page_size, bitmap);
	pthread_mutex_unlock(&dev->maps.lock);
	if (!ret)
		return 0;
	return err_set(e, ret, dev->commands.name,
		       ret == -EINVAL ? "a range was not being logged"
				      : "the dirty log was lost when memory was added");
}

int user_log_report(void *ctx, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap,
		    struct gw_error *e)
{
	struct user_device *dev = ctx;
	int ret;

	pthread_mutex_lock(&dev->log_lock);
	ret = report(dev, iova, size_bytes, page_size, bitmap, e);
	pthread_mutex_unlock(&dev->log_lock);
	return ret;
}
