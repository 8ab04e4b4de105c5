/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that is measured: what can be done to it, each of it timed and kept as samples. One thread at a time; those
 * of a crew share nothing but images, which are not written any more by then. Times are of the calls alone: what the
 * tool does beside them (its temporary file, its own counting) is not in them.
 */
#ifndef TOOL_BENCH_SUBJECT_H
#define TOOL_BENCH_SUBJECT_H

#include "measure.h"
#include "spool.h"

#include <godwit/estimate.h>
#include <stdbool.h>

#define SUBJECT_BUFFER_BYTES (1ull << 20) /* the largest that is moved at once, and what godwit's migrations use */
#define SUBJECT_FIRST_BYTES  4096         /* what is asked for to time the first byte */

/* A pre-copy as it is read: what the device says is left. */
#define CURVE_MAX_POINTS 128
struct curve_point {
	uint64_t ns; /* since PRE_COPY was reached */
	uint64_t read_bytes, initial_bytes, dirty_bytes;
};
struct curve {
	unsigned nr;
	uint64_t next_bytes, stride_bytes; /* when the next point is due, and how far apart they are */
	const char *ended;                 /* "empty", "nothing-now", "limit"; NULL: there was none */
	struct curve_point points[CURVE_MAX_POINTS];
};

struct subject {
	struct gw_device *dev;
	struct gw_device_info info;
	int stop_fd; /* readable: give up; -1: never */
	uint64_t max_state_bytes;
	struct spool image;        /* its own state */
	const struct spool *loads; /* what it is given to load: its own, or the one of another device */
	bool takes_only;           /* it loads, and is not made to save */

	struct measure_list *into; /* where samples go; NULL: they are not kept */
	const char *on;            /* and under which name */

	uint32_t at;                  /* the state it is in */
	uint64_t arcs_seen;           /* this round: bit from * GW_NR_STATES + to */
	uint64_t leave_load_ns;       /* a load whose way out of RESUMING is still to be added; 0: none */
	uint64_t step_ns, step_bytes; /* of the last thing done */
	struct gw_arc_time step_arc;  /* the last arc that was new this round; ns 0: there was none */
	struct curve curve;           /* of the last pre-copy */
	uint8_t *buffer;
};

/* Nothing open, fine to be closed. */
#define SUBJECT_NONE                               \
	(struct subject)                           \
	{                                          \
		.image = SPOOL_NONE, .stop_fd = -1 \
	}

/* Takes the device, which is the subject's from then on, whatever comes back. -EOPNOTSUPP: it cannot migrate. */
int subject_init(struct subject *s, struct gw_device *dev, int stop_fd, uint64_t max_state_bytes, struct gw_error *e);
/* Saves its state, from RUNNING and back, to be loaded later. */
int subject_save_image(struct subject *s, struct gw_error *e);
/* Back to RUNNING from wherever it is, by a reset if need be. */
int subject_settle(struct subject *s, struct gw_error *e);
void subject_fini(struct subject *s);

void subject_begin_round(struct subject *s);
/* Arc by arc, each kept once a round. A state that the device lacks, or is not to be brought to, is passed over. */
int subject_go(struct subject *s, uint32_t state, struct gw_error *e);

/*
 * The data session. Each does nothing unless the device is in a state that it is for. name is that of the series;
 * read, in STOP_COPY, goes to the end; rest is the same after a pre-copy, for its size and its time.
 */
int subject_first_byte(struct subject *s, struct gw_error *e);
int subject_read(struct subject *s, size_t piece, const char *name, struct gw_error *e);
int subject_load(struct subject *s, size_t piece, const char *name, struct gw_error *e);
int subject_precopy(struct subject *s, struct gw_error *e);
int subject_rest(struct subject *s, struct gw_error *e);

/* For the files of a subject. */
int subject_interrupted(const struct subject *s, struct gw_error *e);
int subject_keep(struct subject *s, const char *group, const char *name, enum measure_unit unit, double value,
		 struct gw_error *e);

#endif
