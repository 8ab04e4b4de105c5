/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data session as the rules about it need it: the stream of a saving device in reads of chosen sizes, the way into
 * a loading one in writes of chosen sizes, and the question whom to blame when something about it did not work.
 */
#ifndef TOOL_CHECK_STREAM_H
#define TOOL_CHECK_STREAM_H

#include "check.h"

#define STREAM_PIECE_BYTES (64u << 10)
#define STREAM_LARGE_BYTES (1u << 20)
#define STREAM_MAX_SIZES   4

/* What reads or writes ask for: these sizes in turn, up to this byte of the stream; pieces of 64 KiB after it. */
struct pieces {
	uint32_t sizes[STREAM_MAX_SIZES]; /* a 0 ends them; none: 64 KiB from the beginning */
	uint64_t until;
};

extern const struct pieces stream_plain; /* 64 KiB at a time */
extern const struct pieces stream_bytes; /* the first 4 KiB byte by byte: more would take long and tell no more */
extern const struct pieces stream_odd;   /* sizes that divide nothing */
extern const struct pieces stream_large; /* 1 MiB, most often more than there is */

/*
 * What is left of the stream in STOP_COPY, appended to the image. 0; -errno of the read, with what was done in t->did;
 * or with the trial skipped: too large, no memory.
 */
int stream_read_rest(struct trial *t, struct image *image, const struct pieces *pieces);
/*
 * At most so many bytes of the stream, appended. A count, less than `most` where there is nothing more now or the
 * stream has ended; -errno as above. In a pre-copy state ENOMSG, which is how a kernel device says so, is no error.
 */
ssize_t stream_read_some(struct trial *t, struct image *image, size_t most);

/*
 * A stream that is left in the midst, by a reset: whether a device minds that the next save begins without one is the
 * matter of rules of its own. Without a reset it is left as any state is, after the trial.
 */
void stream_drop(struct trial *t);

/* All bytes into a session that is open. 0, or -errno of the write; *where says which. */
int stream_write(struct gw_device *dev, const uint8_t *bytes, size_t size_bytes, const struct pieces *pieces,
		 const char **where);

/*
 * The peer, with an old session and an old state reset away, in RESUMING; `side` is a trial of the peer. Not there: t
 * is skipped.
 */
bool stream_begin_load(struct trial *t, struct trial *side);
/* As trial_image_load, with pieces. */
int stream_load(struct trial *t, const uint8_t *bytes, size_t size_bytes, const struct pieces *pieces,
		const char **where);

/* The image is taken by the peer: if not, blamed on what was special about it. */
bool stream_must_load(struct trial *t, const struct image *image, const char *how);

/*
 * Something special about the stream did not work, and t->did tells what it was. The trial fails if what is plain
 * works: a device saved and loaded 64 KiB at a time. Where that does not work either it is skipped, since other rules
 * tell.
 */
__attribute__((format(printf, 3, 4))) bool stream_blame(struct trial *t, const char *due, const char *fmt, ...);

#endif
