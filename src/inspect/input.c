/* SPDX-License-Identifier: BSD-3-Clause */
/* A file through a window: see input.h. Long stretches of a seekable file that nobody looks at are not read. */
#include "inspect/input.h"

#include "image/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES  (256 * KIB) /* at a time, if no more is asked for */
#define TELL_BYTES  (4 * MIB)
#define SEEK_BYTES  (1 * MIB)   /* the shortest stretch that is worth it */
#define FIRST_BYTES (512 * KIB) /* of the window; more only where a long piece is looked at */

int input_open(struct input *in, int fd, struct image_watch *watch)
{
	struct stat st;
	off_t start;

	*in = (struct input){ .fd = fd, .io = image_io(fd, image_watch_tick, watch), .watch = watch };
	in->before = in->told = watch->progress.bytes;
	if (fstat(fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	start = S_ISREG(st.st_mode) ? lseek(fd, 0, SEEK_CUR) : -1;
	if (start >= 0) {
		in->seekable = true;
		in->start = (uint64_t)start;
		in->size_bytes = st.st_size > start ? (uint64_t)(st.st_size - start) : 0;
	}
	in->room = FIRST_BYTES;
	in->window = malloc(in->room);
	return in->window ? 0 : -ENOMEM;
}

void input_close(struct input *in)
{
	free(in->window);
	in->window = NULL;
}

void input_seek(struct input *in, uint64_t offset)
{
	if (lseek(in->fd, (off_t)(in->start + offset), SEEK_SET) < 0)
		in->error = -errno;
	in->offset = offset;
	in->at = in->fill = 0;
	in->ended = in->cut = false;
}

/* Now and then how far it is; whoever is told may want it to stop. */
static void tell(struct input *in, uint64_t offset)
{
	uint64_t bytes = in->before + offset;
	int ret;

	if (bytes < in->told + TELL_BYTES)
		return;
	in->watch->progress.bytes = in->told = bytes;
	ret = image_watch_tick(in->watch);
	in->error = in->error ? in->error : ret;
}

static bool grow(struct input *in, size_t nr_bytes)
{
	uint8_t *window = realloc(in->window, nr_bytes);

	if (window) {
		in->window = window;
		in->room = nr_bytes;
	} else {
		in->error = -ENOMEM;
	}
	return window;
}

/* Makes the window hold nr_bytes from at on, or all that is left. */
static void fill(struct input *in, size_t nr_bytes)
{
	size_t want;
	ssize_t n;

	if (in->fill - in->at >= nr_bytes || in->ended || in->error)
		return;
	memmove(in->window, in->window + in->at, in->fill - in->at);
	in->fill -= in->at;
	in->at = 0;
	if (nr_bytes > in->room && !grow(in, nr_bytes))
		return;
	want = min_u64(max_u64(nr_bytes - in->fill, READ_BYTES), in->room - in->fill);
	n = image_io_read(&in->io, in->window + in->fill, want);
	if (n < 0) {
		in->error = (int)n;
		return;
	}
	in->ended = (size_t)n < want;
	in->fill += (size_t)n;
	tell(in, in->offset + (in->fill - in->at));
}

size_t input_look(struct input *in, size_t nr_bytes, const uint8_t **bytes)
{
	if (nr_bytes > INPUT_WINDOW_BYTES)
		nr_bytes = INPUT_WINDOW_BYTES;
	fill(in, nr_bytes);
	*bytes = in->window + in->at;
	return min_u64(nr_bytes, in->fill - in->at);
}

bool input_at_end(struct input *in)
{
	const uint8_t *byte;

	return input_look(in, 1, &byte) == 0;
}

bool input_bad(const struct input *in)
{
	return in->cut || in->error;
}

const uint8_t *input_take(struct input *in, size_t nr_bytes)
{
	const uint8_t *bytes;

	if (input_bad(in) || input_look(in, nr_bytes, &bytes) < nr_bytes) {
		in->cut = true;
		return NULL;
	}
	in->at += nr_bytes;
	in->offset += nr_bytes;
	return bytes;
}

/* What is not in the window of a long stretch; its end must be within the file. */
static bool seek_over(struct input *in, uint64_t nr_bytes)
{
	uint64_t rest = nr_bytes - (in->fill - in->at);

	if (lseek(in->fd, (off_t)rest, SEEK_CUR) < 0)
		in->error = -errno;
	in->offset += nr_bytes;
	in->at = in->fill = 0;
	tell(in, in->offset);
	return !in->error;
}

bool input_skip(struct input *in, uint64_t nr_bytes)
{
	if (in->seekable && !input_bad(in) && nr_bytes >= SEEK_BYTES && nr_bytes > in->fill - in->at &&
	    in->offset <= in->size_bytes && nr_bytes <= in->size_bytes - in->offset)
		return seek_over(in, nr_bytes);
	while (nr_bytes && !input_bad(in)) {
		const uint8_t *bytes;
		size_t step = input_look(in, min_u64(nr_bytes, READ_BYTES), &bytes);

		in->cut = step == 0;
		in->at += step;
		in->offset += step;
		nr_bytes -= step;
	}
	return !input_bad(in);
}

static uint64_t get(struct input *in, size_t nr_bytes)
{
	const uint8_t *bytes = input_take(in, nr_bytes);
	uint64_t value = 0;

	for (size_t i = 0; bytes && i < nr_bytes; i++)
		value = value << 8 | bytes[i];
	return value;
}

uint8_t input_u8(struct input *in)
{
	return (uint8_t)get(in, 1);
}

uint16_t input_u16(struct input *in)
{
	return (uint16_t)get(in, 2);
}

uint32_t input_u32(struct input *in)
{
	return (uint32_t)get(in, 4);
}

uint64_t input_u64(struct input *in)
{
	return get(in, 8);
}

bool input_is_name(const uint8_t *bytes, size_t nr_bytes)
{
	for (size_t i = 0; i < nr_bytes; i++)
		if (bytes[i] < 0x20 || bytes[i] > 0x7e)
			return false;
	return nr_bytes > 0;
}

bool input_text(struct input *in, char *text)
{
	size_t nr_bytes = input_u8(in);
	const uint8_t *bytes = input_take(in, nr_bytes);

	text[0] = '\0';
	if (!bytes || !input_is_name(bytes, nr_bytes))
		return false;
	memcpy(text, bytes, nr_bytes);
	text[nr_bytes] = '\0';
	return true;
}

uint32_t input_be32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

uint64_t input_be64(const uint8_t *bytes)
{
	return (uint64_t)input_be32(bytes) << 32 | input_be32(bytes + 4);
}
