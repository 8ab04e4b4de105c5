/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pre-copy of a save. A round reads what the device said it had when the round began; what it writes meanwhile is the
 * next round's. Source of the rules: linux/vfio.h, VFIO_MIG_GET_PRECOPY_INFO; include/godwit/device.h for REINIT.
 */
#include "image/precopy.h"

#include "base/bits.h"
#include "base/err.h"
#include "device/device.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define DEFAULT_ROUNDS  8
#define LITTLE_BYTES    GW_IMAGE_BLOCK_BYTES /* not worth another round */
#define ROUND_BYTES     (1 * GIB)            /* where the device does not tell */
#define NOTHING_NOW_MS  20
#define NOTHING_NOW_MAX 100 /* so often a save waits for initial bytes that do not come, and then goes on without */

static int stopped(const struct image_precopy *p, struct gw_error *e)
{
	return err_set(e, -ECANCELED, gw_device_id(p->dev), "stopped in pre-copy");
}

/* The flag of a new set of initial bytes stands until the next read: a new wish only if something was read since. */
static int ask(struct image_precopy *p, struct gw_precopy_info *info, struct gw_error *e)
{
	int ret = gw_device_precopy_info(p->dev, info, e);

	if (!ret && info->flags & GW_PRECOPY_REINIT && p->rearm_seen_at != p->nr_reads + 1) {
		p->rearm_seen_at = p->nr_reads + 1;
		p->pending = true;
	}
	return ret;
}

/* Are all initial bytes in blocks up to this one, and was that not said yet? */
static int initial_ends(struct image_precopy *p, uint32_t *flags, struct gw_error *e)
{
	struct gw_precopy_info info;
	int ret = p->tells ? ask(p, &info, e) : 0;

	*flags = 0;
	if (ret || !p->tells || !p->pending || info.initial_bytes)
		return ret;
	p->pending = false;
	*flags = IMAGE_BLOCK_INITIAL_END;
	return 0;
}

static int keep(struct image_precopy *p, size_t nr_bytes, struct gw_error *e)
{
	uint32_t flags;
	int ret = initial_ends(p, &flags, e);

	if (!ret && (nr_bytes || flags))
		ret = image_writer_put(p->writer, flags, p->buf, nr_bytes, e);
	p->watch->progress.bytes = image_writer_bytes(p->writer);
	return ret;
}

/* 0: try again; 1: this round will not bring more. The mark may be due: the initial bytes ended with the last read. */
static int nothing_now(struct image_precopy *p, struct gw_error *e)
{
	int ret = keep(p, 0, e);

	if (ret || !p->tells || !p->pending || p->nr_waits >= NOTHING_NOW_MAX)
		return ret ? ret : 1;
	p->nr_waits++;
	poll(NULL, 0, NOTHING_NOW_MS);
	return 0;
}

/* Up to bytes of it. 1: there was something, 0: not, or -errno. */
static int round_of(struct image_precopy *p, uint64_t bytes, struct gw_error *e)
{
	uint64_t left = bytes;
	int ret = 0;

	while (left && !ret) {
		ssize_t n;

		if (image_watch_tick(p->watch))
			return stopped(p, e);
		n = gw_device_data_read(p->dev, p->buf, GW_IMAGE_BLOCK_BYTES, e);
		if (n > 0) {
			p->nr_reads++;
			left -= min_u64(left, (uint64_t)n);
			ret = keep(p, (size_t)n, e);
		} else if (n == 0 || n == -ENOMSG) {
			ret = nothing_now(p, e);
		} else {
			ret = err_set(e, (int)n, gw_device_id(p->dev), "its state cannot be read: %s",
				      strerror((int)-n));
		}
	}
	return ret < 0 ? ret : left < bytes;
}

/* How much there is to be read now; 0: no more than stop-copy will make short work of. */
static int size_round(struct image_precopy *p, bool first, uint64_t *bytes, struct gw_error *e)
{
	struct gw_precopy_info info;
	int ret;

	*bytes = first ? ROUND_BYTES : 0;
	if (!p->tells)
		return 0;
	ret = ask(p, &info, e);
	if (ret)
		return ret;
	*bytes =
		info.dirty_bytes > UINT64_MAX - info.initial_bytes ? UINT64_MAX : info.initial_bytes + info.dirty_bytes;
	p->watch->progress.expected_bytes =
		max_u64(p->watch->progress.expected_bytes, p->watch->progress.bytes + min_u64(*bytes, 1ull << 62));
	if (!first && !p->pending && *bytes <= LITTLE_BYTES)
		*bytes = 0;
	return 0;
}

int image_precopy_run(struct image_precopy *p, struct gw_error *e)
{
	uint64_t rounds = p->watch->options.precopy_rounds, bytes;
	int ret = 1;

	p->tells = device_info(p->dev)->features & GW_FEATURE_PRECOPY_INFO;
	p->pending = p->tells;
	if (!rounds)
		rounds = DEFAULT_ROUNDS;
	for (uint64_t i = 0; ret == 1 && i < rounds; i++) {
		ret = size_round(p, i == 0, &bytes, e);
		if (!ret && bytes)
			ret = round_of(p, bytes, e);
	}
	return ret < 0 ? ret : 0;
}
