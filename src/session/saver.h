/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A saver: one device on the source. Its worker makes the device's transitions, reads its DMA log, and between
 * these reads device state into parcels for the outbox, as far as the destination's window has room. Counters are
 * atomic: the session's thread and progress read them while the worker goes on.
 */
#ifndef SESSION_SAVER_H
#define SESSION_SAVER_H

#include "device/device.h"
#include "memory/dirty.h"
#include "session/outbox.h"
#include "session/outlook.h"
#include "session/tail.h"
#include "session/worker.h"
#include "wire/message.h"

enum saver_stream { STREAM_NONE, STREAM_PRECOPY, STREAM_STOP_COPY };

struct saver {
	struct gw_device *dev;
	uint32_t index;
	const struct ram *ram;
	struct dirty *dirty;
	struct outbox *outbox;
	struct worker worker;
	struct job jobs[NR_ACTION_TYPES];

	/* the worker's own */
	enum saver_stream stream;
	struct arc_log arcs;
	struct tail tail;
	uint64_t number;        /* of buffers read */
	void *digest;           /* XXH3 state over all that was read */
	uint64_t *bitmap;       /* of the largest RAM block, for log reports */
	bool logging;           /* the device logs its DMA */
	unsigned nr_full;       /* reports in a row by which all RAM was written */
	uint64_t nr_reads;      /* that brought something */
	uint64_t rearm_seen_at; /* 1 + nr_reads when the device was last seen to ask anew */

	pthread_mutex_t lock; /* guards the next nine */
	struct recent log;    /* reading the device's log */
	struct tally reads;   /* of its state */
	struct tally loads;   /* at the destination, as it told */
	struct way quiesce;   /* what a pause would begin with now */
	struct way stop;      /* and go on with */
	bool ended;           /* the last buffer has been read */
	bool posted;          /* .saved is in the mailbox */
	uint64_t mark;        /* 1 + the number of the buffer with the INITIAL_END mark; 0: not sent since (re)armed */
	bool initial_pending; /* initial bytes not yet acknowledged as loaded */

	/* atomic */
	uint64_t nr_rearmed;
	uint32_t starved;    /* the window is full: nothing can be read before the destination has loaded some */
	uint64_t load_bytes; /* that the destination said it has loaded */
	uint64_t precopy_bytes, stop_copy_bytes;
	uint64_t remaining_bytes;
	uint64_t readable_bytes; /* of them in pre-copy */
	uint64_t arc_ns;         /* what an arc takes, by those made so far */
	uint64_t there_arc_ns;   /* the same of the destination's device, as LOADABLE told */
	uint32_t sizes_known;
	uint32_t state;   /* last known, for progress */
	uint32_t tracked; /* the device logs, or has logged, its DMA */

	struct note saved, fault;
};

int saver_init(struct saver *saver, struct gw_device *dev, uint32_t index, const struct ram *ram, struct dirty *dirty,
	       struct outbox *outbox, struct queue *mailbox, struct gw_error *e);
void saver_fini(struct saver *saver); /* stops the worker; any state */

/* Its part of an action: TRACK_START, PRECOPY, SYNC, QUIESCE, STOP, DRAIN, UNPAUSE, TAKE_BACK, RELEASE. */
void saver_begin(struct saver *saver, enum action_type action);

void saver_begin_running(struct saver *saver); /* the second step of TAKE_BACK, after all devices' first */

bool saver_can_precopy(const struct saver *saver);
/* Its part in a switchover that began now. */
void saver_look_ahead(struct saver *saver, struct device_outlook *outlook);
void saver_heard_arcs(struct saver *saver, uint64_t arc_ns); /* of the destination's device */

void saver_open_window(struct saver *saver, uint64_t bytes); /* what the destination offered with ACCEPT */

/* From the control channel's thread. -EPROTO: about buffers that were never read. */
int saver_grant(struct saver *saver, const struct message_grant *grant);
void saver_initial_loaded(struct saver *saver, uint64_t number);

/* The connection broke and is back, the outbox attached: goes on with what did not arrive. -EPROTO. */
int saver_rejoin(struct saver *saver, const struct device_resumed *resumed);

/* All there is has been read and handed to the outbox; .saved tells when it may have come true. */
bool saver_is_drained(struct saver *saver);
bool saver_initial_pending(struct saver *saver);
struct device_total saver_total(const struct saver *saver); /* after its last buffer was read */

/* Between saver.c and saver_stream.c, on the worker. The worker's idle function: what waits, then one buffer. */
uint64_t saver_stream(void *saver);
int saver_look_at_precopy(struct saver *saver, struct gw_precopy_info *info);
void saver_update_remaining(struct saver *saver);

#define PRECOPY_AHEAD_BYTES LIMIT_DEVICE_BUFFER_BYTES /* read but not sent, beside the buffer that is being sent */

#endif
