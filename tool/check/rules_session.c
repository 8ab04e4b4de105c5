/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules about the data session: which states have one and in which direction, what keeps it, and what ends it. */
#include "rule_state.h"
#include "rules_data.h"
#include "stream.h"

#include <errno.h>
#include <stdio.h>

#define SOME_BYTES 100 /* of a stream: within its first structure, most often */

#define NEW_SESSION                                                                                                  \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE: \"If the new_state starts a new data transfer session " \
	"then the FD associated with that session is returned in data_fd.\" (vfio-user has "                         \
	"VFIO_USER_MIG_DATA_READ and VFIO_USER_MIG_DATA_WRITE in its place)"
#define BEGINS_SAVE                                                                                                   \
	"linux/vfio.h (since 6.2), enum vfio_device_mig_state, STOP -> STOP_COPY: \"These arcs begin the process of " \
	"saving the "                                                                                                 \
	"device state and will return a new data_fd.\""
#define ONE_SESSION                                                                                                   \
	"linux/vfio.h (since 6.2), enum vfio_device_mig_state: \"PRE_COPY, PRE_COPY_P2P and STOP_COPY form the "      \
	"\"saving group\" of states which share a data transfer session. Moving between these states alters what is " \
	"streamed in session, but does not terminate or otherwise affect the associated fd.\""
#define READS                                                                                                       \
	"vfio-user, VFIO_USER_MIG_DATA_READ: \"This command is used to read data from the source migration server " \
	"while it is in a saving group state (PRE_COPY or STOP_COPY).\""
#define WRITES                                                                                                    \
	"vfio-user, VFIO_USER_MIG_DATA_WRITE: \"This command is used to write data to the destination migration " \
	"server while it is in the RESUMING state.\""

static bool read_some(struct trial *t, struct image *image)
{
	ssize_t n = stream_read_some(t, image, SOME_BYTES);

	return n >= 0 || trial_skip(t, "%s: %s", t->did, errno_name((int)n));
}

static bool read_rest(struct trial *t, struct image *image, const struct pieces *pieces)
{
	int ret = stream_read_rest(t, image, pieces);

	return !ret || stream_blame(t, "bytes, or 0 at the end", "%s", errno_name(ret));
}

/* A session is there as soon as the arc into its state is done. */
static void opened_save(struct trial *t)
{
	uint8_t buf[512];
	ssize_t n;

	if (!trial_go(t, t->rule->from))
		return;
	trial_did(t, "first read in %s", gw_device_state_name(t->at));
	n = gw_raw_data_read(t->dev, buf, sizeof(buf));
	if (n == -ENOMSG && t->rule->from != GW_STATE_STOP_COPY)
		n = 0; /* what comes when is for the device to say */
	if (n < 0)
		trial_fail(t, "bytes of the stream", "%s", errno_name((int)n));
	else if (!n && t->rule->from == GW_STATE_STOP_COPY)
		trial_fail(t, "bytes of the stream", "its end");
	stream_drop(t);
}

static void opened_load(struct trial *t)
{
	struct image image;
	ssize_t n;

	if (!trial_image_take(t, &image, 0))
		return;
	if (!image.size_bytes) {
		trial_skip(t, "its image is empty");
	} else if (trial_go(t, GW_STATE_RESUMING)) {
		size_t size = image.size_bytes < SOME_BYTES ? image.size_bytes : SOME_BYTES;

		n = gw_raw_data_write(t->dev, image.bytes, size);
		trial_did(t, "write of the first %zu bytes of a good image in RESUMING", size);
		if (n == 0)
			trial_fail(t, "bytes are taken", "0 bytes were taken");
		trial_done(t, n);
	}
	image_free(&image);
}

static void write_refused(struct trial *t)
{
	static const uint8_t bytes[16] = { 0 };

	if (!trial_go(t, t->rule->from))
		return;
	trial_did(t, "write of %zu bytes in %s", sizeof(bytes), gw_device_state_name(t->at));
	trial_refused(t, gw_raw_data_write(t->dev, bytes, sizeof(bytes)), NULL);
}

static void read_refused(struct trial *t)
{
	uint8_t buf[512];

	if (!trial_go(t, t->rule->from))
		return;
	trial_did(t, "read of %zu bytes in %s", sizeof(buf), gw_device_state_name(t->at));
	trial_refused(t, gw_raw_data_read(t->dev, buf, sizeof(buf)), NULL);
}

/* No session: nothing to be read, which an empty reply says as well as an error, and nobody who takes a write. */
static void has_no_session(struct trial *t, size_t size_bytes, const char *when)
{
	uint8_t buf[1024] = { 0 };
	ssize_t n = gw_raw_data_read(t->dev, buf, size_bytes);

	trial_did(t, "read of %zu bytes %s", size_bytes, when);
	if (n > 0)
		trial_fail(t, "an error", "%zd bytes", n);
	else if (n)
		trial_refused(t, n, NULL);
	if (t->verdict != VERDICT_NONE)
		return;
	trial_did(t, "write of %zu bytes %s", size_bytes, when);
	trial_refused(t, gw_raw_data_write(t->dev, buf, size_bytes), NULL);
}

static void closed(struct trial *t)
{
	char when[32];

	if (!trial_go(t, t->rule->from))
		return;
	snprintf(when, sizeof(when), "in %s", gw_device_state_name(t->at));
	has_no_session(t, 512, when);
}

/* from: the state with the session. The stream is left in the midst, which is where it would go on if it could. */
static void ended_save(struct trial *t)
{
	struct image image = { 0 };

	if (trial_go(t, t->rule->from) && read_some(t, &image) && trial_go(t, t->rule->to)) {
		has_no_session(t, 1024, "after the session has ended");
		stream_drop(t);
	}
	image_free(&image);
}

static void ended_load(struct trial *t)
{
	struct image image;
	const char *where;
	int ret;

	if (!trial_image_take(t, &image, 0))
		return;
	ret = trial_image_begin(t, &image, &where);
	if (ret)
		trial_skip(t, "a good image is refused: %s: %s", where, errno_name(ret));
	if (!ret && trial_go(t, GW_STATE_STOP))
		has_no_session(t, 768, "in STOP after RESUMING");
	image_free(&image);
}

static void goes_on(struct trial *t)
{
	struct image image = { 0 };

	if (trial_go(t, GW_STATE_PRE_COPY) && read_some(t, &image) && trial_go(t, GW_STATE_PRE_COPY_P2P) &&
	    read_some(t, &image) && trial_go(t, GW_STATE_STOP_COPY) && read_rest(t, &image, &stream_plain))
		stream_must_load(t, &image, "read in PRE_COPY, PRE_COPY_P2P and STOP_COPY");
	image_free(&image);
}

/* What was read before the session was left is nobody's, and the next one owes all of it again. */
static void whole_again(struct trial *t, uint32_t piece, const char *how)
{
	const struct pieces pieces = { .sizes = { piece }, .until = UINT64_MAX };
	struct image image = { 0 };

	if (trial_go(t, GW_STATE_STOP_COPY) && read_rest(t, &image, &pieces))
		stream_must_load(t, &image, how);
	image_free(&image);
}

static void abandoned(struct trial *t)
{
	struct image image = { 0 };

	if (trial_go(t, GW_STATE_STOP_COPY) && read_some(t, &image) && trial_go(t, GW_STATE_RUNNING))
		whole_again(t, 8192, "saved after a save that was left in the midst");
	image_free(&image);
}

static void again(struct trial *t)
{
	struct image image = { 0 };

	if (trial_go(t, GW_STATE_STOP_COPY) && !stream_read_rest(t, &image, &stream_plain) &&
	    trial_go(t, GW_STATE_STOP))
		whole_again(t, 16384, "saved once more, from STOP, after a save to the end");
	else
		trial_skip(t, "no first image");
	image_free(&image);
}

static const struct rule opens[] = {
	{ "data.opened.STOP_COPY", "in STOP_COPY the first read gives bytes", NEW_SESSION, 0, opened_save,
	  .from = GW_STATE_STOP_COPY },
	{ "data.opened.PRE_COPY", "in PRE_COPY the stream can be read", NEW_SESSION, NEED_PRECOPY, opened_save,
	  .from = GW_STATE_PRE_COPY },
	{ "data.opened.RESUMING", "in RESUMING the first write is taken", NEW_SESSION, 0, opened_load },
	{ "data.write-refused.STOP_COPY", "a saving session takes no writes", WRITES, 0, write_refused,
	  .from = GW_STATE_STOP_COPY },
	{ "data.write-refused.PRE_COPY", "a saving session takes no writes", WRITES, NEED_PRECOPY, write_refused,
	  .from = GW_STATE_PRE_COPY },
	{ "data.read-refused.RESUMING", "a loading session gives no bytes", READS, 0, read_refused,
	  .from = GW_STATE_RESUMING },
	{ "data.closed.RUNNING", "RUNNING has no data session", READS, NEED_VFIO_USER, closed,
	  .from = GW_STATE_RUNNING },
	{ "data.closed.STOP", "STOP has no data session", READS, NEED_VFIO_USER, closed, .from = GW_STATE_STOP },
	{ "data.closed.RUNNING_P2P", "RUNNING_P2P has no data session", READS, NEED_VFIO_USER | NEED_P2P, closed,
	  .from = GW_STATE_RUNNING_P2P },
};

static const struct rule ends[] = {
	{ "data.ended.STOP_COPY-STOP", "the arc to STOP ends the session",
	  "linux/vfio.h, enum vfio_device_mig_state, STOP_COPY -> STOP: \"The STOP_COPY arc will terminate a data "
	  "transfer session.\"",
	  0, ended_save, .from = GW_STATE_STOP_COPY, .to = GW_STATE_STOP },
	{ "data.ended.PRE_COPY-RUNNING", "the arc to RUNNING ends the session",
	  "linux/vfio.h (since 6.2), enum vfio_device_mig_state, PRE_COPY -> RUNNING: \"The PRE_COPY arc will "
	  "terminate a data "
	  "transfer session.\"",
	  NEED_PRECOPY, ended_save, .from = GW_STATE_PRE_COPY, .to = GW_STATE_RUNNING },
	{ "data.ended.PRE_COPY_P2P-RUNNING_P2P", "the arc to RUNNING_P2P ends the session",
	  "linux/vfio.h (since 6.2), enum vfio_device_mig_state, PRE_COPY_P2P -> RUNNING_P2P: \"The PRE_COPY_P2P arc "
	  "will "
	  "terminate a data transfer session.\"",
	  NEED_PRECOPY | NEED_P2P, ended_save, .from = GW_STATE_PRE_COPY_P2P, .to = GW_STATE_RUNNING_P2P },
	{ "data.ended.RESUMING-STOP", "the arc out of RESUMING ends the session",
	  "linux/vfio.h, enum vfio_device_mig_state, RESUMING -> STOP: \"Leaving RESUMING terminates a data transfer "
	  "session\"",
	  0, ended_load },
	{ "data.goes-on", "the stream goes on from PRE_COPY over PRE_COPY_P2P to STOP_COPY", ONE_SESSION,
	  NEED_PRECOPY | NEED_P2P, goes_on },
	{ "data.abandoned", "a save that was left in the midst does not spoil the next", BEGINS_SAVE, 0, abandoned },
	{ "data.again", "a second save from STOP gives the whole state again", BEGINS_SAVE, 0, again },
};

void rules_session(struct rule_list *list)
{
	rule_add_all(list, opens, sizeof(opens) / sizeof(opens[0]));
	rule_add_all(list, ends, sizeof(ends) / sizeof(ends[0]));
}
