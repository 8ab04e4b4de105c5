/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA_LOGGING_START, STOP and REPORT. Every refusal names its flaw, so that a fault can let one kind of it pass: then
 * what can be done is done.
 */
#include "ref/device/bits.h"
#include "ref/device/device.h"
#include "ref/device/feature.h"

#include <errno.h>
#include <string.h>

#define LOG_RANGE_BYTES  16
#define LOG_REPORT_BYTES 24
#define LOG_PAGE_BYTES   4096 /* where the one asked for cannot be, and a fault lets it pass */

/* Something is wrong with the request: -errno, or 0 where a fault accepts it. */
static int refuse(struct ref_device *dev, enum fault_log what, enum log_flaw flaw, int ret)
{
	return ref_fault_refuse(dev, FAULT_LOG, what, flaw, 0, ret);
}

static enum log_flaw range_flaw(uint64_t iova, uint64_t size, int ret)
{
	if (ret != -EINVAL)
		return LOG_RANGE;
	if (!size)
		return LOG_EMPTY;
	return iova + (size - 1) < iova ? LOG_WRAPS : LOG_OVERLAP;
}

static int log_ranges(struct ref_device *dev, struct cursor *in, uint32_t nr)
{
	int ret = 0;

	for (uint32_t i = 0; i < nr && !ret; i++) {
		uint64_t iova = cursor_u64(in), size = cursor_u64(in);

		ret = ref_dma_log_add(&dev->log, iova, size);
		if (ret)
			ret = refuse(dev, FAULT_LOG_START, range_flaw(iova, size, ret), ret);
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

/* 0, and *on: whether its ranges are now to be logged. */
static int switch_on(struct ref_device *dev, uint64_t page_size, bool everything, bool *on)
{
	int ret = ref_dma_log_start(&dev->log, page_size, everything);

	*on = !ret;
	if (ret == -EBUSY)
		return refuse(dev, FAULT_LOG_START, LOG_DOUBLE, ret);
	if (!ret || (ret = refuse(dev, FAULT_LOG_START, LOG_PAGE_SIZE, ret)))
		return ret;
	*on = !ref_dma_log_start(&dev->log, LOG_PAGE_BYTES, everything);
	return 0;
}

/* A start in which nothing was wrong may still be struck. */
static int strike_start(struct ref_device *dev)
{
	struct strike strike = ref_fault(dev, FAULT_LOG, FAULT_LOG_START, LOG_GOOD);

	if (strike.ret || strike.action == FAULT_IGNORE)
		ref_dma_log_stop(&dev->log);
	return strike.ret;
}

int ref_feature_log_start(struct call *call)
{
	struct ref_device *dev = call->client->dev;
	uint64_t page_size = cursor_u64(&call->in);
	uint32_t nr = cursor_u32(&call->in);
	bool on;
	int ret;

	cursor_u32(&call->in); /* reserved */
	if (call->in.bad || nr > call->in.left / LOG_RANGE_BYTES)
		return -EINVAL; /* a count cannot promise more than came */
	pthread_mutex_lock(&dev->lock);
	ret = switch_on(dev, page_size, !nr, &on);
	if (!ret && on) {
		ret = nr ? log_ranges(dev, &call->in, nr) : log_maps(dev);
		if (ret)
			ref_dma_log_stop(&dev->log);
		else
			ret = strike_start(dev);
	}
	pthread_mutex_unlock(&dev->lock);
	return ret ? ret : ref_feature_answer_head(call);
}

int ref_feature_log_stop(struct call *call)
{
	struct ref_device *dev = call->client->dev;
	struct strike strike;

	pthread_mutex_lock(&dev->lock);
	strike = ref_fault(dev, FAULT_LOG, FAULT_LOG_STOP, dev->log.active ? LOG_GOOD : LOG_IDLE);
	if (!strike.ret && strike.action != FAULT_IGNORE)
		ref_dma_log_stop(&dev->log);
	pthread_mutex_unlock(&dev->lock);
	return strike.ret ? strike.ret : ref_feature_answer_head(call);
}

struct report {
	uint64_t iova, size, page_size;
	uint64_t *bitmap;
	uint64_t words;
};

static enum log_flaw report_flaw(const struct ref_device *dev, const struct report *report)
{
	bool is_pow2 = report->page_size && !(report->page_size & (report->page_size - 1));

	if (!report->size)
		return LOG_EMPTY;
	if (report->iova + (report->size - 1) < report->iova)
		return LOG_WRAPS;
	if (!is_pow2)
		return LOG_PAGE_SIZE;
	return dev->log.active ? LOG_RANGE : LOG_IDLE;
}

/* Bits of a report by a fault: moved up, dropped, or made up. */
static void strike_bits(const struct report *report, const struct strike *strike)
{
	uint64_t nr = (report->size - 1) / report->page_size + 1, left = strike->value;

	for (uint64_t i = 0; i < nr && left && strike->action == FAULT_LOSE; i++)
		if (bits_test(report->bitmap, i)) {
			bits_clear(report->bitmap, i);
			left--;
		}
	for (uint64_t i = 0; i < report->words * 64 && left && strike->action == FAULT_EXTRA; i++)
		if (!bits_test(report->bitmap, i)) {
			bits_set(report->bitmap, i);
			left--;
		}
	for (uint64_t i = nr; i-- > 0 && strike->action == FAULT_SHIFT;) {
		bool is = i >= strike->value && bits_test(report->bitmap, i - strike->value);

		bits_clear(report->bitmap, i);
		if (is)
			bits_set(report->bitmap, i);
	}
}

/* By a fault: what was reported is dirty still. */
static void keep_bits(struct dma_log *log, const struct report *report)
{
	uint64_t nr = (report->size - 1) / report->page_size + 1;

	for (uint64_t i = 0; (i = bits_next(report->bitmap, i, nr)) < nr; i++) {
		uint64_t at = i * report->page_size, left = report->size - at;

		ref_dma_log_mark(log, report->iova + at, left < report->page_size ? left : report->page_size);
	}
}

/* With the device's lock held. */
static int report_bits(struct ref_device *dev, const struct report *report)
{
	struct strike strike;
	int ret;

	if (ref_dma_log_check(&dev->log, report->iova, report->size, report->page_size))
		return refuse(dev, FAULT_LOG_REPORT, report_flaw(dev, report), -EINVAL);
	strike = ref_fault_at(dev, FAULT_LOG, FAULT_LOG_REPORT, LOG_GOOD, 0, report->page_size);
	if (strike.ret || strike.action == FAULT_IGNORE)
		return strike.ret;
	ret = ref_dma_log_report(&dev->log, report->iova, report->size, report->page_size, report->bitmap);
	if (ret)
		return ret;
	if (strike.action == FAULT_KEEP_BITS)
		keep_bits(&dev->log, report);
	strike_bits(report, &strike);
	return 0;
}

/* The words of the bitmap: of a report that cannot be, too, in case a fault accepts it. 0: nobody could answer it. */
static uint64_t report_words(const struct report *report)
{
	uint64_t words = ref_dma_log_words(report->iova, report->size, report->page_size), bits;

	if (words || !report->size)
		return words;
	bits = (report->size - 1) / (report->page_size ? report->page_size : LOG_PAGE_BYTES) + 1;
	return bits > DMA_LOG_MAX_BITMAP_BYTES * 8 ? 0 : bits_words(bits);
}

int ref_feature_log_report(struct call *call)
{
	struct report report = { .iova = cursor_u64(&call->in) };
	struct ref_device *dev = call->client->dev;
	struct writer w;
	int ret;

	report.size = cursor_u64(&call->in);
	report.page_size = cursor_u64(&call->in);
	report.words = report_words(&report);
	if (call->in.bad)
		return -EINVAL;
	w = ref_feature_answer(call, LOG_REPORT_BYTES + report.words * sizeof(uint64_t));
	writer_u64(&w, report.iova);
	writer_u64(&w, report.size);
	writer_u64(&w, report.page_size);
	if (w.bad)
		return -EINVAL;
	report.bitmap = (uint64_t *)(void *)w.at;
	pthread_mutex_lock(&dev->lock);
	ret = report_bits(dev, &report);
	pthread_mutex_unlock(&dev->lock);
	return ret;
}
