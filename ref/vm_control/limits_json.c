/* SPDX-License-Identifier: BSD-3-Clause */
/* The limits of the command "migrate": a table of keys. */
#include "ref/vm_control/limits_json.h"

#include "ref/base/vm_thread.h"
#include "ref/vm/ref_vm.h"

#include <errno.h>
#include <string.h>

#define MAX_MS 1e12 /* thirty years, and no overflow in nanoseconds */

static int take_ms(uint64_t *limit_ns, const json_t *value)
{
	double ms = json_number_value(value);

	if (!json_is_number(value) || ms < 0 || ms > MAX_MS)
		return -EINVAL;
	*limit_ns = (uint64_t)(ms * (double)NS_PER_MS);
	return 0;
}

static int take_downtime(struct gw_limits *limits, const json_t *value)
{
	return take_ms(&limits->downtime_ns, value);
}

static int take_max_time(struct gw_limits *limits, const json_t *value)
{
	return take_ms(&limits->precopy_ns, value);
}

/* 0 is not "the default" here but what it says. */
static int take_reconnect(struct gw_limits *limits, const json_t *value)
{
	int ret = take_ms(&limits->reconnect_ns, value);

	if (!ret && !limits->reconnect_ns)
		limits->flags |= GW_NO_RECONNECT;
	return ret;
}

static int take_bandwidth(struct gw_limits *limits, const json_t *value)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return -EINVAL;
	limits->bandwidth = (uint64_t)json_integer_value(value);
	return 0;
}

static int take_u32(uint32_t *limit, const json_t *value, json_int_t most)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > most)
		return -EINVAL;
	*limit = (uint32_t)json_integer_value(value);
	return 0;
}

static int take_channels(struct gw_limits *limits, const json_t *value)
{
	return take_u32(&limits->nr_channels, value, GW_MAX_CHANNELS);
}

static int take_rounds(struct gw_limits *limits, const json_t *value)
{
	return take_u32(&limits->max_rounds, value, UINT32_MAX);
}

static int take_flag(struct gw_limits *limits, const json_t *value, uint32_t flag)
{
	if (!json_is_boolean(value))
		return -EINVAL;
	limits->flags |= json_is_true(value) ? flag : 0;
	return 0;
}

static int take_no_p2p(struct gw_limits *limits, const json_t *value)
{
	return take_flag(limits, value, GW_ALLOW_NO_P2P);
}

static int take_verify(struct gw_limits *limits, const json_t *value)
{
	return take_flag(limits, value, GW_VERIFY);
}

/* The index of a word in a list ended by NULL; -EINVAL if it is not there. */
static int find_word(const char *const *words, const json_t *value)
{
	const char *word = json_string_value(value);

	for (int i = 0; word && words[i]; i++)
		if (!strcmp(words[i], word))
			return i;
	return -EINVAL;
}

static int take_no_converge(struct gw_limits *limits, const json_t *value)
{
	int found = find_word(ref_vm_no_converge_names, value);

	if (found < 0)
		return found;
	limits->no_converge = (uint32_t)found;
	return 0;
}

static int take_dry_run(struct gw_limits *limits, const json_t *value)
{
	static const char *const words[] = { "compare", "precopy", NULL };
	int found = find_word(words, value);

	if (found < 0)
		return found;
	limits->flags |= found ? GW_REHEARSE : GW_DRY_RUN;
	return 0;
}

static const struct limit_key {
	const char *key;
	int (*take)(struct gw_limits *limits, const json_t *value);
	const char *shape;
} keys[] = {
	{ "downtime_ms", take_downtime, "a number of milliseconds" },
	{ "bandwidth_bytes_per_s", take_bandwidth, "a whole number" },
	{ "channels", take_channels, "a whole number up to 32" },
	{ "max_rounds", take_rounds, "a whole number" },
	{ "max_time_ms", take_max_time, "a number of milliseconds" },
	{ "reconnect_ms", take_reconnect, "a number of milliseconds" },
	{ "no_converge", take_no_converge, "\"wait\", \"throttle\" or \"cancel\"" },
	{ "dry_run", take_dry_run, "\"compare\" or \"precopy\"" },
	{ "allow_no_p2p", take_no_p2p, "true or false" },
	{ "verify", take_verify, "true or false" },
};

static const struct limit_key *find_key(const char *key)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(keys[i].key, key))
			return &keys[i];
	return NULL;
}

int limits_json(const json_t *json, struct gw_limits *limits, struct gw_error *e)
{
	const char *name;
	json_t *value;

	*limits = (struct gw_limits){ .size = sizeof(*limits) };
	if (json && !json_is_object(json))
		return gw_error_set(e, -EINVAL, "limits", "must be an object");
	json_object_foreach((json_t *)json, name, value)
	{
		const struct limit_key *key = find_key(name);

		if (!key)
			return gw_error_set(e, -EINVAL, "limits", "there is no limit \"%s\"", name);
		if (key->take(limits, value))
			return gw_error_set(e, -EINVAL, "limits", "%s must be %s", name, key->shape);
	}
	return 0;
}
