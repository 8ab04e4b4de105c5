/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules about what the log says of what the device has written. A device may log in larger pages than it was asked for,
 * so of a page that was not written nothing is demanded, but where nothing at all was.
 */
#include "rule_state.h"
#include "rules_log.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>

#define LOGGED                                                                                                        \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_START: \"Each DMA that the device initiates inside the range " \
	"will be logged by the device for later retrieval.\""
#define CLEARED                                                                                                 \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT: \"Query the device's DMA log for written pages " \
	"within the given IOVA range. During querying the log is cleared for the IOVA range.\""
#define ANY_PAGE                                                                                                  \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT: \"The driver will format its internal logging to " \
	"match the reporting page size, possibly by replicating bits if the internal page size is lower than "    \
	"requested.\""
#define RANGES                                                                                              \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_START: \"ranges is a pointer to an array of struct " \
	"vfio_device_feature_dma_logging_range.\""
#define STARTED                                                                                                    \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_START: \"DMA logging allows a device to internally record " \
	"what DMAs the device is initiating and report them back to userspace.\" It was not recording before"
#define NOT_CONNECTED                                                                                             \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_START: \"Only DMA WRITEs are logged, and this API is not " \
	"connected to VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE.\""
#define ALL_LOGGED                                                                                                 \
	"vfio-user, VFIO_DEVICE_FEATURE_DMA_LOGGING_START: \"A value of zero indicates that all writes should be " \
	"logged.\""

#define WRITTEN_AT (LOG_BASE + (5ull << 20) + 0x3008) /* no page's first byte, and no bitmap's first word */

static bool write_at(struct trial *t, uint64_t iova)
{
	int ret = trial_write_guest(t, iova);

	return !ret || trial_skip(t, "the device does not write guest memory: %s", errno_name(ret));
}

static bool begin(struct trial *t, const struct gw_iova_range *ranges, uint32_t nr, uint64_t page_size)
{
	int ret = gw_raw_log_start(t->dev, ranges, nr, page_size);

	return !ret || trial_skip(t, "logging is not started: %s", errno_name(ret));
}

/* A report as a rule reads it: whether the page at iova is set, and whether any is. */
struct told {
	bool page, any;
};

static int report(struct trial *t, uint64_t from, uint64_t size_bytes, uint64_t page_size, uint64_t iova,
		  struct told *told)
{
	size_t nr = (size_t)((size_bytes - 1) / page_size + 1), words = (nr + 63) / 64;
	uint64_t *bits = calloc(words, sizeof(*bits));
	size_t page = (size_t)((iova - from) / page_size);
	int ret;

	*told = (struct told){ 0 };
	if (!bits)
		return -ENOMEM;
	ret = gw_raw_log_report(t->dev, from, size_bytes, page_size, bits);
	if (!ret)
		told->page = iova >= from && page < nr && bits[page / 64] >> page % 64 & 1;
	for (size_t i = 0; !ret && i < words; i++)
		told->any = told->any || bits[i];
	free(bits);
	return ret;
}

static int report_all(struct trial *t, uint64_t page_size, struct told *told)
{
	return report(t, LOG_BASE, LOG_BYTES, page_size, WRITTEN_AT, told);
}

/*
 * A report did not tell what it should. The trial fails if a plain one does: a log of 4 KiB pages, just begun, and
 * asked for as a whole. If that does not either, log.written is about it.
 */
static void blame(struct trial *t, int ret, const struct told *told)
{
	struct trial plain = *t;
	struct told now = { 0 };

	gw_raw_log_stop(t->dev);
	if (t->at != GW_STATE_RUNNING && !gw_raw_reset(t->dev))
		t->at = GW_STATE_RUNNING;
	if (!log_begin(&plain) || !write_at(&plain, WRITTEN_AT))
		trial_skip(t, "%s", plain.came);
	else if (report_all(&plain, LOG_PAGE, &now) || !now.page)
		trial_skip(t, "a written page is not reported at all: see log.written");
	else if (ret)
		trial_done(t, ret);
	else
		trial_fail(t, "the page that was written is set", "it is not%s", told->any ? ", and another is" : "");
}

/* What a report has said, judged: the page that was written has to be set. */
static bool must_tell(struct trial *t, int ret, const struct told *told)
{
	if (!ret && told->page)
		return true;
	blame(t, ret, told);
	return false;
}

/* What is told before it is due: taken out of the log, with no verdict. */
static bool take_report(struct trial *t)
{
	struct told told;
	int ret = report_all(t, LOG_PAGE, &told);

	if (ret)
		return trial_skip(t, "LOGGING_REPORT: %s", errno_name(ret));
	return told.page || trial_skip(t, "a written page is not reported at all: see log.written");
}

static void must_be_clean(struct trial *t, uint64_t page_size, const char *when)
{
	struct told told;
	int ret = report_all(t, page_size, &told);

	trial_did(t, "LOGGING_REPORT of 8 MiB, %s", when);
	if (ret)
		trial_skip(t, "LOGGING_REPORT: %s", errno_name(ret));
	else if (told.any)
		trial_fail(t, "no page is set", told.page ? "the page is set" : "another page is set");
}

static void written(struct trial *t)
{
	struct told told;
	int ret;

	if (!log_begin(t) || !write_at(t, WRITTEN_AT))
		return;
	ret = report_all(t, LOG_PAGE, &told);
	trial_did(t, "LOGGING_REPORT of 8 MiB, after the device has written there");
	if (trial_done(t, ret) && !told.page)
		trial_fail(t, "the page that was written is set", "it is not%s", told.any ? ", and another is" : "");
}

static void told_once(struct trial *t)
{
	if (log_begin(t) && write_at(t, WRITTEN_AT) && take_report(t))
		must_be_clean(t, LOG_PAGE, "after a report, with nothing written since");
}

static void written_again(struct trial *t)
{
	struct told told;
	int ret;

	if (!log_begin(t) || !write_at(t, WRITTEN_AT) || !take_report(t) || !write_at(t, WRITTEN_AT))
		return;
	ret = report_all(t, t->rule->value, &told);
	trial_did(t, "LOGGING_REPORT of 8 MiB, after a report and another write of the same page");
	must_tell(t, ret, &told);
}

static void clean_at_first(struct trial *t)
{
	if (write_at(t, WRITTEN_AT) && log_begin(t))
		must_be_clean(t, t->rule->value, "with a write before the start and none since");
}

static void clean_again(struct trial *t)
{
	int ret;

	if (!log_begin(t) || !write_at(t, WRITTEN_AT))
		return;
	ret = gw_raw_log_stop(t->dev);
	if (ret)
		return (void)trial_skip(t, "logging is not stopped: %s", errno_name(ret));
	if (log_begin(t))
		must_be_clean(t, t->rule->value, "after a write, LOGGING_STOP and LOGGING_START");
}

/* value: the page size. The bit is that of the page, counted from where the report begins. */
static void page_size(struct trial *t)
{
	const struct gw_iova_range range = { .iova = LOG_BASE, .size_bytes = LOG_BYTES };
	struct told told;
	int ret;

	if (!begin(t, &range, 1, t->rule->value) || !write_at(t, WRITTEN_AT))
		return;
	ret = report_all(t, t->rule->value, &told);
	trial_did(t, "LOGGING_REPORT of 8 MiB in pages of %llu KiB, after a write",
		  (unsigned long long)t->rule->value >> 10);
	must_tell(t, ret, &told);
}

/* Asked for in other pages than it was started with. */
static void other_page(struct trial *t)
{
	struct told told;
	int ret;

	if (!log_begin(t) || !write_at(t, WRITTEN_AT))
		return;
	ret = report_all(t, t->rule->value, &told);
	trial_did(t, "LOGGING_REPORT in pages of %llu KiB of a log started with 4 KiB, after a write",
		  (unsigned long long)t->rule->value >> 10);
	must_tell(t, ret, &told);
}

/* Two pages far apart are written, and each part tells of its own. */
static void part(struct trial *t)
{
	const uint64_t half = LOG_BYTES / 2, low = LOG_BASE + 0x10000;
	struct told told;
	int ret;

	if (!log_begin(t) || !write_at(t, low) || !write_at(t, WRITTEN_AT))
		return;
	ret = report(t, LOG_BASE, half, t->rule->value, low, &told);
	trial_did(t, "LOGGING_REPORT of the lower half of the range, after a write in each half");
	if (!must_tell(t, ret, &told))
		return;
	ret = report(t, LOG_BASE + half, half, t->rule->value, WRITTEN_AT, &told);
	trial_did(t, "LOGGING_REPORT of the upper half of the range, after one of the lower");
	must_tell(t, ret, &told);
}

static void two_ranges(struct trial *t)
{
	const struct gw_iova_range ranges[] = {
		{ .iova = LOG_BASE + LOG_BYTES * 4, .size_bytes = LOG_BYTES },
		{ .iova = LOG_BASE + LOG_BYTES * 2, .size_bytes = LOG_BYTES },
	};

	if (!begin(t, ranges, 2, LOG_PAGE))
		return;
	for (unsigned i = 0; i < 2 && t->verdict == VERDICT_NONE; i++) {
		uint64_t iova = ranges[i].iova + 0x5000;
		struct told told;
		int ret;

		if (!write_at(t, iova))
			return;
		ret = report(t, ranges[i].iova, ranges[i].size_bytes, t->rule->value, iova, &told);
		trial_did(t, "LOGGING_REPORT of range %u of two, after a write there", i + 1);
		must_tell(t, ret, &told);
	}
}

/* Written while it runs; asked when it is stopped and its state is being saved, which is when it counts. */
static void over_states(struct trial *t)
{
	bool has_precopy = t->info.migration_flags & GW_MIGRATION_PRE_COPY;
	struct told told;
	int ret;

	if (!log_begin(t) || (has_precopy && !trial_go(t, GW_STATE_PRE_COPY)) || !write_at(t, WRITTEN_AT) ||
	    !trial_go(t, GW_STATE_STOP_COPY))
		return;
	ret = report_all(t, t->rule->value, &told);
	trial_did(t, "LOGGING_REPORT of 8 MiB in STOP_COPY, after a write in %s", has_precopy ? "PRE_COPY" : "RUNNING");
	must_tell(t, ret, &told);
}

static void all_memory(struct trial *t)
{
	uint64_t from = WRITTEN_AT - WRITTEN_AT % t->rule->value;
	struct told told;
	int ret;

	if (!begin(t, NULL, 0, LOG_PAGE) || !write_at(t, WRITTEN_AT))
		return;
	ret = report(t, from, t->rule->value, t->rule->value, WRITTEN_AT, &told);
	trial_did(t, "LOGGING_REPORT of a page that was written, after LOGGING_START without ranges");
	must_tell(t, ret, &told);
}

#define NEEDS (NEED_DMA_LOG | NEED_WRITER)
#define KIB   1024u

/* value: the page size of the report that counts, "any power of two value". */
static const struct rule rules[] = {
	{ "log.written", "a page that the device has written is reported", LOGGED, NEEDS, written },
	{ "log.told-once", "a page is reported once", CLEARED, NEEDS, told_once },
	{ "log.written-again", "a page that is written again is reported again", LOGGED, NEEDS, written_again,
	  .value = 4096 * KIB },
	{ "log.clean-at-first", "what was written before the start is not reported", STARTED, NEEDS, clean_at_first,
	  .value = 512 * KIB },
	{ "log.clean-again", "after a stop and a start nothing is reported of before", STARTED, NEEDS, clean_again,
	  .value = 1024 * KIB },
	{ "log.page-size.64K", "pages of 64 KiB are logged and reported", ANY_PAGE, NEEDS, page_size,
	  .value = 64 * KIB },
	{ "log.page-size.2M", "pages of 2 MiB are logged and reported", ANY_PAGE, NEEDS, page_size,
	  .value = 2048 * KIB },
	{ "log.other-page-size", "a log is reported in larger pages than it was started with", ANY_PAGE, NEEDS,
	  other_page, .value = 128 * KIB },
	{ "log.part", "a report of a part tells of that part, and leaves the rest", CLEARED, NEEDS, part,
	  .value = 8 * KIB },
	{ "log.two-ranges", "two ranges are logged", RANGES, NEEDS, two_ranges, .value = 16 * KIB },
	{ "log.over-states", "logging goes on while the device is migrated", NOT_CONNECTED, NEEDS, over_states,
	  .value = 32 * KIB },
	{ "log.all-memory", "a start without ranges logs all memory", ALL_LOGGED, NEEDS | NEED_VFIO_USER, all_memory,
	  .value = 256 * KIB },
};

void rules_log_writes(struct rule_list *list)
{
	rule_add_all(list, rules, sizeof(rules) / sizeof(rules[0]));
}
