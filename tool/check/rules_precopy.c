/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules about pre-copy: the stream that is read while the device runs, and that it does run. */
#include "rules_precopy.h"

#include "refdev.h"
#include "rule_state.h"
#include "stream.h"

#include <errno.h>
#include <poll.h>

#define SOME_BYTES 200     /* of a stream: within its first structure, most often */
#define POLL_MS    1000    /* for what is due at once */
#define PROBE_AT   0x5008u /* where in local memory of the known device */

#define NOTHING_NOW                                                                                                   \
	PRECOPY_INFO_PLACE "\"When read() is done on this temporary end of stream the kernel driver should return "   \
			   "ENOMSG from read().\" (vfio-user, VFIO_USER_MIG_DATA_READ: \"size indicates the size of " \
			   "returned migration data. If this is less than the requested size, there is no more "      \
			   "migration data to read.\")"
#define CAN_POLL PRECOPY_INFO_PLACE "\"Userspace can wait for more data (which may never come) by using poll.\""
#define ONE_STREAM                                                                                                    \
	"linux/vfio.h (since 6.2), enum vfio_device_mig_state: \"PRE_COPY, PRE_COPY_P2P and STOP_COPY form the "      \
	"\"saving group\" of states which share a data transfer session. Moving between these states alters what is " \
	"streamed in session, but does not terminate or otherwise affect the associated fd.\""
#define ANY_TIME                                                                                                \
	PRECOPY_INFO_PLACE "\"It is recommended to leave PRE_COPY for STOP_COPY only after this field reaches " \
			   "zero. Leaving PRE_COPY earlier might make things slower.\""
#define GIVEN_UP                                                                                              \
	"linux/vfio.h (since 6.2), enum vfio_device_mig_state, PRE_COPY -> RUNNING: \"The PRE_COPY arc will " \
	"terminate "                                                                                          \
	"a data transfer session.\""
#define RUNS                                                                                                     \
	"linux/vfio.h (since 6.2), enum vfio_device_mig_state: \"PRE_COPY - The device is running normally but " \
	"tracking internal state changes\""

static bool read_all_now(struct trial *t, struct image *image)
{
	ssize_t n = stream_read_some(t, image, CHECK_IMAGE_MAX_BYTES);

	return n >= 0 || trial_skip(t, "%s: %s", t->did, errno_name((int)n));
}

static bool read_some(struct trial *t, struct image *image)
{
	ssize_t n = stream_read_some(t, image, SOME_BYTES);

	return n >= 0 || trial_skip(t, "%s: %s", t->did, errno_name((int)n));
}

/* The rest, in pieces of this rule's own. */
static bool read_rest(struct trial *t, struct image *image)
{
	const struct pieces pieces = { .sizes = { (uint32_t)t->rule->value }, .until = UINT64_MAX };
	int ret = stream_read_rest(t, image, &pieces);

	return !ret || stream_blame(t, "bytes, or 0 at the end", "%s", errno_name(ret));
}

/* The switch as a VMM makes it that knows of no P2P: one SET. */
static bool switch_over(struct trial *t)
{
	int ret = trial_set(t, GW_STATE_STOP_COPY);

	return !ret || trial_skip(t, "PRE_COPY -> STOP_COPY: %s", errno_name(ret));
}

static void all_in_precopy(struct trial *t)
{
	struct image image = { 0 };

	if (trial_go(t, GW_STATE_PRE_COPY) && read_all_now(t, &image) && switch_over(t) && read_rest(t, &image))
		stream_must_load(t, &image, "all that there was read in PRE_COPY, the rest in STOP_COPY");
	image_free(&image);
}

static void part_in_precopy(struct trial *t)
{
	struct image image = { 0 };

	if (trial_go(t, GW_STATE_PRE_COPY) && read_some(t, &image) && switch_over(t) && read_rest(t, &image))
		stream_must_load(t, &image, "a little read in PRE_COPY, the rest in STOP_COPY");
	image_free(&image);
}

static void none_in_precopy(struct trial *t)
{
	struct image image = { 0 };

	if (trial_go(t, GW_STATE_PRE_COPY) && switch_over(t) && read_rest(t, &image))
		stream_must_load(t, &image, "nothing read in PRE_COPY, all in STOP_COPY");
	image_free(&image);
}

/* To RUNNING without a word about what is unread, and the next save is whole. */
static void given_up(struct trial *t)
{
	struct image image = { 0 };

	if (trial_go(t, GW_STATE_PRE_COPY) && read_some(t, &image) && trial_go(t, GW_STATE_RUNNING)) {
		image_free(&image);
		if (trial_go(t, GW_STATE_STOP_COPY) && read_rest(t, &image))
			stream_must_load(t, &image, "saved after a pre-copy that was given up");
	}
	image_free(&image);
}

static void p2p_and_back(struct trial *t)
{
	struct image image = { 0 };

	if (trial_go(t, GW_STATE_PRE_COPY) && read_some(t, &image) && trial_go(t, GW_STATE_PRE_COPY_P2P) &&
	    read_some(t, &image) && trial_go(t, GW_STATE_PRE_COPY) && read_some(t, &image) && switch_over(t) &&
	    read_rest(t, &image))
		stream_must_load(t, &image, "read in PRE_COPY, PRE_COPY_P2P, PRE_COPY again and STOP_COPY");
	image_free(&image);
}

/* true: it has said that both counts are 0, or it does not tell. */
static bool is_at_end(struct trial *t)
{
	struct gw_raw_precopy info = { 0 };
	int ret;

	if (!(t->info.features & GW_FEATURE_PRECOPY_INFO))
		return true;
	ret = gw_raw_precopy_info(t->dev, &info);
	if (ret)
		return trial_skip(t, "GET_PRECOPY_INFO in PRE_COPY: %s", errno_name(ret));
	return !(info.initial_bytes | info.dirty_bytes);
}

/* All read, so that there is nothing now. A device that always has something new is given some rounds, and let go. */
static bool reach_end(struct trial *t)
{
	struct image image = { 0 };
	bool at_end = false;

	if (!trial_go(t, GW_STATE_PRE_COPY))
		return false;
	for (unsigned i = 0; i < 16 && t->verdict == VERDICT_NONE && !at_end; i++)
		at_end = read_all_now(t, &image) && is_at_end(t);
	image_free(&image);
	return at_end || trial_skip(t, "it never says that there is nothing now");
}

static void nothing_now(struct trial *t)
{
	const char *due = gw_raw_has_data_fd(t->dev) ? "ENOMSG" : "0 bytes";
	uint8_t buf[4000];
	ssize_t n;

	if (!reach_end(t))
		return;
	n = gw_raw_data_read(t->dev, buf, sizeof(buf));
	trial_did(t, "read of %zu bytes in PRE_COPY, with all that there was read", sizeof(buf));
	if (n > 0)
		trial_fail(t, due, "%zd bytes", n);
	else if (n == 0 && gw_raw_has_data_fd(t->dev))
		trial_fail(t, due, "0, which is the end of the stream");
	else if (n < 0 && (n != -ENOMSG || !gw_raw_has_data_fd(t->dev)))
		trial_fail(t, due, "%s", errno_name((int)n));
	stream_drop(t);
}

static void poll_data(struct trial *t)
{
	struct gw_raw_precopy info = { 0 };
	int ret;

	if (!trial_go(t, GW_STATE_PRE_COPY))
		return;
	ret = gw_raw_precopy_info(t->dev, &info);
	if (ret || !info.initial_bytes)
		return (void)trial_skip(t, "there is nothing to be read");
	ret = gw_raw_data_poll(t->dev, POLLIN, POLL_MS);
	trial_did(t, "poll of the data fd in PRE_COPY, with initial_bytes %llu",
		  (unsigned long long)info.initial_bytes);
	if (trial_done(t, ret) && !(ret & POLLIN))
		trial_fail(t, "POLLIN at once", ret ? "revents 0x%x" : "nothing for 1 s", (unsigned)ret);
}

static void poll_waits(struct trial *t)
{
	int ret;

	if (!reach_end(t))
		return;
	ret = gw_raw_data_poll(t->dev, POLLIN, 0);
	trial_did(t, "poll of the data fd in PRE_COPY, with all that there was read");
	if (trial_done(t, ret) && ret & POLLIN)
		trial_fail(t, "no POLLIN, since there is nothing to be read", "revents 0x%x", (unsigned)ret);
	stream_drop(t);
}

/* Of a device that nothing is known of, its configuration space at least has to be there. */
static void runs(struct trial *t)
{
	uint16_t id = 0;
	ssize_t n;
	int ret;

	if (!trial_go(t, GW_STATE_PRE_COPY))
		return;
	if (refdev_is(&t->info)) {
		trial_did(t, "an operation of the device in PRE_COPY");
		ret = refdev_fill(t->dev, 1);
		trial_done(t, ret);
		return;
	}
	if (!(t->info.features & GW_FEATURE_PCI))
		return (void)trial_skip(t, "nobody here knows how to make this device do something");
	trial_did(t, "read of the vendor ID in configuration space in PRE_COPY");
	n = gw_device_region_read(t->dev, GW_REGION_CONFIG, 0, &id, sizeof(id), NULL);
	if (trial_done(t, n) && id != t->info.vendor_id)
		trial_fail(t, "the vendor ID", "0x%04x instead of 0x%04x", id, t->info.vendor_id);
}

static bool peek_after_load(struct trial *t, const struct image *image, uint64_t *word)
{
	int ret;

	if (!stream_must_load(t, image, "with memory written in PRE_COPY, after it was read"))
		return false;
	ret = refdev_peek(t->peer, PROBE_AT, word);
	return !ret || trial_skip(t, "read of local memory: %s", errno_name(ret));
}

/* What changes after it was read has to be sent again: the one thing that pre-copy must not get wrong. */
static void changes_follow(struct trial *t)
{
	const uint64_t due = 0x5ca1ab1e0ddba11ull;
	struct image image = { 0 };
	uint64_t word = 0;
	int ret;

	if (!refdev_is(&t->info))
		return (void)trial_skip(t, "nobody here knows how to change this device's state");
	if (!trial_go(t, GW_STATE_PRE_COPY) || !read_all_now(t, &image))
		goto out;
	ret = refdev_poke(t->dev, PROBE_AT, due);
	if (ret) {
		trial_skip(t, "write of local memory in PRE_COPY: %s", errno_name(ret));
		goto out;
	}
	if (switch_over(t) && read_rest(t, &image) && peek_after_load(t, &image, &word) && word != due) {
		trial_did(t, "a word of local memory written in PRE_COPY, after it was read");
		trial_fail(t, "the word is in the loaded device", "0x%llx is there", (unsigned long long)word);
	}
out:
	image_free(&image);
}

/* value: how much a read asks for in STOP_COPY. */
static const struct rule rules[] = {
	{ "precopy.runs", "the device runs in PRE_COPY", RUNS, NEED_PRECOPY, runs },
	{ "precopy.changes-follow", "what changes after it was read is sent again", RUNS, NEED_PRECOPY, changes_follow,
	  .value = 10240 },
	{ "precopy.nothing-now", "a read with nothing to be read says so", NOTHING_NOW, NEED_PRECOPY, nothing_now },
	{ "precopy.read-all", "all read in PRE_COPY, and what STOP_COPY adds, loads", ONE_STREAM, NEED_PRECOPY,
	  all_in_precopy, .value = 20480 },
	{ "precopy.read-part", "a part read in PRE_COPY, and the rest in STOP_COPY, loads", ANY_TIME, NEED_PRECOPY,
	  part_in_precopy, .value = 24576 },
	{ "precopy.read-none", "nothing read in PRE_COPY, and all in STOP_COPY, loads", ANY_TIME, NEED_PRECOPY,
	  none_in_precopy, .value = 28672 },
	{ "precopy.given-up", "a pre-copy that is given up does not spoil the next save", GIVEN_UP, NEED_PRECOPY,
	  given_up, .value = 36864 },
	{ "precopy.p2p-and-back", "the stream goes on over PRE_COPY_P2P and back", ONE_STREAM, NEED_PRECOPY | NEED_P2P,
	  p2p_and_back, .value = 40960 },
	{ "precopy.poll-data", "poll tells that there is something to be read", CAN_POLL, NEED_PRECOPY | NEED_DATA_FD,
	  poll_data },
	{ "precopy.poll-waits", "poll tells that there is nothing to be read", CAN_POLL, NEED_PRECOPY | NEED_DATA_FD,
	  poll_waits },
};

void rules_precopy(struct rule_list *list, uint32_t flags)
{
	rules_precopy_info(list);
	rule_add_all(list, rules, sizeof(rules) / sizeof(rules[0]));
}
