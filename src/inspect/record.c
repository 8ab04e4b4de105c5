/* SPDX-License-Identifier: BSD-3-Clause */
/* A recorded channel of a godwit migration: doc/wire.md has the frames. */
#include "inspect/record.h"

#include "inspect/bounds.h"
#include "inspect/record_body.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct recorded {
	struct reading *r;
	struct gw_inspected_channel *channel;
	struct frame_summer *summer;
	struct frame_header header;
	uint64_t at; /* of the header */
	uint64_t seq;
	uint16_t last; /* type of the last frame that says how it went */
};

/* Which role a channel has, by its first frame, and with which frames it comes to its end. */
static const struct channel_end {
	uint16_t type;
	const char *role;
} ends[] = {
	{ FRAME_COMMIT, "control" },  { FRAME_CANCEL, "control" }, { FRAME_COMMIT, "resume" },
	{ FRAME_CANCEL, "resume" },   { FRAME_END, "data" },       { FRAME_SUMMARY, "answers" },
	{ FRAME_RUNNING, "answers" }, { FRAME_FAILED, "answers" }, { FRAME_REFUSE, "answers" },
};

static bool is_end(const char *role, uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (ends[i].type == type && !strcmp(ends[i].role, role))
			return true;
	return false;
}

static struct gw_inspected_count *count_frame(struct recorded *rec)
{
	struct gw_inspected_channel *channel = rec->channel;
	struct gw_inspected_count *count = (struct gw_inspected_count *)channel->types;

	while (count && count->type != rec->header.type)
		count = (struct gw_inspected_count *)count->next;
	if (!count)
		count = arena_append(rec->r->arena, struct gw_inspected_count, &channel->types, BOUND_COUNTS);
	if (!count)
		return NULL;
	count->type = rec->header.type;
	count->name = rec->header.type == FRAME_FILLER ? "FILLER" : frame_name(rec->header.type);
	count->nr++;
	count->bytes += FRAME_HEADER_BYTES + rec->header.body_bytes;
	channel->last = rec->header.type == FRAME_PING ? channel->last : count->name;
	return count;
}

/* Takes the body; *holds: does the sum? What of it says something is copied to head first, of nr_head bytes. */
static int read_body(struct recorded *rec, uint8_t *head, size_t nr_head, bool *holds)
{
	struct input *in = rec->r->in;
	uint32_t left = rec->header.head_bytes;
	const uint8_t *bytes;

	bytes = input_take(in, nr_head);
	if (bytes) {
		memcpy(head, bytes, nr_head);
		frame_summer_add(rec->summer, bytes, min_u64(nr_head, left));
		left -= (uint32_t)min_u64(nr_head, left);
	}
	while (left && !input_bad(in)) {
		size_t nr = min_u64(left, 256 * KIB);

		bytes = input_take(in, nr);
		if (bytes)
			frame_summer_add(rec->summer, bytes, nr);
		left -= (uint32_t)nr;
	}
	*holds = frame_summer_end(rec->summer) == rec->header.sum;
	input_skip(in, rec->header.body_bytes - max_u64(nr_head, rec->header.head_bytes));
	return reading_check(rec->r);
}

static int read_header(struct recorded *rec)
{
	struct reading *r = rec->r;
	const uint8_t *bytes;
	int ret;

	rec->at = r->in->offset;
	reading_begins(r, "the header of frame %" PRIu64, rec->seq);
	bytes = input_take(r->in, FRAME_HEADER_BYTES);
	if (!bytes)
		return reading_check(r);
	ret = frame_header_decode(bytes, &rec->header);
	frame_summer_begin(rec->summer, bytes);
	if (ret == -EPROTONOSUPPORT)
		return reading_unknown(r, rec->at, "a frame of type %u", rec->header.type);
	if (ret)
		return reading_damaged(r, rec->at, "frame %" PRIu64 " has no sane header", rec->seq);
	if (rec->header.seq != rec->seq)
		reading_damaged(r, rec->at, "frame %" PRIu64 " has the number %" PRIu64, rec->seq, rec->header.seq);
	rec->seq = rec->header.seq + 1;
	return 0;
}

static int read_frame(struct recorded *rec)
{
	static uint8_t none[1];
	struct reading *r = rec->r;
	struct gw_inspected_count *count;
	size_t nr_head;
	uint8_t *head;
	bool holds;
	int ret = read_header(rec);

	if (ret)
		return ret;
	reading_begins(r, "frame %" PRIu64 " (%s)", rec->header.seq, frame_name(rec->header.type));
	nr_head = record_body_look(&rec->header);
	head = nr_head ? malloc(nr_head) : none;
	if (!head)
		return -ENOMEM;
	ret = read_body(rec, head, nr_head, &holds);
	count = ret ? NULL : count_frame(rec);
	if (!ret && !count)
		ret = reading_no_room(r, "types of frames", BOUND_COUNTS);
	if (!ret && !holds) {
		count->nr_bad_sums++;
		rec->channel->nr_bad_sums++;
		reading_damaged(r, rec->at, "frame %" PRIu64 " (%s) does not have the checksum that it should",
				rec->header.seq, count->name);
	} else if (!ret) {
		ret = record_body_take(r, rec->channel, &rec->header, head, nr_head);
		if (ret == -EBADMSG || ret == -EPROTONOSUPPORT) {
			reading_damaged(r, rec->at, "frame %" PRIu64 " is no sane %s", rec->header.seq, count->name);
			ret = 0; /* the next one may be sane again */
		}
		if (rec->header.type != FRAME_PING)
			rec->last = rec->header.type;
	}
	if (nr_head)
		free(head);
	return ret;
}

static int read_frames(struct recorded *rec)
{
	struct gw_inspected_channel *channel = rec->channel;
	struct input *in = rec->r->in;
	int ret = 0;

	while (!ret && !input_at_end(in)) {
		ret = read_frame(rec);
		channel->bytes = in->offset;
	}
	if (!ret)
		ret = reading_check(rec->r);
	if (!ret && !is_end(channel->role, rec->last))
		ret = reading_damaged(rec->r, in->offset,
				      "the last frame is %s: the migration broke off there, or the record",
				      channel->last ? channel->last : "none");
	return ret;
}

int record_inspect(struct reading *r)
{
	struct recorded rec = { .r = r, .summer = frame_summer_new() };
	int ret;

	rec.channel = arena_append(r->arena, struct gw_inspected_channel, &r->inspector->record->channels,
				   GW_INSPECT_MAX_FILES);
	if (!rec.channel || !rec.summer) {
		frame_summer_free(rec.summer);
		return -ENOMEM;
	}
	rec.channel->file = r->file->name;
	rec.channel->role = "answers";
	ret = read_frames(&rec);
	frame_summer_free(rec.summer);
	return ret;
}
