/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules about VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, the size of what is still to be read once the device is stopped. */
#include "rule_state.h"
#include "stream.h"

#define MAX_STEPS 64u /* questions of one trial */

#define EACH_STATE                                                                                                   \
	"linux/vfio.h (since 6.2), VFIO_DEVICE_FEATURE_MIG_DATA_SIZE: \"Upon VFIO_DEVICE_FEATURE_GET read back the " \
	"estimated data length that will be required to complete stop copy. Note: Can be called on each device "     \
	"state.\""

static int ask(struct trial *t, uint64_t *bytes)
{
	uint64_t data = 0;
	struct gw_raw_feature call = {
		.flags = GW_RAW_MIG_DATA_SIZE | GW_RAW_GET,
		.data = &data,
		.data_bytes = sizeof(data),
	};
	int ret;

	trial_did(t, "GET of MIG_DATA_SIZE in %s", gw_device_state_name(t->at));
	ret = gw_raw_feature(t->dev, &call);
	*bytes = data;
	return ret;
}

/* That it is told is the matter of size.told. */
static bool ask_or_skip(struct trial *t, uint64_t *bytes)
{
	int ret = ask(t, bytes);

	return !ret || trial_skip(t, "GET of MIG_DATA_SIZE in %s: %s", gw_device_state_name(t->at), errno_name(ret));
}

static void told(struct trial *t)
{
	uint64_t bytes;

	if (trial_go(t, t->rule->from))
		trial_done(t, ask(t, &bytes));
}

/* Pre-copy is over when it is asked there: what can be read now is no part of it. */
static bool precopy(struct trial *t)
{
	struct image image = { 0 };
	ssize_t n;

	if (t->rule->from != GW_STATE_PRE_COPY)
		return true;
	n = stream_read_some(t, &image, CHECK_IMAGE_MAX_BYTES);
	image_free(&image);
	return n >= 0 || trial_skip(t, "%s: %s", t->did, errno_name((int)n));
}

static void covers(struct trial *t)
{
	const char *state = gw_device_state_name(t->rule->from);
	struct image image = { 0 };
	uint64_t bytes;
	int ret;

	if (!trial_go(t, t->rule->from) || !precopy(t) || !ask_or_skip(t, &bytes) || !trial_go(t, GW_STATE_STOP_COPY))
		return;
	ret = stream_read_rest(t, &image, &stream_plain);
	if (ret)
		trial_skip(t, "%s: %s", t->did, errno_name(ret));
	trial_did(t, "GET of MIG_DATA_SIZE in %s, then all read in STOP_COPY", state);
	if (image.size_bytes > bytes)
		trial_fail(t, "a size that is not exceeded", "%zu bytes were read, %llu were told", image.size_bytes,
			   (unsigned long long)bytes);
	image_free(&image);
}

static void never_grows(struct trial *t)
{
	struct image image = { 0 };
	uint64_t before, now;
	bool goes_on;

	goes_on = trial_go(t, GW_STATE_STOP_COPY) && ask_or_skip(t, &before);
	for (unsigned i = 0; goes_on && i < MAX_STEPS && before; i++) {
		uint64_t part = before / 8 + 1;
		ssize_t n = stream_read_some(t, &image, part < STREAM_LARGE_BYTES ? part : STREAM_LARGE_BYTES);

		if (n < 0)
			trial_skip(t, "%s: %s", t->did, errno_name((int)n));
		goes_on = n > 0 && ask_or_skip(t, &now);
		if (goes_on && now > before)
			goes_on = trial_fail(t, "the size does not grow while data is read",
					     "%llu after %llu, with %zu bytes read", (unsigned long long)now,
					     (unsigned long long)before, image.size_bytes);
		before = now;
	}
	image_free(&image);
	stream_drop(t);
}

void rules_size(struct rule_list *list, uint32_t flags)
{
	static const uint32_t all[] = { GW_STATE_RUNNING,      GW_STATE_STOP,        GW_STATE_STOP_COPY,
					GW_STATE_RESUMING,     GW_STATE_RUNNING_P2P, GW_STATE_PRE_COPY,
					GW_STATE_PRE_COPY_P2P, RULE_STATE_ENDS };
	static const uint32_t before_read[] = { GW_STATE_STOP, GW_STATE_STOP_COPY, GW_STATE_PRE_COPY, RULE_STATE_ENDS };
	static const struct rule each = { "size.told", "the stop-copy size is told", EACH_STATE, NEED_STOP_SIZE, told };
	static const struct rule cover = { "size.covers", "the stop-copy size is not less than what is then read",
					   EACH_STATE, NEED_STOP_SIZE, covers };
	static const struct rule grows = { "size.never-grows", "the stop-copy size does not grow while it is read",
					   EACH_STATE, NEED_STOP_SIZE, never_grows };

	rule_add_for_states(list, &each, all);
	rule_add_for_states(list, &cover, before_read);
	rule_add(list, &grows);
}
