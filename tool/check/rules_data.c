/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules about the stream: it is the same stream whatever the sizes of reads and writes. */
#include "rules_data.h"
#include "refdev.h"
#include "rule_state.h"
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>

#define STREAM                                                                                                         \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE: \"The user must consider the migration data stream "      \
	"carried over the FD to be opaque and must preserve the byte order of the stream.\" (vfio-user, "              \
	"VFIO_USER_MIG_DATA_READ: \"the migration data is treated like a stream, so the client must continue reading " \
	"until no more migration data remains.\")"
#define NO_SEGMENTS                                                                                          \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE: \"The user is not required to preserve buffer " \
	"segmentation when writing the data stream during the RESUMING operation.\""
#define ENDS                                                                                                        \
	"linux/vfio.h (since 6.2), VFIO_MIG_GET_PRECOPY_INFO: \"Once in STOP_COPY the migration data FD has a "     \
	"permanent end of "                                                                                         \
	"stream signaled in the usual way by read() always returning 0 and poll always returning readable. ENOMSG " \
	"may not be returned in STOP_COPY.\""

/* Of a rule's value. */
static const struct manner {
	const struct pieces *pieces;
	const char *how;
} manners[] = {
	{ &stream_bytes, "the first 4 KiB byte by byte" },
	{ &stream_odd, "in odd sizes" },
	{ &stream_large, "1 MiB at a time, and past the end" },
};

/* What a device has never used may take no room in its stream: of one that is known, all is used. */
static void make_large(struct trial *t)
{
	if (refdev_is(&t->info))
		refdev_fill(t->dev, t->rule->value);
}

static void read_so(struct trial *t)
{
	const struct manner *manner = &manners[t->rule->value];
	struct image image = { 0 };
	char how[TRIAL_TEXT_BYTES / 2];
	int ret;

	make_large(t);
	if (!trial_go(t, GW_STATE_STOP_COPY))
		return;
	ret = stream_read_rest(t, &image, manner->pieces);
	if (ret) {
		stream_blame(t, "bytes, or 0 at the end", "%s", errno_name(ret));
	} else {
		snprintf(how, sizeof(how), "read %s", manner->how);
		stream_must_load(t, &image, how);
	}
	image_free(&image);
}

static void write_so(struct trial *t)
{
	const struct manner *manner = &manners[t->rule->value];
	const char *where;
	struct image image;
	int ret;

	make_large(t);
	if (!trial_image_take(t, &image, 0))
		return;
	ret = stream_load(t, image.bytes, image.size_bytes, manner->pieces, &where);
	trial_did(t, "an image of %zu bytes was written %s", image.size_bytes, manner->how);
	if (ret)
		stream_blame(t, "the image is taken", "%s: %s", where, errno_name(ret));
	image_free(&image);
}

/* Sizes of its own, so that what is wrong after the end and what is wrong at it are told apart. */
static void end_stays(struct trial *t)
{
	static const uint32_t sizes[] = { 2048, 1, STREAM_LARGE_BYTES, 2048 };
	uint8_t *buf = malloc(STREAM_LARGE_BYTES);
	struct image image = { 0 };
	int ret;

	if (!buf)
		return (void)trial_skip(t, "no memory for a read of %u bytes", STREAM_LARGE_BYTES);
	if (!trial_go(t, GW_STATE_STOP_COPY))
		return free(buf);
	ret = stream_read_rest(t, &image, &stream_plain);
	if (ret)
		trial_skip(t, "the end is not reached: %s", errno_name(ret));
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && t->verdict == VERDICT_NONE; i++) {
		ssize_t n = gw_raw_data_read(t->dev, buf, sizes[i]);

		trial_did(t, "read of %u bytes after the end, %zu bytes into the stream", sizes[i], image.size_bytes);
		if (n < 0)
			trial_fail(t, "0 bytes", "%s", errno_name((int)n));
		else if (n)
			trial_fail(t, "0 bytes", "%zd bytes", n);
	}
	image_free(&image);
	free(buf);
}

static const struct rule rules[] = {
	{ "data.read-1", "a stream read byte by byte loads", STREAM, 0, read_so, .value = 0 },
	{ "data.read-odd", "a stream read in odd sizes loads", STREAM, 0, read_so, .value = 1 },
	{ "data.read-large", "a stream read 1 MiB at a time, and past its end, loads", STREAM, 0, read_so, .value = 2 },
	{ "data.write-1", "a stream written byte by byte loads", NO_SEGMENTS, 0, write_so, .value = 0 },
	{ "data.write-odd", "a stream written in odd sizes loads", NO_SEGMENTS, 0, write_so, .value = 1 },
	{ "data.write-large", "a stream written 1 MiB at a time loads", NO_SEGMENTS, 0, write_so, .value = 2 },
	{ "data.end-stays", "after the end of the stream every read gives 0 bytes", ENDS, 0, end_stays },
};

void rules_data(struct rule_list *list, uint32_t flags)
{
	rule_add_all(list, rules, sizeof(rules) / sizeof(rules[0]));
	rules_session(list);
	rules_data_fd(list, flags);
}
