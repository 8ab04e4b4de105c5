/* SPDX-License-Identifier: BSD-3-Clause */
/* A device that is measured: its data session, read, loaded and watched in pre-copy. See subject.h. */
#include "subject.h"

#include "tool/now.h"
#include "tool/say.h"
#include "tool/units.h"

#include <errno.h>
#include <string.h>

#define PRECOPY_NS   2000000000ull /* a device that always has more is watched for so long */
#define CURVE_STRIDE 64            /* points wanted at first, by what the device says is left */

static int too_large(const struct subject *s, uint64_t bytes, struct gw_error *e)
{
	if (bytes <= s->max_state_bytes)
		return 0;
	return gw_error_set(e, -EFBIG, gw_device_id(s->dev), "the device's state is larger than %s: see --max-state",
			    units_size(s->max_state_bytes).s);
}

/* One read; its time is added to *ns. */
static ssize_t read_piece(struct subject *s, size_t piece, uint64_t *ns, struct gw_error *e)
{
	uint64_t began_ns = now_ns();
	ssize_t n = gw_device_data_read(s->dev, s->buffer, piece, e);

	*ns += now_ns() - began_ns;
	if (n > (ssize_t)piece)
		return gw_error_set(e, -EBADMSG, gw_device_id(s->dev), "it gave more bytes than it was asked for");
	return n;
}

static int keep_rate(struct subject *s, const char *group, const char *name, struct gw_error *e)
{
	if (!s->step_bytes || !s->step_ns)
		return 0;
	return subject_keep(s, group, name, MEASURE_RATE, (double)s->step_bytes * 1e9 / (double)s->step_ns, e);
}

/* To the end, into the spool if there is one. */
static int read_all(struct subject *s, size_t piece, uint64_t *first_ns, struct spool *spool, struct gw_error *e)
{
	int ret = 0;

	s->step_ns = s->step_bytes = 0;
	while (!ret) {
		ssize_t n = read_piece(s, piece, &s->step_ns, e);

		if (!s->step_bytes)
			*first_ns = s->step_ns;
		if (n <= 0)
			return (int)n;
		s->step_bytes += (uint64_t)n;
		ret = spool ? spool_append(spool, s->buffer, (size_t)n, e) : too_large(s, s->step_bytes, e);
		if (!ret)
			ret = subject_interrupted(s, e);
	}
	return ret;
}

int subject_save_image(struct subject *s, struct gw_error *e)
{
	uint64_t first_ns;
	int ret = spool_open(&s->image, s->max_state_bytes, e);

	if (!ret)
		ret = subject_go(s, GW_STATE_STOP_COPY, e);
	if (!ret)
		ret = read_all(s, SUBJECT_BUFFER_BYTES, &first_ns, &s->image, e);
	return ret ? ret : subject_go(s, GW_STATE_RUNNING, e);
}

int subject_first_byte(struct subject *s, struct gw_error *e)
{
	struct gw_error why = GW_ERROR_NONE;
	uint64_t ns = 0;
	ssize_t n;

	if (s->at != GW_STATE_PRE_COPY)
		return 0;
	n = read_piece(s, SUBJECT_FIRST_BYTES, &ns, &why);
	if (!n || n == -ENOMSG) /* nothing now: there is no first byte to be timed */
		return 0;
	if (n < 0)
		return gw_error_set(e, (int)n, why.where, "%s", why.what);
	return subject_keep(s, "first-byte", gw_device_state_name(s->at), MEASURE_US, (double)ns / 1000, e);
}

int subject_read(struct subject *s, size_t piece, const char *name, struct gw_error *e)
{
	uint64_t first_ns = 0;
	int ret;

	s->step_ns = s->step_bytes = 0;
	if (s->at != GW_STATE_STOP_COPY)
		return 0;
	ret = read_all(s, piece, &first_ns, NULL, e);
	if (!ret && piece == SUBJECT_FIRST_BYTES && s->step_bytes)
		ret = subject_keep(s, "first-byte", gw_device_state_name(s->at), MEASURE_US, (double)first_ns / 1000,
				   e);
	return ret ? ret : keep_rate(s, "read", name, e);
}

/* One piece, in as many writes as the device wants. */
static int write_piece(struct subject *s, size_t size_bytes, struct gw_error *e)
{
	size_t done = 0;

	while (done < size_bytes) {
		uint64_t began_ns = now_ns();
		ssize_t n = gw_device_data_write(s->dev, s->buffer + done, size_bytes - done, e);

		s->step_ns += now_ns() - began_ns;
		if (n < 0)
			return (int)n;
		if (!n || (size_t)n > size_bytes - done)
			return gw_error_set(e, -EIO, gw_device_id(s->dev), "it took %zd of %zu bytes of its state", n,
					    size_bytes - done);
		done += (size_t)n;
	}
	s->step_bytes += size_bytes;
	return 0;
}

int subject_load(struct subject *s, size_t piece, const char *name, struct gw_error *e)
{
	int ret = 0;

	s->step_ns = s->step_bytes = 0;
	if (s->at != GW_STATE_RESUMING)
		return 0;
	while (!ret) {
		ssize_t n = spool_read(s->loads, s->step_bytes, s->buffer, piece, e);

		if (n <= 0) {
			ret = (int)n;
			break;
		}
		ret = write_piece(s, (size_t)n, e);
		if (!ret)
			ret = subject_interrupted(s, e);
	}
	if (!ret && piece == SUBJECT_BUFFER_BYTES)
		s->leave_load_ns = s->step_ns;
	return ret ? ret : keep_rate(s, "load", name, e);
}

/* When it is full every second point goes, so that a curve of any length fits, its beginning and its form kept. */
static void curve_add(struct curve *curve, const struct curve_point *point)
{
	if (curve->nr == CURVE_MAX_POINTS) {
		for (unsigned i = 1; i < CURVE_MAX_POINTS / 2; i++)
			curve->points[i] = curve->points[2 * i];
		curve->nr /= 2;
		curve->stride_bytes *= 2;
	}
	curve->points[curve->nr++] = *point;
	curve->next_bytes = point->read_bytes + curve->stride_bytes;
}

/* What is left by the device's word. false: it does not say. */
static bool look(struct subject *s, struct curve_point *point)
{
	struct gw_precopy_info info;

	if (gw_device_precopy_info(s->dev, &info, NULL))
		return false;
	point->initial_bytes = info.initial_bytes;
	point->dirty_bytes = info.dirty_bytes;
	return true;
}

static void begin_curve(struct curve *curve, const struct curve_point *point)
{
	*curve = (struct curve){ .stride_bytes = (point->initial_bytes + point->dirty_bytes) / CURVE_STRIDE };
	if (!curve->stride_bytes)
		curve->stride_bytes = 1;
	curve_add(curve, point);
}

/* Reads as long as there is something, or for PRECOPY_NS. */
static int follow(struct subject *s, bool told, struct curve_point *point, struct gw_error *e)
{
	uint64_t began_ns = now_ns();
	struct curve *curve = &s->curve;

	while (!curve->ended) {
		struct gw_error why = GW_ERROR_NONE;
		ssize_t n = subject_interrupted(s, &why);

		if (!n)
			n = read_piece(s, SUBJECT_BUFFER_BYTES, &s->step_ns, &why);
		if (n == -ENOMSG || !n) {
			curve->ended = "nothing-now";
			break;
		}
		if (n < 0)
			return gw_error_set(e, (int)n, why.where, "%s", why.what);
		point->read_bytes += (uint64_t)n;
		point->ns = now_ns() - began_ns;
		told = told && look(s, point);
		if (told && !point->initial_bytes && !point->dirty_bytes)
			curve->ended = "empty";
		else if (point->ns > PRECOPY_NS || point->read_bytes > s->max_state_bytes)
			curve->ended = "limit";
		if (point->read_bytes >= curve->next_bytes || curve->ended)
			curve_add(curve, point);
	}
	return 0;
}

int subject_precopy(struct subject *s, struct gw_error *e)
{
	struct curve_point point = { 0 };
	bool told;
	int ret;

	if (s->at != GW_STATE_PRE_COPY)
		return 0;
	s->step_ns = 0;
	told = look(s, &point);
	begin_curve(&s->curve, &point);
	ret = follow(s, told, &point, e);
	if (!ret)
		ret = subject_keep(s, "pre-copy", "bytes", MEASURE_BYTES, (double)point.read_bytes, e);
	if (!ret && point.read_bytes)
		ret = subject_keep(s, "pre-copy", "time", MEASURE_US, (double)s->step_ns / 1000, e);
	return ret;
}

int subject_rest(struct subject *s, struct gw_error *e)
{
	uint64_t first_ns;
	int ret;

	if (s->at != GW_STATE_STOP_COPY)
		return 0;
	ret = read_all(s, SUBJECT_BUFFER_BYTES, &first_ns, NULL, e);
	if (!ret)
		ret = subject_keep(s, "stop-copy", "bytes", MEASURE_BYTES, (double)s->step_bytes, e);
	if (!ret)
		ret = subject_keep(s, "stop-copy", "time", MEASURE_US, (double)s->step_ns / 1000, e);
	return ret;
}
