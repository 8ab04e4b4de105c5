/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file that is read from its place to its end, through a window: what comes next can be looked at before it is taken,
 * so pipes are as good as files. Numbers are big-endian (QEMU's). Asking for more than there is sets cut, a failed
 * read, or a wish to stop, sets error; both stay, and all that is read afterwards is zero. The fd is borrowed.
 */
#ifndef INSPECT_INPUT_H
#define INSPECT_INPUT_H

#include "base/bits.h"
#include "image/io.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INPUT_WINDOW_BYTES (4 * MIB)

struct image_watch;

struct input {
	int fd;
	struct image_io io;
	struct image_watch *watch; /* told how far it is */
	uint64_t before;           /* bytes of the files before this one, for watch */
	uint64_t told;             /* how far watch was told it was */
	bool seekable;
	bool cut;            /* it ended in the middle of what was asked for */
	int error;           /* -errno of the read that failed; 0 */
	uint64_t start;      /* of a seekable one: where in the file it was when it was opened */
	uint64_t size_bytes; /* of a seekable one, from start on */
	uint64_t offset;     /* of the next byte, from start on */
	bool ended;          /* the fd has no more */
	uint8_t *window;     /* of room bytes; grows with what is looked at */
	size_t room;
	size_t at, fill; /* the next byte in it; the end of what is in it */
};

int input_open(struct input *in, int fd, struct image_watch *watch); /* 0 or -errno */
void input_close(struct input *in);                                  /* leaves the fd open */

/* Another place of a seekable input, from start on. Forgets cut. */
void input_seek(struct input *in, uint64_t offset);

/* How many bytes can be looked at: nr_bytes, or fewer where it ends before. At most the window. */
size_t input_look(struct input *in, size_t nr_bytes, const uint8_t **bytes);

bool input_at_end(struct input *in);
bool input_bad(const struct input *in);

/* Takes nr_bytes (at most the window): where they are until the next call, or NULL. */
const uint8_t *input_take(struct input *in, size_t nr_bytes);
bool input_skip(struct input *in, uint64_t nr_bytes);
uint8_t input_u8(struct input *in);
uint16_t input_u16(struct input *in);
uint32_t input_u32(struct input *in);
uint64_t input_u64(struct input *in);

/* u8 length, then so many characters: false if one is not printable ASCII, or it is cut short. text holds 256. */
bool input_text(struct input *in, char *text);

/* Is it a name: at least one character, all of them printable ASCII? */
bool input_is_name(const uint8_t *bytes, size_t nr_bytes);

/* Big-endian numbers where they lie. */
uint32_t input_be32(const uint8_t *bytes);
uint64_t input_be64(const uint8_t *bytes);

#endif
