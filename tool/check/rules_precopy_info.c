/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules about VFIO_MIG_GET_PRECOPY_INFO; a vfio-user device has it by godwit's extension. */
#include "rule_state.h"
#include "rules_precopy.h"
#include "stream.h"

#include <errno.h>

#define MAX_STEPS    64u        /* questions of one trial */
#define STRANGE_FLAG (1u << 31) /* a bit that nobody has defined */
#define SHORT_ARGSZ  16u        /* without dirty_bytes */
#define FULL_ARGSZ   24u

/* Of vfio-user and doc/vfio-user-extension.md. */
#define FEATURE_HEAD_BYTES     8u
#define EXTENSION_PRECOPY_INFO 0x6701u

#define MANDATORY                                                                                 \
	PRECOPY_INFO_PLACE "\"Support for this ioctl is mandatory if a driver claims to support " \
			   "VFIO_MIGRATION_PRE_COPY.\""
#define ONLY_PRECOPY                                                                                                \
	PRECOPY_INFO_PLACE "\"This ioctl is valid only in PRE_COPY states and kernel driver should return -EINVAL " \
			   "from any other migration state.\""
#define INITIAL                                                                                                   \
	PRECOPY_INFO_PLACE "\"This field should have a non-zero initial value and decrease as migration data is " \
			   "read from the device.\""
#define DIRTY                                                                                                       \
	PRECOPY_INFO_PLACE "\"The dirty_bytes field tracks device state changes relative to data previously "       \
			   "retrieved. This field starts at zero and may increase as the internal device state is " \
			   "modified or decrease as that modified state is read from the device.\""
#define TEMPORARY_END                                                                                \
	PRECOPY_INFO_PLACE                                                                           \
	"\"During pre-copy the migration data FD has a temporary \"end of stream\" that is reached " \
	"when both initial_bytes and dirty_byte are zero.\""
#define ARGSZ                                                                                                      \
	"linux/vfio.h, on top: \"It's *always* the caller's responsibility to indicate the size of the structure " \
	"passed by setting argsz appropriately.\""
#define FLAGS_V1                                                                                                \
	"linux/vfio.h (since 7.1), VFIO_MIG_GET_PRECOPY_INFO, of VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2: "      \
	"\"Without this opt-in, the flags field of struct vfio_precopy_info is reserved for bug-compatibility " \
	"reasons.\" The bug is that what the caller left there comes back as if the device had said it"
#define FLAGS_V2                                                                                      \
	"linux/vfio.h (since 7.1), VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2: \"On SET, enables the v2 " \
	"pre_copy_info behaviour, where the vfio_precopy_info.flags is a valid output field.\""

#define FLAG_REINIT (1u << 0)

static int ask(struct trial *t, struct gw_raw_precopy *info)
{
	trial_did(t, "GET_PRECOPY_INFO in %s", gw_device_state_name(t->at));
	return gw_raw_precopy_info(t->dev, info);
}

/* That it is answered at all is the matter of precopy.info. */
static bool ask_or_skip(struct trial *t, struct gw_raw_precopy *info)
{
	int ret;

	*info = (struct gw_raw_precopy){ 0 };
	ret = ask(t, info);
	return !ret || trial_skip(t, "GET_PRECOPY_INFO in %s: %s", gw_device_state_name(t->at), errno_name(ret));
}

static void answered(struct trial *t)
{
	struct gw_raw_precopy info = { 0 };

	if (trial_go(t, t->rule->from))
		trial_done(t, ask(t, &info));
}

/* A kernel device is asked by the data fd of a pre-copy that is over, where the state has none of its own. */
static bool go_outside(struct trial *t)
{
	return (!gw_raw_has_data_fd(t->dev) || trial_go(t, GW_STATE_PRE_COPY)) && trial_go(t, t->rule->from);
}

/* RESUMING's data fd is another kind of file: to it the number may mean nothing. */
static void refused(struct trial *t)
{
	static const int codes[] = { -EINVAL, 0 }, resuming_codes[] = { -EINVAL, -ENOTTY, 0 };
	struct gw_raw_precopy info = { 0 };

	if (go_outside(t))
		trial_refused(t, ask(t, &info), t->rule->from == GW_STATE_RESUMING ? resuming_codes : codes);
}

static void initial_is_there(struct trial *t)
{
	struct gw_raw_precopy info;

	if (trial_go(t, t->rule->from) && ask_or_skip(t, &info) && !info.initial_bytes)
		trial_fail(t, "initial_bytes is not 0 right after the state was entered", "initial_bytes 0");
}

static void dirty_is_zero(struct trial *t)
{
	struct gw_raw_precopy info;

	if (trial_go(t, t->rule->from) && ask_or_skip(t, &info) && info.dirty_bytes)
		trial_fail(t, "dirty_bytes is 0 right after the state was entered", "dirty_bytes %llu",
			   (unsigned long long)info.dirty_bytes);
}

/* One step on: a part of what is left is read. false: nothing is left, or the trial is over. */
static bool read_part(struct trial *t, struct image *image, uint64_t left)
{
	uint64_t part = left / 8 + 1;
	ssize_t n = stream_read_some(t, image, part < STREAM_LARGE_BYTES ? part : STREAM_LARGE_BYTES);

	if (n < 0)
		return trial_skip(t, "%s: %s", t->did, errno_name((int)n));
	return n;
}

static void initial_falls(struct trial *t)
{
	struct gw_raw_precopy before, now;
	struct image image = { 0 };
	bool goes_on;

	goes_on = trial_go(t, GW_STATE_PRE_COPY) && ask_or_skip(t, &before);
	for (unsigned i = 0; goes_on && i < MAX_STEPS && before.initial_bytes; i++) {
		goes_on = read_part(t, &image, before.initial_bytes) && ask_or_skip(t, &now);
		if (goes_on && now.initial_bytes > before.initial_bytes && !(now.flags & FLAG_REINIT))
			goes_on = trial_fail(t, "initial_bytes falls as data is read",
					     "initial_bytes %llu, after %llu, with %zu bytes read",
					     (unsigned long long)now.initial_bytes,
					     (unsigned long long)before.initial_bytes, image.size_bytes);
		before = now;
	}
	image_free(&image);
	stream_drop(t);
}

/* A device with work of its own may have something new whenever it is asked, so it is given some rounds. */
static void drains(struct trial *t)
{
	struct gw_raw_precopy info = { 0 };
	struct image image = { 0 };
	bool of_initial = t->rule->value;

	if (!trial_go(t, GW_STATE_PRE_COPY))
		return;
	for (unsigned i = 0; i < MAX_STEPS; i++) {
		ssize_t n = stream_read_some(t, &image, CHECK_IMAGE_MAX_BYTES);

		if (n < 0)
			trial_skip(t, "%s: %s", t->did, errno_name((int)n));
		if (n < 0 || !ask_or_skip(t, &info) || !(of_initial ? info.initial_bytes : info.dirty_bytes))
			break;
	}
	if (t->verdict == VERDICT_NONE && (of_initial ? info.initial_bytes : info.dirty_bytes))
		trial_fail(t,
			   of_initial ? "initial_bytes 0, since nothing more can be read now"
				      : "dirty_bytes 0, since nothing more can be read now",
			   "initial_bytes %llu, dirty_bytes %llu, after %zu bytes were read",
			   (unsigned long long)info.initial_bytes, (unsigned long long)info.dirty_bytes,
			   image.size_bytes);
	image_free(&image);
	stream_drop(t);
}

/* By message the room that there is for the answer is the request's, whose data has an argsz of its own. */
static int ask_briefly(struct trial *t)
{
	struct gw_raw_precopy info = { .argsz = SHORT_ARGSZ };
	uint8_t data[FULL_ARGSZ] = { 0 };
	struct gw_raw_feature call = {
		.argsz = FEATURE_HEAD_BYTES + SHORT_ARGSZ,
		.flags = EXTENSION_PRECOPY_INFO | GW_RAW_GET,
		.data = data,
		.data_bytes = sizeof(data),
	};

	return gw_raw_has_data_fd(t->dev) ? ask(t, &info) : gw_raw_feature(t->dev, &call);
}

static void short_argsz(struct trial *t)
{
	static const int codes[] = { -EINVAL, 0 };
	int ret;

	if (!trial_go(t, GW_STATE_PRE_COPY))
		return;
	ret = ask_briefly(t);
	trial_did(t, "GET_PRECOPY_INFO with argsz %u, which has no room for dirty_bytes", SHORT_ARGSZ);
	trial_refused(t, ret, codes);
}

static void flags_own(struct trial *t)
{
	struct gw_raw_precopy info = { .flags = STRANGE_FLAG };
	int ret;

	if (!trial_go(t, GW_STATE_PRE_COPY))
		return;
	ret = ask(t, &info);
	trial_did(t, "GET_PRECOPY_INFO with flags 0x%x, which nobody has defined", STRANGE_FLAG);
	if (ret)
		trial_skip(t, "GET_PRECOPY_INFO: %s", errno_name(ret));
	else if (info.flags & STRANGE_FLAG)
		trial_fail(t, "flags of the device's own", "flags 0x%x: the caller's came back", info.flags);
}

/* The opt-in is for as long as the device is open, and changes nothing for who looks at defined bits alone. */
static void flags_v2(struct trial *t)
{
	struct gw_raw_feature opt_in = { .flags = GW_RAW_PRECOPY_INFO_V2 | GW_RAW_SET };
	bool agreed = !gw_raw_has_data_fd(t->dev) && t->info.features & GW_FEATURE_REINIT;
	struct gw_raw_precopy info;

	if (!agreed && gw_raw_feature(t->dev, &opt_in))
		return (void)trial_skip(t, "there is no VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2");
	if (trial_go(t, GW_STATE_PRE_COPY) && ask_or_skip(t, &info) && info.flags & ~FLAG_REINIT)
		trial_fail(t, "no flags but VFIO_PRECOPY_INFO_REINIT", "flags 0x%x", info.flags);
}

static const uint32_t precopy_states[] = { GW_STATE_PRE_COPY, GW_STATE_PRE_COPY_P2P, RULE_STATE_ENDS };
static const uint32_t others[] = { GW_STATE_STOP_COPY,   GW_STATE_RESUMING, GW_STATE_RUNNING,
				   GW_STATE_RUNNING_P2P, GW_STATE_STOP,     RULE_STATE_ENDS };

static const struct rule of_states[] = {
	{ "precopy.info", "GET_PRECOPY_INFO is answered", MANDATORY, NEED_PRECOPY_INFO, answered },
	{ "precopy.initial-bytes", "initial_bytes is not 0 at first", INITIAL, NEED_PRECOPY_INFO, initial_is_there },
	{ "precopy.dirty-bytes", "dirty_bytes is 0 at first", DIRTY, NEED_PRECOPY_INFO, dirty_is_zero },
};

static const struct rule rules[] = {
	{ "precopy.initial-falls", "initial_bytes only falls as data is read", INITIAL, NEED_PRECOPY_INFO,
	  initial_falls },
	{ "precopy.initial-drains", "initial_bytes is 0 when nothing more can be read", TEMPORARY_END,
	  NEED_PRECOPY_INFO, drains, .value = true },
	{ "precopy.dirty-drains", "dirty_bytes is 0 when nothing more can be read", TEMPORARY_END, NEED_PRECOPY_INFO,
	  drains },
	{ "precopy.argsz", "an argsz without room for the answer is refused", ARGSZ, NEED_PRECOPY_INFO, short_argsz },
	{ "precopy.flags-own", "the caller's flags do not come back as the device's", FLAGS_V1, NEED_PRECOPY_INFO,
	  flags_own },
	{ "precopy.flags-v2", "with INFOv2 flags has no bits but the defined ones", FLAGS_V2, NEED_PRECOPY_INFO,
	  flags_v2 },
};

void rules_precopy_info(struct rule_list *list)
{
	struct rule refusal = { "precopy.info-refused", "GET_PRECOPY_INFO is refused outside of pre-copy", ONLY_PRECOPY,
				NEED_PRECOPY_INFO, refused };

	for (unsigned i = 0; i < sizeof(of_states) / sizeof(of_states[0]); i++)
		rule_add_for_states(list, &of_states[i], precopy_states);
	rule_add_for_states(list, &refusal, others);
	rule_add_all(list, rules, sizeof(rules) / sizeof(rules[0]));
}
