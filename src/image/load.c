/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loading an image: all of it is checked, then it is read once more and written into the device, then the device is
 * taken out of RESUMING, where it checks for itself what it has got. From the first arc on every failure ends with a
 * reset: what was loaded in part must never come to life.
 */
#include "image/identity.h"
#include "image/result.h"
#include "image/source.h"
#include "image/watch.h"

#include "base/err.h"
#include "base/export.h"
#include "device/device.h"

#include <errno.h>
#include <string.h>

struct load {
	struct gw_device *dev;
	struct image_watch watch;
	struct image_source source;
	struct image_result result;
};

static int look(void *ctx, const struct gw_image_head *head, struct gw_error *e)
{
	struct load *load = ctx;

	return load->watch.options.flags & GW_IMAGE_FORCE ? 0 : gw_image_match(head, load->dev, e);
}

static int check(struct load *load, struct gw_error *e)
{
	struct gw_image_result *r = &load->result.r;
	int ret = image_source_check(&load->source, &r->head, &r->totals, look, load, e);

	if (ret)
		return ret;
	r->whole = 1;
	return load->watch.options.flags & GW_IMAGE_FORCE ? 0 : image_match_totals(&r->totals, load->dev, e);
}

/* The device may be in any state: what it has got will be replaced, and an ERROR or half a load ends by a reset. */
static int enter_resuming(struct load *load, struct gw_error *e)
{
	uint32_t state;
	int ret = gw_device_state_get(load->dev, &state, e);

	load->result.r.touched = !ret;
	if (!ret && (state == GW_STATE_ERROR || state == GW_STATE_RESUMING))
		ret = gw_device_reset(load->dev, e);
	return ret ? ret : device_walk(load->dev, GW_STATE_RESUMING, &load->result.arcs, e);
}

static int write_block(struct load *load, const struct image_block *block, struct gw_error *e)
{
	uint32_t done = 0;

	while (done < block->nr_bytes) {
		size_t left = block->nr_bytes - done;
		ssize_t n = gw_device_data_write(load->dev, block->bytes + done, left, e);

		if (n < 0)
			return err_set(e, (int)n, gw_device_id(load->dev), "the device refuses its state: %s",
				       strerror((int)-n));
		if (n == 0 || (size_t)n > left)
			return err_set(e, -EIO, gw_device_id(load->dev), "the device takes no more state");
		done += (uint32_t)n;
		load->watch.progress.bytes += (uint64_t)n;
		if (image_watch_tick(&load->watch))
			return err_set(e, -ECANCELED, gw_device_id(load->dev), "stopped while it was loaded");
	}
	return 0;
}

/* The file may have changed since it was checked, so it is checked again; and it must be the same image. */
static int write_all(struct load *load, struct image_reader *reader, struct gw_error *e)
{
	const struct gw_image_totals *checked = &load->result.r.totals;
	struct gw_image_totals totals;
	struct image_block block;
	int ret;

	while ((ret = image_reader_next(reader, &block, e)) > 0) {
		ret = write_block(load, &block, e);
		if (ret)
			return ret;
	}
	image_reader_totals(reader, &totals);
	if (!ret && memcmp(&totals, checked, sizeof(totals)))
		ret = err_set(e, -EBADMSG, "image", "it became another one while it was loaded");
	return ret;
}

static int fill_device(struct load *load, struct gw_error *e)
{
	struct gw_image_progress *progress = &load->watch.progress;
	struct image_reader *reader;
	int ret;

	progress->phase = GW_IMAGE_LOADING;
	progress->bytes = 0;
	progress->expected_bytes = load->result.r.totals.precopy_bytes + load->result.r.totals.stop_copy_bytes;
	ret = image_source_again(&load->source, &reader, e);
	if (!ret)
		ret = write_all(load, reader, e);
	image_reader_close(reader);
	return ret;
}

static int run_device(struct load *load, struct gw_error *e)
{
	int ret = device_walk(load->dev, GW_STATE_STOP, &load->result.arcs, e);

	if (!ret && !(load->watch.options.flags & GW_IMAGE_STAY))
		ret = device_walk(load->dev, GW_STATE_RUNNING, &load->result.arcs, e);
	return ret;
}

/*
 * What was loaded must never come to life: a reset forgets it, and a device that has none is left in STOP. RUNNING
 * means that the walk itself has taken it there, by a reset or because nothing was loaded yet, and has said so.
 */
static void discard(struct load *load, struct gw_error *e)
{
	struct gw_error why = GW_ERROR_NONE;
	int ret;

	if (device_state(load->dev) == GW_STATE_RUNNING)
		return;
	ret = gw_device_reset(load->dev, &why);
	if (!ret) {
		image_error_add(e, "the device was reset");
		return;
	}
	if (ret == -EOPNOTSUPP)
		device_walk(load->dev, GW_STATE_STOP, NULL, NULL);
	image_error_add(e, "and it could not be reset (%s): it is in %s", why.what,
			gw_device_state_name(device_state(load->dev)));
}

static int load_image(struct load *load, int fd, struct gw_error *e)
{
	int ret;

	if (!device_info(load->dev)->migration_flags)
		return err_set(e, -ENOTSUP, gw_device_id(load->dev),
			       "the device cannot migrate, so no state can be loaded into it");
	ret = image_source_open(&load->source, fd, 1, &load->watch, e);
	if (!ret)
		ret = check(load, e);
	if (ret)
		return ret;
	ret = enter_resuming(load, e);
	if (!ret)
		ret = fill_device(load, e);
	if (!ret)
		ret = run_device(load, e);
	if (ret)
		discard(load, e);
	return ret;
}

GW_EXPORT int gw_image_load(struct gw_device *dev, int fd, const struct gw_image_options *options,
			    struct gw_image_result *result, struct gw_error *e)
{
	struct load load = { .dev = dev, .source.spool_fd = -1 };
	struct gw_error own = GW_ERROR_NONE;
	int ret = image_watch_init(&load.watch, options, &own);

	if (!ret)
		ret = load_image(&load, fd, &own);
	image_source_close(&load.source);
	load.result.r.total_ns = image_watch_elapsed_ns(&load.watch);
	image_result_give(&load.result, dev, result);
	err_first(e, &own);
	return ret;
}
