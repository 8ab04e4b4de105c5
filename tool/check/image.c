/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking a device's state and giving it one, as every rule may that needs an image but is not about it: see check.h. */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>

static struct pieces pieces_of(size_t piece)
{
	struct pieces pieces = { .sizes = { (uint32_t)piece }, .until = UINT64_MAX };

	return pieces;
}

bool trial_image_take(struct trial *t, struct image *image, size_t piece)
{
	const struct pieces pieces = pieces_of(piece);
	int ret;

	*image = (struct image){ 0 };
	if (!trial_go(t, GW_STATE_STOP_COPY))
		return false;
	ret = stream_read_rest(t, image, &pieces);
	if (ret)
		trial_skip(t, "no image: read at byte %zu in STOP_COPY: %s", image->size_bytes, errno_name(ret));
	if (!ret && trial_go(t, GW_STATE_RUNNING)) {
		gw_raw_data_close(t->dev);
		return true;
	}
	image_free(image);
	return false;
}

void image_free(struct image *image)
{
	free(image->bytes);
	*image = (struct image){ 0 };
}

int trial_image_load(struct trial *t, const uint8_t *bytes, size_t size_bytes, size_t piece, const char **where)
{
	const struct pieces pieces = pieces_of(piece);

	return stream_load(t, bytes, size_bytes, &pieces, where);
}

int trial_image_begin(struct trial *t, const struct image *image, const char **where)
{
	*where = "the way to RESUMING";
	if (!trial_go(t, GW_STATE_RESUMING))
		return -EIO;
	return stream_write(t->dev, image->bytes, image->size_bytes, &stream_plain, where);
}
