/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VFIO_DEVICE_FEATURE: which features there are, and the forms of asking for them. Of a rule, `from` is the feature's
 * number, `to` the operations asked for, `value` the argsz. Refusals are held to an errno only where there is a
 * sentence that names one, or clients that tell by it.
 */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define GET        GW_RAW_GET
#define SET        GW_RAW_SET
#define PROBE      GW_RAW_PROBE
#define HEAD_BYTES 8

#define UNKNOWN_FEATURE 0xfff0u /* of no kernel's, and not the extension's */
#define UNDEFINED_FLAG  (1u << 19)

#define PROBED                                                                                                    \
	"linux/vfio.h, VFIO_DEVICE_FEATURE: \"Probing a feature will return success if the feature is supported " \
	"and all of the optionally indicated GET/SET methods are supported.\""
#define EXCLUSIVE \
	"linux/vfio.h, VFIO_DEVICE_FEATURE: \"GET and SET are mutually exclusive, except for use with PROBE.\""
#define METHODS                                                                                                     \
	"linux/vfio.h, VFIO_DEVICE_FEATURE: \"A probe may optionally include the GET and/or SET bits to determine " \
	"read vs write access of the feature respectively.\""

static const struct feature {
	uint32_t number;
	const char *name;
	uint32_t methods;
	bool optional;
} features[] = {
	{ GW_RAW_MIGRATION, "MIGRATION", GET, false },
	{ GW_RAW_MIG_DEVICE_STATE, "MIG_DEVICE_STATE", GET | SET, false },
	{ GW_RAW_MIG_DATA_SIZE, "MIG_DATA_SIZE", GET, true },
	{ GW_RAW_LOG_START, "DMA_LOGGING_START", SET, true },
	{ GW_RAW_LOG_STOP, "DMA_LOGGING_STOP", SET, true },
	{ GW_RAW_LOG_REPORT, "DMA_LOGGING_REPORT", GET, true },
};

#define NR_FEATURES (sizeof(features) / sizeof(features[0]))

static const char *feature_name(uint32_t number)
{
	for (unsigned i = 0; i < NR_FEATURES; i++)
		if (features[i].number == number)
			return features[i].name;
	return "feature";
}

static const char *operations_name(uint32_t operations)
{
	static const char *const names[] = {
		"none of GET, SET, PROBE", "GET", "SET", "GET|SET", "PROBE", "PROBE|GET", "PROBE|SET", "PROBE|GET|SET"
	};

	return names[operations >> 16 & 7];
}

/* One call; zeros go with it where the caller has no data of its own. argsz 0: what is right. */
static int ask(struct trial *t, uint32_t flags, uint32_t argsz, void *data, uint32_t data_bytes, uint32_t *got)
{
	struct gw_raw_feature call = { .argsz = argsz, .flags = flags, .data = data, .data_bytes = data_bytes };
	uint32_t number = flags & 0xffff;
	int ret;

	trial_did(t, "VFIO_DEVICE_FEATURE %s (%u), %s, argsz %u", feature_name(number), number, operations_name(flags),
		  argsz ? argsz : HEAD_BYTES + data_bytes);
	ret = gw_raw_feature(t->dev, &call);
	if (got)
		*got = call.got_bytes;
	return ret;
}

static bool is_there(struct trial *t, uint32_t number)
{
	return ask(t, number | PROBE, 0, NULL, 0, NULL) >= 0 ||
	       trial_skip(t, "a PROBE says that the device has no %s", feature_name(number));
}

static void probe_alone(struct trial *t)
{
	trial_done(t, ask(t, t->rule->from | PROBE, 0, NULL, 0, NULL));
}

static void probe_method(struct trial *t)
{
	if (is_there(t, t->rule->from))
		trial_done(t, ask(t, t->rule->from | t->rule->to | PROBE, 0, NULL, 0, NULL));
}

static void probe_no_method(struct trial *t)
{
	if (is_there(t, t->rule->from))
		trial_refused(t, ask(t, t->rule->from | t->rule->to | PROBE, 0, NULL, 0, NULL), NULL);
}

/* With more data than any of these features has. */
static void use_no_method(struct trial *t)
{
	uint8_t data[GW_RAW_FEATURE_BYTES] = { 0 };

	if (is_there(t, t->rule->from))
		trial_refused(t, ask(t, t->rule->from | t->rule->to, 0, data, sizeof(data), NULL), NULL);
}

/* Data is left out: refused; a vfio-user server may also answer with a head alone, whose argsz says what it takes. */
static void ask_short(struct trial *t)
{
	uint32_t got = 0;
	int ret;

	if (!is_there(t, t->rule->from))
		return;
	ret = ask(t, t->rule->from | t->rule->to, (uint32_t)t->rule->value, NULL, 0, &got);
	if (ret < 0 || strcmp(t->info.backend, "vfio-user"))
		trial_refused(t, ret, NULL);
	else if (got)
		trial_fail(t, "an error, or a reply without data", "%u bytes of data", got);
}

/* A request that must not move the device, whatever its answer is. */
static void set_short(struct trial *t)
{
	if (trial_refused(t, ask(t, t->rule->from | t->rule->to, HEAD_BYTES, NULL, 0, NULL), NULL))
		trial_is_in(t, GW_STATE_RUNNING);
}

static void ask_refused(struct trial *t)
{
	uint32_t data[2] = { GW_STATE_RUNNING, UINT32_MAX };

	trial_refused(t, ask(t, t->rule->from | t->rule->to, (uint32_t)t->rule->value, data, sizeof(data), NULL), NULL);
}

static void unknown_feature(struct trial *t)
{
	static const int of_kernel[] = { -ENOTTY, 0 }, of_server[] = { -ENOTTY, -EINVAL, 0 };
	int ret = ask(t, UNKNOWN_FEATURE | PROBE, 0, NULL, 0, NULL);

	trial_refused(t, ret, strcmp(t->info.backend, "vfio-user") ? of_kernel : of_server);
}

/* In STOP, so that a device that resets itself shows too. */
static void probe_set_moves_nothing(struct trial *t)
{
	uint32_t data[2] = { GW_STATE_RUNNING, UINT32_MAX };

	if (!trial_go(t, GW_STATE_STOP))
		return;
	if (ask(t, GW_RAW_MIG_DEVICE_STATE | PROBE | SET, 0, data, sizeof(data), NULL) < 0)
		trial_skip(t, "PROBE|SET is refused");
	else
		trial_is_in(t, GW_STATE_STOP);
}

static void migration_flags(struct trial *t)
{
	static const uint64_t known = GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY;
	uint64_t flags = 0;
	uint32_t got = 0;
	int ret = ask(t, GW_RAW_MIGRATION | GET, 0, &flags, sizeof(flags), &got);

	if (!trial_done(t, ret))
		return;
	if (got != sizeof(flags))
		trial_fail(t, "8 bytes of flags", "%u bytes", got);
	else if (!(flags & GW_MIGRATION_STOP_COPY) || flags & ~known)
		trial_fail(t, "STOP_COPY (1), beside it P2P (2), PRE_COPY (4) or both", "flags 0x%llx",
			   (unsigned long long)flags);
}

static void log_all_or_none(struct trial *t)
{
	int start = ask(t, GW_RAW_LOG_START | PROBE, 0, NULL, 0, NULL);
	int stop = ask(t, GW_RAW_LOG_STOP | PROBE, 0, NULL, 0, NULL);
	int report = ask(t, GW_RAW_LOG_REPORT | PROBE, 0, NULL, 0, NULL);

	trial_did(t, "PROBE of DMA_LOGGING_START, STOP and REPORT");
	if (start != stop || stop != report)
		trial_fail(t, "the same answer to all three", "%s, %s, %s", start ? errno_name(start) : "success",
			   stop ? errno_name(stop) : "success", report ? errno_name(report) : "success");
}

static void size_probe_agrees(struct trial *t)
{
	uint64_t bytes = 0;
	int probed = ask(t, GW_RAW_MIG_DATA_SIZE | PROBE, 0, NULL, 0, NULL);
	int ret = ask(t, GW_RAW_MIG_DATA_SIZE | GET, 0, &bytes, sizeof(bytes), NULL);

	trial_did(t, "PROBE, then GET of MIG_DATA_SIZE");
	if (!probed != !ret)
		trial_fail(t, "the same answer to both", "PROBE: %s, GET: %s", probed ? errno_name(probed) : "success",
			   ret ? errno_name(ret) : "success");
}

static void info_v2_is_settable(struct trial *t)
{
	if (ask(t, GW_RAW_PRECOPY_INFO_V2 | PROBE, 0, NULL, 0, NULL) < 0)
		trial_skip(t, "a PROBE says that the device has no MIG_PRECOPY_INFOv2");
	else if (trial_done(t, ask(t, GW_RAW_PRECOPY_INFO_V2 | PROBE | SET, 0, NULL, 0, NULL)))
		trial_refused(t, ask(t, GW_RAW_PRECOPY_INFO_V2 | PROBE | GET, 0, NULL, 0, NULL), NULL);
}

#define ARGSZ                                                                                                        \
	"linux/vfio.h: \"It's *always* the caller's responsibility to indicate the size of the structure passed by " \
	"setting argsz appropriately.\""

#define ROOM                                                                                                          \
	ARGSZ " vfio-user, Message sizes: where more is needed \"the full payload is not included in the reply, but " \
	      "the "                                                                                                  \
	      "argsz field in the reply indicates the needed size\""

static const struct rule fixed[] = {
	{
		.name = "feature.MIGRATION-flags",
		.text = "the migration flags are STOP_COPY, alone or with P2P, PRE_COPY or both",
		.source = "linux/vfio.h, VFIO_DEVICE_FEATURE_MIGRATION: \"at least VFIO_MIGRATION_STOP_COPY must be "
			  "set\", \"Other combinations of flags have behavior to be defined in the future.\"",
		.run = migration_flags,
	},
	{
		.name = "feature.unknown",
		.text = "a feature that nobody has is ENOTTY; of a vfio-user server also EINVAL",
		.source = "the kernel answers ENOTTY, by which clients tell a feature that is missing from one that "
			  "fails; libvfio-user answers EINVAL, the vfio-user specification is silent",
		.run = unknown_feature,
	},
	{
		.name = "feature.argsz-below-head",
		.text = "an argsz smaller than the head of the request is refused",
		.source = ARGSZ,
		.run = ask_refused,
		.from = GW_RAW_MIGRATION,
		.to = GET,
		.value = HEAD_BYTES / 2,
	},
	{
		.name = "feature.no-operation",
		.text = "a request with none of GET, SET and PROBE is refused",
		.source = METHODS " Without PROBE there is nothing that such a request asks for; the kernel answers "
				  "EINVAL.",
		.run = ask_refused,
		.from = GW_RAW_MIG_DEVICE_STATE,
	},
	{
		.name = "feature.GET-and-SET",
		.text = "a request with GET and SET, and without PROBE, is refused",
		.source = EXCLUSIVE,
		.run = ask_refused,
		.from = GW_RAW_MIG_DEVICE_STATE,
		.to = GET | SET,
	},
	{
		.name = "feature.undefined-flag",
		.text = "a request with a flag that is not defined is refused",
		.source = "linux/vfio.h: \"flag bits will be defined to indicate additional fields with valid data.\" "
			  "One "
			  "that is not defined is in use by nobody; the kernel answers EINVAL.",
		.run = ask_refused,
		.from = GW_RAW_MIGRATION,
		.to = GET | UNDEFINED_FLAG,
	},
	{
		.name = "feature.SET-MIG_DEVICE_STATE-short",
		.text = "SET of a state without the state is refused, and the device stays where it is",
		.source = ARGSZ,
		.run = set_short,
		.from = GW_RAW_MIG_DEVICE_STATE,
		.to = SET,
	},
	{
		.name = "feature.probe-SET-moves-nothing",
		.text = "PROBE|SET of MIG_DEVICE_STATE does not move the device, whatever state is in its data",
		.source = "linux/vfio.h, VFIO_DEVICE_FEATURE: \"The data portion is not required for probing.\"",
		.run = probe_set_moves_nothing,
	},
	{
		.name = "feature.log-all-or-none",
		.text = "DMA_LOGGING_START, STOP and REPORT are there together or not at all",
		.source = "linux/vfio.h, DMA_LOGGING_START: \"A single call to start device DMA logging can be issued "
			  "and a "
			  "matching stop should follow at the end.\"",
		.run = log_all_or_none,
	},
	{
		.name = "feature.MIG_DATA_SIZE-agrees",
		.text = "MIG_DATA_SIZE can be got if a PROBE says so, and only then",
		.source = PROBED,
		.run = size_probe_agrees,
	},
	{
		.name = "feature.MIG_PRECOPY_INFOv2",
		.text = "MIG_PRECOPY_INFOv2, where it is there, can be SET and not be got",
		.source = "linux/vfio.h (7.1), MIG_PRECOPY_INFOv2: a SET without data opts in",
		.needs = NEED_DATA_FD | NEED_PRECOPY,
		.run = info_v2_is_settable,
	},
};

/* For each method that a feature may have or lack: what a probe of it says, and what asking for it does. */
static const struct form {
	const char *prefix;
	uint32_t operations;
	bool has_method; /* the rule is about features that have it */
	const char *source;
	struct rule like;
} forms[] = {
	{ "probe-GET", GET, true, PROBED, { .text = "a PROBE with the method GET succeeds", .run = probe_method } },
	{ "probe-SET", SET, true, PROBED, { .text = "a PROBE with the method SET succeeds", .run = probe_method } },
	{ "probe-GET",
	  GET,
	  false,
	  PROBED,
	  { .text = "a PROBE with GET is refused: it cannot be got", .run = probe_no_method } },
	{ "probe-SET",
	  SET,
	  false,
	  PROBED,
	  { .text = "a PROBE with SET is refused: it cannot be set", .run = probe_no_method } },
	{ "GET", GET, false, METHODS, { .text = "GET is refused: it can only be set", .run = use_no_method } },
	{ "SET", SET, false, METHODS, { .text = "SET is refused: it can only be got", .run = use_no_method } },
};

static void add(struct rule_list *list, const struct rule *like, const struct feature *feature, const char *prefix,
		uint32_t operations, const char *source)
{
	struct rule rule = *like;

	snprintf(rule.name, sizeof(rule.name), "feature.%s-%s", prefix, feature->name);
	rule.source = source;
	rule.from = feature->number;
	rule.to = operations;
	rule_add(list, &rule);
}

static void add_forms(struct rule_list *list, const struct feature *feature)
{
	static const struct rule alone = { .text = "a PROBE alone succeeds", .run = probe_alone };
	static const struct rule both = { .text = "a PROBE with GET and SET succeeds", .run = probe_method };
	static const struct rule without_room = { .text = "GET without room for the data is refused, or has no data",
						  .run = ask_short,
						  .value = HEAD_BYTES };

	if (!feature->optional)
		add(list, &alone, feature, "probe", 0, PROBED);
	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (forms[i].has_method == !!(feature->methods & forms[i].operations))
			add(list, &forms[i].like, feature, forms[i].prefix, forms[i].operations, forms[i].source);
	if (feature->methods == (GET | SET))
		add(list, &both, feature, "probe-GET-SET", GET | SET, PROBED);
	if (feature->methods & GET && feature->number != GW_RAW_LOG_REPORT)
		add(list, &without_room, feature, "GET-short", GET, ROOM);
}

void rules_feature(struct rule_list *list, uint32_t flags)
{
	for (unsigned i = 0; i < NR_FEATURES; i++)
		add_forms(list, &features[i]);
	for (unsigned i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		rule_add(list, &fixed[i]);
}
