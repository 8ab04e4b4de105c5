/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_DEVICE_RESET and what it leaves: RUNNING, no data session, and a device that can be saved and loaded. */
#include "check.h"
#include "state_table.h"

#include <stdio.h>

#define RESET_SOURCE                                                                                        \
	"linux/vfio.h, any -> ERROR: \"To recover from ERROR VFIO_DEVICE_RESET must be used to return the " \
	"device_state back to RUNNING.\""
#define ABORT_SOURCE "linux/vfio.h, RESUMING -> STOP: \"To abort a RESUMING session the device must be reset.\""

#define SOME_BYTES 512

static int reset(struct trial *t)
{
	int ret;

	trial_did(t, "reset in %s", gw_device_state_name(t->at));
	ret = gw_raw_reset(t->dev);
	if (!ret)
		t->at = GW_STATE_RUNNING;
	return ret;
}

static void reset_to_running(struct trial *t)
{
	if (trial_go(t, t->rule->from) && trial_done(t, reset(t)))
		trial_is_in(t, GW_STATE_RUNNING);
}

/* Where reset.from-STATE fails, what follows cannot be judged. */
static bool reset_works(struct trial *t)
{
	struct gw_raw_state now = { .state = GW_NR_STATES };

	if (!reset(t) && !gw_raw_state_get(t->dev, &now) && now.state == GW_STATE_RUNNING)
		return true;
	return trial_skip(t, "the reset in %s does not lead to RUNNING", gw_device_state_name(t->rule->from));
}

/* What a session that is still there would take: the first bytes of a good image. */
static ssize_t use_session(struct trial *t, const struct image *image)
{
	uint8_t bytes[SOME_BYTES];

	trial_did(t, "%s of the data session in RUNNING, after a reset in %s", image->size_bytes ? "write" : "read",
		  gw_device_state_name(t->rule->from));
	if (!image->size_bytes)
		return gw_raw_data_read(t->dev, bytes, sizeof(bytes));
	return gw_raw_data_write(t->dev, image->bytes, image->size_bytes < SOME_BYTES ? image->size_bytes : SOME_BYTES);
}

static void end_session(struct trial *t)
{
	struct image image = { 0 };

	if (t->rule->from == GW_STATE_RESUMING && !trial_image_take(t, &image, 0))
		return;
	if (use_session(t, &image) >= 0)
		trial_skip(t, "data moves in RUNNING without any session, too");
	else if (trial_go(t, t->rule->from) && reset_works(t))
		trial_refused(t, use_session(t, &image), NULL);
	image_free(&image);
}

/* A look at whether a thing works that other rules are about: no verdict for this one. */
static struct trial aside(const struct trial *t)
{
	struct trial other = *t;

	other.verdict = VERDICT_NONE;
	return other;
}

static bool save_begins(struct trial *t)
{
	uint8_t bytes[SOME_BYTES];

	return trial_go(t, GW_STATE_STOP_COPY) &&
	       (gw_raw_data_read(t->dev, bytes, sizeof(bytes)) > 0 || trial_skip(t, "nothing is read in STOP_COPY"));
}

/* Saved as a whole, by the only judge there is: the peer takes it. */
static bool saves(struct trial *t)
{
	struct image image;
	const char *where;
	int ret;

	if (!trial_image_take(t, &image, 0))
		return false;
	ret = trial_image_load(t, image.bytes, image.size_bytes, 0, &where);
	image_free(&image);
	return !ret || trial_skip(t, "what was saved is refused: %s: %s", where, errno_name(ret));
}

static void save_after_reset(struct trial *t)
{
	struct trial again;

	if (!saves(t) || !save_begins(t) || !reset_works(t))
		return;
	trial_did(t, "reset in the middle of a save, then a whole save");
	again = aside(t);
	if (!saves(&again))
		trial_fail(t, "a whole save", "%s", again.came);
}

/* Into RESUMING, with the first `size_bytes` of the image. */
static bool load_begins(struct trial *t, const struct image *image, size_t size_bytes)
{
	struct image part = { .bytes = image->bytes, .size_bytes = size_bytes };
	const char *where;
	int ret = trial_image_begin(t, &part, &where);

	return !ret || trial_skip(t, "%s: %s", where, errno_name(ret));
}

/* In RUNNING: all of it is taken. */
static bool loads(struct trial *t, const struct image *image)
{
	return load_begins(t, image, image->size_bytes) && trial_go(t, GW_STATE_RUNNING);
}

static void load_after_reset(struct trial *t)
{
	struct trial again;
	struct image image;

	if (!trial_image_take(t, &image, 0))
		return;
	if (loads(t, &image) && load_begins(t, &image, image.size_bytes / 2) && reset_works(t)) {
		trial_did(t, "reset in the middle of a load, then a whole load");
		again = aside(t);
		if (!loads(&again, &image))
			trial_fail(t, "a whole load", "%s", again.came);
	}
	image_free(&image);
}

static const struct rule after_reset[] = {
	{
		.name = "reset.save-after",
		.text = "a device that was reset in the middle of a save can be saved as a whole",
		.source = ABORT_SOURCE " A save is no different.",
		.needs = NEED_RESET,
		.run = save_after_reset,
		.from = GW_STATE_STOP_COPY,
	},
	{
		.name = "reset.load-after",
		.text = "a device that was reset in the middle of a load can be loaded as a whole",
		.source = ABORT_SOURCE,
		.needs = NEED_RESET,
		.run = load_after_reset,
		.from = GW_STATE_RESUMING,
	},
};

/*
 * From every state first: these are the first rules that reset in it. RUNNING is not among those that could be told
 * from a reset that does nothing, but a device must not go elsewhere.
 */
void rules_reset(struct rule_list *list, uint32_t flags)
{
	for (uint32_t state = 0; state < GW_NR_STATES; state++) {
		struct rule rule = {
			.text = "a reset leads to RUNNING",
			.source = RESET_SOURCE,
			.needs = NEED_RESET,
			.run = reset_to_running,
			.from = state,
		};

		if (!state_exists(state, flags))
			continue;
		snprintf(rule.name, sizeof(rule.name), "reset.from-%s", gw_device_state_name(state));
		rule_add(list, &rule);
	}
	for (uint32_t state = 0; state < GW_NR_STATES; state++) {
		struct rule rule = {
			.text = "a reset ends the data session",
			.source = ABORT_SOURCE " In RUNNING there is none.",
			.needs = NEED_RESET,
			.run = end_session,
			.from = state,
		};

		if (!state_exists(state, flags) || (!state_saves(state) && state != GW_STATE_RESUMING))
			continue;
		snprintf(rule.name, sizeof(rule.name), "reset.session-%s", gw_device_state_name(state));
		rule_add(list, &rule);
	}
	for (unsigned i = 0; i < sizeof(after_reset) / sizeof(after_reset[0]); i++)
		rule_add(list, &after_reset[i]);
}
