/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules about images: a loaded device is the saved one, and what is no image is refused and leaves nothing behind. */
#include "refdev.h"
#include "rule_state.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INVALID                                                                                                   \
	"linux/vfio.h, enum vfio_device_mig_state, RESUMING -> STOP: \"If the user provided data is found to be " \
	"incomplete, inconsistent, or otherwise invalid, the migration driver must fail the SET_STATE ioctl and " \
	"optionally go to the ERROR state as described below.\""
#define RECOVER                                                                                                       \
	"linux/vfio.h, enum vfio_device_mig_state: \"To recover from ERROR VFIO_DEVICE_RESET must be used to return " \
	"the device_state back to RUNNING.\""
#define RESTORED                                                                                                     \
	"linux/vfio.h, enum vfio_device_mig_state, STOP -> RESUMING: \"The data stream fed into the data_fd should " \
	"be taken from the data transfer output of a single FD during saving from a compatible device.\""
#define MAY_FAIL_AT                                                                                               \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE: \"If this function fails then current device_state " \
	"may be the original operating state or some other state along the combination transition path.\""

enum damage {
	DAMAGE_EMPTY,
	DAMAGE_ONE_BYTE,
	DAMAGE_HALF,
	DAMAGE_LAST_MISSING,
	DAMAGE_GARBAGE,
	DAMAGE_FLIP_HEAD,
	DAMAGE_FLIP_MIDDLE,
	DAMAGE_FLIP_LAST,
	DAMAGE_DOUBLED,
	DAMAGE_EXTRA,
};

/* The same bytes every time, and no others' image. */
static void fill_garbage(struct image *image)
{
	uint64_t x = 0x9e3779b97f4a7c15ull;

	for (size_t i = 0; i < image->size_bytes; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		image->bytes[i] = (uint8_t)(x >> 32);
	}
}

static bool grow(struct trial *t, struct image *image, size_t size_bytes)
{
	uint8_t *bytes = realloc(image->bytes, size_bytes);

	if (!bytes)
		return trial_skip(t, "no memory for an image of %zu bytes", size_bytes);
	image->bytes = bytes;
	return true;
}

static bool lengthen(struct trial *t, struct image *image, enum damage damage)
{
	size_t extra = damage == DAMAGE_DOUBLED ? image->size_bytes : 1;

	if (!grow(t, image, image->size_bytes + extra))
		return false;
	if (damage == DAMAGE_DOUBLED)
		memcpy(image->bytes + image->size_bytes, image->bytes, extra);
	else
		image->bytes[image->size_bytes] = 0;
	image->size_bytes += extra;
	return true;
}

static bool do_damage(struct trial *t, struct image *image, enum damage damage)
{
	size_t size = image->size_bytes;

	if (size < 2)
		return trial_skip(t, "an image of %zu bytes cannot be damaged so", size);
	switch (damage) {
	case DAMAGE_EMPTY:
		image->size_bytes = 0;
		break;
	case DAMAGE_ONE_BYTE:
		image->size_bytes = 1;
		break;
	case DAMAGE_HALF:
		image->size_bytes = size / 2;
		break;
	case DAMAGE_LAST_MISSING:
		image->size_bytes = size - 1;
		break;
	case DAMAGE_GARBAGE:
		fill_garbage(image);
		break;
	case DAMAGE_FLIP_HEAD:
		image->bytes[0] ^= 1;
		break;
	case DAMAGE_FLIP_MIDDLE:
		image->bytes[size / 2] ^= 1;
		break;
	case DAMAGE_FLIP_LAST:
		image->bytes[size - 1] ^= 1;
		break;
	case DAMAGE_DOUBLED:
	case DAMAGE_EXTRA:
		return lengthen(t, image, damage);
	}
	return true;
}

static bool take_damaged(struct trial *t, struct image *image, enum damage damage)
{
	if (!trial_image_take(t, image, 0))
		return false;
	if (do_damage(t, image, damage))
		return true;
	image_free(image);
	return false;
}

static void refused(struct trial *t)
{
	struct image image;
	const char *where;
	int ret;

	if (!take_damaged(t, &image, t->rule->value))
		return;
	ret = trial_image_load(t, image.bytes, image.size_bytes, 0, &where);
	trial_did(t, "%zu bytes loaded that are no image, RESUMING left for STOP", image.size_bytes);
	trial_refused(t, ret, NULL);
	image_free(&image);
}

/* Garbage, written as far as it is taken: 0, if all of it was. Not there: the trial is skipped. */
static bool write_garbage(struct trial *t, struct trial *side, int *ret)
{
	struct image image;
	const char *where;

	if (!take_damaged(t, &image, DAMAGE_GARBAGE))
		return false;
	if (stream_begin_load(t, side))
		*ret = stream_write(side->dev, image.bytes, image.size_bytes, &stream_plain, &where);
	image_free(&image);
	return t->verdict == VERDICT_NONE;
}

/* Who was told that its data is bad and goes on all the same must not find a device that runs on it. */
static void not_half_loaded(struct trial *t)
{
	struct gw_raw_state now = { 0 };
	struct trial side;
	int written, ret;

	if (!write_garbage(t, &side, &written))
		return;
	ret = trial_set(&side, GW_STATE_RUNNING);
	if (!ret && !written)
		return (void)trial_skip(t, "garbage is not refused at all: see image.refused.garbage");
	trial_did(t, "SET RUNNING in RESUMING, after garbage was refused");
	if (!ret)
		return (void)trial_fail(t, "an error", "success, though a write had failed with %s",
					errno_name(written));
	if (gw_raw_state_get(side.dev, &now))
		return (void)trial_skip(t, "GET of the state fails");
	if (now.state != GW_STATE_RESUMING && now.state != GW_STATE_ERROR)
		trial_fail(t, "GET tells RESUMING or ERROR", "GET tells %s", gw_device_state_name(now.state));
}

/* Loading begins with a reset. */
static void recovers(struct trial *t)
{
	const char *where;
	struct image image;
	struct trial side;
	int ret;

	if (!trial_image_take(t, &image, 0))
		return;
	if (write_garbage(t, &side, &ret)) {
		if (!ret && !trial_set(&side, GW_STATE_STOP)) {
			trial_skip(t, "garbage is not refused at all: see image.refused.garbage");
		} else {
			ret = trial_image_load(t, image.bytes, image.size_bytes, 0, &where);
			trial_did(t, "a good image loaded after garbage was refused, and a reset");
			if (ret)
				stream_blame(t, "the image is taken", "%s: %s", where, errno_name(ret));
		}
	}
	image_free(&image);
}

/*
 * Saved from STOP, so that nothing has changed in between. The stream is opaque, and a device may put into it what it
 * likes, a clock or a counter: so of a device that nothing is known of it is asked only that the second image is one.
 * Of godwit's own device it is known that equal states give equal bytes, and there they are compared.
 */
static void compare(struct trial *t, const struct image *first, const struct image *second)
{
	size_t both = first->size_bytes < second->size_bytes ? first->size_bytes : second->size_bytes;
	size_t at = 0;

	trial_did(t, "a device saved, loaded, and saved once more from STOP");
	while (at < both && first->bytes[at] == second->bytes[at])
		at++;
	if (first->size_bytes != second->size_bytes)
		trial_fail(t, "the same bytes, of this device", "%zu bytes, after %zu", second->size_bytes,
			   first->size_bytes);
	else if (at < both)
		trial_fail(t, "the same bytes, of this device", "another one at byte %zu of %zu", at, both);
}

static bool save_loaded(struct trial *t, struct trial *side, struct image *image)
{
	int ret;

	if (!trial_go(side, GW_STATE_STOP_COPY))
		return trial_skip(t, "%s", side->came);
	ret = stream_read_rest(side, image, &stream_plain);
	if (side->verdict != VERDICT_NONE)
		return trial_skip(t, "%s", side->came);
	return !ret || trial_skip(t, "%s: %s", side->did, errno_name(ret));
}

static void save_load_save(struct trial *t)
{
	struct image first, second = { 0 };
	const char *where;
	struct trial side;
	int ret;

	if (refdev_is(&t->info))
		refdev_fill(t->dev, 3);
	if (!trial_image_take(t, &first, 0))
		return;
	if (stream_begin_load(t, &side)) {
		ret = stream_write(side.dev, first.bytes, first.size_bytes, &stream_plain, &where);
		if (ret)
			trial_skip(t, "a good image is refused: %s: %s", where, errno_name(ret));
		else if (save_loaded(t, &side, &second) && refdev_is(&t->info))
			compare(t, &first, &second);
	}
	if (t->verdict == VERDICT_NONE)
		stream_must_load(t, &second, "saved by a device that was loaded itself");
	image_free(&first);
	image_free(&second);
}

static const struct rule rules[] = {
	{ "image.save-load-save", "a loaded device saves an image that loads", RESTORED, 0, save_load_save },
	{ "image.not-half-loaded", "after refused data RESUMING is not left for RUNNING", MAY_FAIL_AT, 0,
	  not_half_loaded },
	{ "image.recovers", "after refused data and a reset a good image loads", RECOVER, 0, recovers },
	{ "image.refused.empty", "no bytes at all are refused", INVALID, 0, refused, .value = DAMAGE_EMPTY },
	{ "image.refused.one-byte", "the first byte alone is refused", INVALID, 0, refused, .value = DAMAGE_ONE_BYTE },
	{ "image.refused.half", "half an image is refused", INVALID, 0, refused, .value = DAMAGE_HALF },
	{ "image.refused.last-missing", "an image without its last byte is refused", INVALID, 0, refused,
	  .value = DAMAGE_LAST_MISSING },
	{ "image.refused.garbage", "random bytes are refused", INVALID, 0, refused, .value = DAMAGE_GARBAGE },
	{ "image.refused.flip-head", "a flipped bit in the first byte is refused", INVALID, 0, refused,
	  .value = DAMAGE_FLIP_HEAD },
	{ "image.refused.flip-middle", "a flipped bit in the middle is refused", INVALID, 0, refused,
	  .value = DAMAGE_FLIP_MIDDLE },
	{ "image.refused.flip-last", "a flipped bit in the last byte is refused", INVALID, 0, refused,
	  .value = DAMAGE_FLIP_LAST },
	{ "image.refused.doubled", "an image twice is refused", INVALID, 0, refused, .value = DAMAGE_DOUBLED },
	{ "image.refused.extra", "a byte too many is refused", INVALID, 0, refused, .value = DAMAGE_EXTRA },
};

void rules_image(struct rule_list *list, uint32_t flags)
{
	rule_add_all(list, rules, sizeof(rules) / sizeof(rules[0]));
}
