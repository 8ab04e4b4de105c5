/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules about the calls of DMA logging: when they are taken and when refused. They need no device that writes. */
#include "rules_log.h"

#include "rule_state.h"

#include <errno.h>
#include <string.h>

#define GIVEN                                                                                                     \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_START: \"When DMA logging is started a range of IOVAs to " \
	"monitor is provided and the device can optimize its logging to cover only the IOVA range given.\""
#define STOPPED                                                                                               \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP: \"Upon VFIO_DEVICE_FEATURE_SET stop device DMA " \
	"logging that was started by VFIO_DEVICE_FEATURE_DMA_LOGGING_START\""
#define ONE_START                                                                                                  \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_START: \"A single call to start device DMA logging can be " \
	"issued and a matching stop should follow at the end. Another start is not allowed in the meantime.\""
#define ENABLED                                                                                                 \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT: \"If DMA logging is not enabled, an error will " \
	"be returned.\""
#define POWER_OF_TWO                                                                                                 \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT: \"The input page_size can be any power of two value " \
	"and does not have to match the value given to VFIO_DEVICE_FEATURE_DMA_LOGGING_START.\" (vfio-user: \"and "  \
	"must be a power of two\")"
#define KERNEL_CHECKS                                                                                                  \
	"drivers/vfio/vfio_main.c, vfio_ioctl_device_feature_logging_start(): ranges that overlap (\"Range "           \
	"overlapping\") or do not end within the address space are refused before the driver sees them; linux/vfio.h " \
	"has no word on them"
#define NO_RANGES                                                                                                 \
	"drivers/vfio/vfio_main.c, vfio_ioctl_device_feature_logging_start(): num_ranges 0 is EINVAL (vfio-user " \
	"differs: \"A value of zero indicates that all writes should be logged.\")"
#define ONLY_SETS                                                                                               \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT: \"The LOGGING_REPORT will only set bits in the " \
	"bitmap and never clear or perform any initialization of the user provided bitmap.\""
#define OUTSIDE_ZERO                                                                                            \
	"vfio-user, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT: \"The bits outside of the requested range must be " \
	"zero.\""
#define INSIDE                                                                                                        \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_START: \"Each DMA that the device initiates inside the range " \
	"will be logged by the device for later retrieval.\" Of what is outside nothing is known, so to call it "     \
	"clean would be untrue"

#define ODD_PAGE           (3u * 4096)
#define FEATURE_HEAD_BYTES 8u /* of vfio-user */

static int start(struct trial *t, const struct gw_iova_range *ranges, uint32_t nr)
{
	return gw_raw_log_start(t->dev, ranges, nr, LOG_PAGE);
}

bool log_begin(struct trial *t)
{
	const struct gw_iova_range range = { .iova = LOG_BASE, .size_bytes = LOG_BYTES };
	int ret = start(t, &range, 1);

	return !ret || trial_skip(t, "logging is not started: %s", errno_name(ret));
}

static void starts(struct trial *t)
{
	const struct gw_iova_range range = { .iova = LOG_BASE, .size_bytes = LOG_BYTES };

	trial_did(t, "LOGGING_START of one range of 8 MiB");
	trial_done(t, start(t, &range, 1));
}

static void stops(struct trial *t)
{
	if (!log_begin(t))
		return;
	trial_did(t, "LOGGING_STOP after LOGGING_START");
	trial_done(t, gw_raw_log_stop(t->dev));
}

static void starts_again(struct trial *t)
{
	int ret;

	if (!log_begin(t))
		return;
	ret = gw_raw_log_stop(t->dev);
	if (ret)
		return (void)trial_skip(t, "logging is not stopped: %s", errno_name(ret));
	ret = start(t, &(struct gw_iova_range){ .iova = LOG_BASE, .size_bytes = LOG_BYTES / 2 }, 1);
	trial_did(t, "LOGGING_START after LOGGING_STOP");
	trial_done(t, ret);
}

static void double_start(struct trial *t)
{
	const struct gw_iova_range range = { .iova = LOG_BASE, .size_bytes = LOG_BYTES };

	if (!log_begin(t))
		return;
	trial_did(t, "LOGGING_START while logging");
	trial_refused(t, start(t, &range, 1), NULL);
}

static void idle_report(struct trial *t)
{
	uint64_t bits = 0;

	if (t->rule->value) {
		if (!log_begin(t))
			return;
		gw_raw_log_stop(t->dev);
	}
	trial_did(t, t->rule->value ? "LOGGING_REPORT after LOGGING_STOP" : "LOGGING_REPORT without LOGGING_START");
	trial_refused(t, gw_raw_log_report(t->dev, LOG_BASE, LOG_PAGE, LOG_PAGE, &bits), NULL);
}

/* Into room for 64 words, which is more than any answer needs: with less a server may refuse for that. */
static int report_odd(struct trial *t)
{
	uint64_t bits[64] = { 0 }, words[3] = { LOG_BASE, 4 * ODD_PAGE, ODD_PAGE };
	struct gw_raw_feature call = {
		.argsz = FEATURE_HEAD_BYTES + sizeof(words) + sizeof(bits),
		.flags = GW_RAW_LOG_REPORT | GW_RAW_GET,
		.data = words,
		.data_bytes = sizeof(words),
	};

	if (gw_raw_has_data_fd(t->dev))
		return gw_raw_log_report(t->dev, words[0], words[1], words[2], bits);
	return gw_raw_feature(t->dev, &call);
}

static void odd_page(struct trial *t)
{
	static const int codes[] = { -EINVAL, 0 };

	if (!log_begin(t))
		return;
	trial_did(t, "LOGGING_REPORT in pages of %u bytes", ODD_PAGE);
	trial_refused(t, report_odd(t), codes);
}

static void overlap(struct trial *t)
{
	const struct gw_iova_range ranges[] = {
		{ .iova = LOG_BASE, .size_bytes = LOG_BYTES / 2 },
		{ .iova = LOG_BASE + LOG_BYTES / 4, .size_bytes = LOG_BYTES / 2 },
	};

	trial_did(t, "LOGGING_START of two ranges that overlap");
	trial_refused(t, start(t, ranges, 2), NULL);
}

static void wraps(struct trial *t)
{
	const struct gw_iova_range range = { .iova = UINT64_MAX - LOG_PAGE + 1, .size_bytes = 2 * LOG_PAGE };

	trial_did(t, "LOGGING_START of a range that ends behind the end of the address space");
	trial_refused(t, start(t, &range, 1), NULL);
}

static void no_ranges(struct trial *t)
{
	trial_did(t, "LOGGING_START of no ranges");
	trial_refused(t, start(t, NULL, 0), NULL);
}

static void only_sets(struct trial *t)
{
	uint64_t bits[4];
	int ret;

	if (!log_begin(t))
		return;
	memset(bits, 0xff, sizeof(bits));
	ret = gw_raw_log_report(t->dev, LOG_BASE, sizeof(bits) * 8 * LOG_PAGE, LOG_PAGE, bits);
	trial_did(t, "LOGGING_REPORT into a bitmap of ones");
	if (ret)
		return (void)trial_skip(t, "%s", errno_name(ret));
	for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (bits[i] != UINT64_MAX)
			trial_fail(t, "all bits are still set", "word %u is 0x%llx", i, (unsigned long long)bits[i]);
}

static void outside_zero(struct trial *t)
{
	const unsigned nr = 3;
	uint64_t bits = 0;
	int ret;

	if (!log_begin(t))
		return;
	ret = gw_raw_log_report(t->dev, LOG_BASE, nr * t->rule->value, t->rule->value, &bits);
	trial_did(t, "LOGGING_REPORT of %u pages", nr);
	if (ret)
		trial_skip(t, "%s", errno_name(ret));
	else if (bits >> nr)
		trial_fail(t, "bits of 3 pages at most", "0x%llx", (unsigned long long)bits);
}

static void outside(struct trial *t)
{
	uint64_t bits = 0;
	int ret;

	if (!log_begin(t))
		return;
	ret = gw_raw_log_report(t->dev, LOG_BASE + 2 * LOG_BYTES, 64 * LOG_PAGE, LOG_PAGE, &bits);
	trial_did(t, "LOGGING_REPORT of 64 pages that are not logged");
	if (ret < 0)
		trial_refused(t, ret, NULL);
	else if (bits != UINT64_MAX)
		trial_fail(t, "an error, or 64 dirty pages", "bits 0x%llx", (unsigned long long)bits);
}

static const struct rule rules[] = {
	{ "log.start", "logging starts", GIVEN, NEED_DMA_LOG, starts },
	{ "log.stop", "logging stops", STOPPED, NEED_DMA_LOG, stops },
	{ "log.start-again", "logging starts again after it was stopped", ONE_START, NEED_DMA_LOG, starts_again },
	{ "log.double-start", "a start while logging is refused", ONE_START, NEED_DMA_LOG, double_start },
	{ "log.report-idle", "a report without a start is refused", ENABLED, NEED_DMA_LOG, idle_report },
	{ "log.report-stopped", "a report after the stop is refused", ENABLED, NEED_DMA_LOG, idle_report,
	  .value = true },
	{ "log.report-page-size", "a report in pages of no power of two is refused", POWER_OF_TWO, NEED_DMA_LOG,
	  odd_page },
	{ "log.overlap", "ranges that overlap are refused", KERNEL_CHECKS, NEED_DMA_LOG, overlap },
	{ "log.wraps", "a range that wraps is refused", KERNEL_CHECKS, NEED_DMA_LOG, wraps },
	{ "log.no-ranges", "a start without ranges is refused", NO_RANGES, NEED_DMA_LOG | NEED_DATA_FD, no_ranges },
	{ "log.only-sets", "a report only sets bits", ONLY_SETS, NEED_DMA_LOG | NEED_DATA_FD, only_sets },
	{ "log.outside-zero", "bits behind the range are 0", OUTSIDE_ZERO, NEED_DMA_LOG | NEED_VFIO_USER, outside_zero,
	  .value = 2 * LOG_PAGE },
	{ "log.outside", "a report of what is not logged is refused, or tells that all is dirty", INSIDE, NEED_DMA_LOG,
	  outside },
};

void rules_log(struct rule_list *list, uint32_t flags)
{
	rule_add_all(list, rules, sizeof(rules) / sizeof(rules[0]));
	rules_log_writes(list);
}
