/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Saving a device: pre-copy if it is wanted, stop-copy to the end, and back to where the device was, whatever happened
 * on the way. The trailer is written after that: how long the device stood still is in it.
 */
#include "image/identity.h"
#include "image/precopy.h"
#include "image/result.h"
#include "image/watch.h"
#include "image/writer.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/export.h"
#include "device/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct save {
	struct gw_device *dev;
	struct image_watch watch;
	struct image_result result;
	struct image_writer *writer;
	uint8_t *buf;
	uint32_t found;      /* the state to go back to */
	uint64_t stopped_at; /* 0: it did not stop */
};

static int check_device(struct save *s, struct gw_error *e)
{
	uint32_t flags = device_info(s->dev)->migration_flags;
	bool precopy = s->watch.options.flags & GW_IMAGE_PRECOPY;
	const char *id = gw_device_id(s->dev);
	int ret;

	if (!flags)
		return err_set(e, -ENOTSUP, id, "the device cannot migrate, so its state cannot be saved");
	if (precopy && !(flags & GW_MIGRATION_PRE_COPY))
		return err_set(e, -ENOTSUP, id, "the device has no PRE_COPY: save it without");
	ret = gw_device_state_get(s->dev, &s->found, e);
	if (ret || s->found == GW_STATE_RUNNING || (s->found == GW_STATE_STOP && !precopy))
		return ret;
	return err_set(e, -EPROTO, id, "the device is in %s, and is saved from RUNNING%s",
		       gw_device_state_name(s->found), precopy ? "" : " or STOP");
}

static int precopy(struct save *s, struct gw_error *e)
{
	struct image_precopy precopy = { .dev = s->dev, .writer = s->writer, .watch = &s->watch, .buf = s->buf };
	int ret;

	if (!(s->watch.options.flags & GW_IMAGE_PRECOPY))
		return 0;
	s->watch.progress.phase = GW_IMAGE_PRE_COPY;
	ret = device_walk(s->dev, GW_STATE_PRE_COPY, &s->result.arcs, e);
	return ret ? ret : image_precopy_run(&precopy, e);
}

/* 1: some of it, 0: that was all. */
static int read_some(struct save *s, struct gw_error *e)
{
	ssize_t n;
	int ret;

	if (image_watch_tick(&s->watch))
		return err_set(e, -ECANCELED, gw_device_id(s->dev), "stopped in stop-copy");
	n = gw_device_data_read(s->dev, s->buf, GW_IMAGE_BLOCK_BYTES, e);
	if (n == 0)
		return 0;
	if (n < 0)
		return err_set(e, (int)n, gw_device_id(s->dev), "its state cannot be read: %s", strerror((int)-n));
	ret = image_writer_put(s->writer, IMAGE_BLOCK_STOP_COPY, s->buf, (size_t)n, e);
	s->watch.progress.bytes = image_writer_bytes(s->writer);
	return ret ? ret : 1;
}

static int stop_copy(struct save *s, struct gw_error *e)
{
	struct gw_image_progress *progress = &s->watch.progress;
	uint64_t left;
	int ret;

	progress->phase = GW_IMAGE_STOP_COPY;
	s->stopped_at = clock_now_ns(&clock_monotonic);
	ret = device_walk(s->dev, GW_STATE_STOP_COPY, &s->result.arcs, e);
	if (ret)
		return ret;
	if (!gw_device_stop_size(s->dev, &left, NULL))
		progress->expected_bytes = progress->bytes + min_u64(left, UINT64_MAX - progress->bytes);
	do
		ret = read_some(s, e);
	while (ret > 0);
	return ret;
}

/* Back to where it was. From ERROR there is only the reset: what the device had is lost to it then. */
static int go_back(struct save *s, struct gw_error *why)
{
	const char *found = gw_device_state_name(s->found);
	struct gw_error e = GW_ERROR_NONE;
	int ret = device_walk(s->dev, s->found, &s->result.arcs, &e);

	if (s->stopped_at)
		s->result.r.stopped_ns = clock_now_ns(&clock_monotonic) - s->stopped_at;
	if (!ret)
		return 0;
	if (device_state(s->dev) != GW_STATE_ERROR)
		return err_set(why, ret, e.where, "it could not be taken back to %s: %.250s", found, e.what);
	if (gw_device_reset(s->dev, NULL))
		return err_set(why, ret, e.where, "it is in ERROR and cannot be reset");
	return err_set(why, ret, e.where, "it went to ERROR and had to be reset, which lost its state");
}

static int read_device(struct save *s, struct gw_error *e)
{
	int ret = precopy(s, e);

	return ret ? ret : stop_copy(s, e);
}

static int write_image(struct save *s, struct gw_error *e)
{
	struct gw_error why = GW_ERROR_NONE;
	int ret, back;

	s->result.r.touched = 1;
	ret = read_device(s, e);
	back = go_back(s, &why);

	if (!ret) {
		ret = image_writer_finish(s->writer, s->result.r.stopped_ns, &s->result.r.totals, e);
		s->result.r.whole = !ret;
	}
	if (ret && back)
		image_error_add(e, "and the device: %s", why.what);
	else if (ret)
		image_error_add(e, "the device is back in %s", gw_device_state_name(s->found));
	else if (back)
		ret = err_set(e, back, why.where, "the state was saved whole, but of the device: %s", why.what);
	return ret;
}

static int save_image(struct save *s, int fd, struct gw_error *e)
{
	struct image_io io = image_io(fd, image_watch_tick, &s->watch);
	struct gw_image_head *head = &s->result.r.head;
	int ret = check_device(s, e);

	if (ret)
		return ret;
	s->buf = malloc(GW_IMAGE_BLOCK_BYTES);
	if (!s->buf)
		return err_set(e, -ENOMEM, gw_device_id(s->dev), "no memory");
	image_head_of_device(s->dev, head);
	s->watch.progress.expected_bytes = head->expected_bytes;
	ret = image_writer_open(&s->writer, &io, head, e);
	if (!ret)
		ret = write_image(s, e);
	return ret;
}

GW_EXPORT int gw_image_save(struct gw_device *dev, int fd, const struct gw_image_options *options,
			    struct gw_image_result *result, struct gw_error *e)
{
	struct save s = { .dev = dev };
	struct gw_error own = GW_ERROR_NONE;
	int ret = image_watch_init(&s.watch, options, &own);

	if (!ret)
		ret = save_image(&s, fd, &own);
	image_writer_close(s.writer);
	free(s.buf);
	s.result.r.total_ns = image_watch_elapsed_ns(&s.watch);
	image_result_give(&s.result, dev, result);
	err_first(e, &own);
	return ret;
}
