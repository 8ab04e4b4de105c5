/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads and writes of the data session in pieces: see stream.h. */
#include "stream.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct pieces stream_plain = { .until = 0 };
const struct pieces stream_bytes = { .sizes = { 1 }, .until = 4096 };
const struct pieces stream_odd = { .sizes = { 3, 61, 509, 4093 }, .until = 256u << 10 };
const struct pieces stream_large = { .sizes = { STREAM_LARGE_BYTES }, .until = UINT64_MAX };

/* What the n-th read or write of a stream asks for, `at` bytes into it. */
static uint32_t piece_bytes(const struct pieces *pieces, unsigned n, uint64_t at)
{
	unsigned nr = 0;
	uint32_t size;

	while (nr < STREAM_MAX_SIZES && pieces->sizes[nr])
		nr++;
	size = nr && at < pieces->until ? pieces->sizes[n % nr] : STREAM_PIECE_BYTES;
	return size < STREAM_LARGE_BYTES ? size : STREAM_LARGE_BYTES;
}

/* What is allocated for an image that is read, so that it does not move with every piece. */
static size_t room_bytes(size_t size_bytes)
{
	size_t room = STREAM_PIECE_BYTES;

	while (room < size_bytes)
		room *= 2;
	return size_bytes ? room : 0;
}

static int append(struct trial *t, struct image *image, const uint8_t *bytes, size_t size_bytes)
{
	size_t room = room_bytes(image->size_bytes + size_bytes);
	uint8_t *grown = image->bytes;

	if (image->size_bytes + size_bytes > CHECK_IMAGE_MAX_BYTES) {
		trial_skip(t, "its state is larger than %llu MiB", CHECK_IMAGE_MAX_BYTES >> 20);
		return -EFBIG;
	}
	if (room != room_bytes(image->size_bytes))
		grown = realloc(image->bytes, room);
	if (!grown) {
		trial_skip(t, "no memory for an image of %zu bytes", image->size_bytes + size_bytes);
		return -ENOMEM;
	}
	memcpy(grown + image->size_bytes, bytes, size_bytes);
	image->bytes = grown;
	image->size_bytes += size_bytes;
	return 0;
}

/* One read. 0: the end, or nothing now. */
static ssize_t read_piece(struct trial *t, struct image *image, uint8_t *buf, size_t size_bytes)
{
	bool live = t->at == GW_STATE_PRE_COPY || t->at == GW_STATE_PRE_COPY_P2P;
	ssize_t n;
	int ret;

	trial_did(t, "read of %zu bytes at byte %zu of the stream in %s", size_bytes, image->size_bytes,
		  gw_device_state_name(t->at));
	n = gw_raw_data_read(t->dev, buf, size_bytes);
	if (n == -ENOMSG && live)
		return 0;
	if (n <= 0)
		return n;
	if ((size_t)n > size_bytes)
		return -EPROTO;
	ret = append(t, image, buf, (size_t)n);
	return ret ? ret : n;
}

static uint8_t *new_buffer(struct trial *t)
{
	uint8_t *buf = malloc(STREAM_LARGE_BYTES);

	if (!buf)
		trial_skip(t, "no memory for a read of %u bytes", STREAM_LARGE_BYTES);
	return buf;
}

/*
 * A short reply of a vfio-user server says that it was the last; servers differ in whether they may be asked again, and
 * whether they may is another rule's matter.
 */
int stream_read_rest(struct trial *t, struct image *image, const struct pieces *pieces)
{
	bool by_message = !gw_raw_has_data_fd(t->dev), was_short = false;
	uint8_t *buf = new_buffer(t);
	ssize_t n = 1;

	if (!buf)
		return -ENOMEM;
	for (unsigned i = 0; n > 0; i++) {
		uint32_t asked = piece_bytes(pieces, i, image->size_bytes);

		n = read_piece(t, image, buf, asked);
		if (n < 0 && was_short && !errno_is_gone((int)n))
			n = 0;
		was_short = by_message && n < (ssize_t)asked;
	}
	free(buf);
	return (int)n;
}

ssize_t stream_read_some(struct trial *t, struct image *image, size_t most)
{
	size_t before = image->size_bytes, left = most;
	uint8_t *buf = new_buffer(t);
	ssize_t n = 1;

	if (!buf)
		return -ENOMEM;
	while (left && n > 0) {
		n = read_piece(t, image, buf, left < STREAM_PIECE_BYTES ? left : STREAM_PIECE_BYTES);
		left = most - (image->size_bytes - before);
	}
	free(buf);
	return n < 0 ? n : (ssize_t)(most - left);
}

void stream_drop(struct trial *t)
{
	if (!gw_raw_reset(t->dev))
		t->at = GW_STATE_RUNNING;
}

int stream_write(struct gw_device *dev, const uint8_t *bytes, size_t size_bytes, const struct pieces *pieces,
		 const char **where)
{
	static _Thread_local char text[64];
	size_t at = 0;

	for (unsigned i = 0; at < size_bytes; i++) {
		uint32_t piece = piece_bytes(pieces, i, at);
		ssize_t n = gw_raw_data_write(dev, bytes + at, size_bytes - at < piece ? size_bytes - at : piece);

		snprintf(text, sizeof(text), "write at byte %zu", at);
		*where = text;
		if (n <= 0 || (size_t)n > size_bytes - at)
			return n < 0 ? (int)n : -EIO;
		at += (size_t)n;
	}
	return 0;
}

/* Without a reset a device that runs will do: it has no session to get rid of. */
static int clear_peer(struct trial *side)
{
	struct gw_raw_state now = { 0 };
	int ret = gw_raw_reset(side->dev);

	side->at = GW_STATE_RUNNING;
	if (!ret || errno_is_gone(ret))
		return ret;
	return !gw_raw_state_get(side->dev, &now) && now.state == GW_STATE_RUNNING ? 0 : ret;
}

bool stream_begin_load(struct trial *t, struct trial *side)
{
	int ret;

	*side = *t;
	side->dev = t->peer;
	ret = gw_device_get_info(t->peer, &side->info, NULL);
	if (ret)
		return trial_skip(t, "the loading device does not tell what it is: %s", errno_name(ret));
	ret = clear_peer(side);
	if (ret)
		return trial_skip(t, "reset of the loading device: %s", errno_name(ret));
	if (t->peer == t->dev)
		t->at = GW_STATE_RUNNING;
	if (!trial_go(side, GW_STATE_RESUMING))
		return trial_skip(t, "%s", side->came);
	return true;
}

int stream_load(struct trial *t, const uint8_t *bytes, size_t size_bytes, const struct pieces *pieces,
		const char **where)
{
	struct trial side;
	int ret;

	*where = "the way to RESUMING";
	if (!stream_begin_load(t, &side))
		return -EIO;
	ret = stream_write(side.dev, bytes, size_bytes, pieces, where);
	if (ret)
		return ret;
	*where = "RESUMING -> STOP";
	ret = trial_set(&side, GW_STATE_STOP);
	if (ret)
		return ret;
	if (!trial_go(&side, GW_STATE_RUNNING)) {
		*where = "the way to RUNNING";
		trial_skip(t, "%s", side.came);
		return -EIO;
	}
	gw_raw_data_close(side.dev);
	return 0;
}

/* Whether a device that is saved and loaded as anybody would do it works; t gets the reason if not. */
static bool plain_works(struct trial *t)
{
	struct image image;
	const char *where;
	int ret;

	stream_drop(t);
	if (!trial_image_take(t, &image, 0))
		return false;
	ret = stream_load(t, image.bytes, image.size_bytes, &stream_plain, &where);
	if (ret)
		trial_skip(t, "a good image does not load at all: %s: %s (see arc.RESUMING-STOP)", where,
			   errno_name(ret));
	image_free(&image);
	return !ret;
}

bool stream_blame(struct trial *t, const char *due, const char *fmt, ...)
{
	char came[TRIAL_TEXT_BYTES];
	struct trial plain = *t;
	va_list args;

	if (t->verdict != VERDICT_NONE)
		return false;
	va_start(args, fmt);
	vsnprintf(came, sizeof(came), fmt, args);
	va_end(args);
	if (!plain_works(&plain))
		return trial_skip(t, "%s", plain.came);
	return trial_fail(t, due, "%s", came);
}

bool stream_must_load(struct trial *t, const struct image *image, const char *how)
{
	const char *where;
	int ret = stream_load(t, image->bytes, image->size_bytes, &stream_plain, &where);

	trial_did(t, "an image of %zu bytes, %s, was loaded", image->size_bytes, how);
	return !ret || stream_blame(t, "the image is taken", "%s: %s", where, errno_name(ret));
}
