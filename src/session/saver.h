/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A saver: one device on the source. Its worker makes the device's transitions, reads its DMA log, and between
 * these reads device state into parcels for the outbox, as far as the destination has granted room. Counters are
 * atomic: the session's thread and progress read them while the worker goes on.
 */
#ifndef SESSION_SAVER_H
#define SESSION_SAVER_H

#include "device/device.h"
#include "memory/dirty.h"
#include "session/outbox.h"
#include "session/worker.h"
#include "wire/message.h"

#define SAVER_PARCELS 8 /* of LIMIT_DEVICE_BUFFER_BYTES: read ahead of the channels */

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
	struct parcel parcels[SAVER_PARCELS];
	uint64_t number;
	void *digest;     /* XXH3 state over all that was read */
	uint64_t *bitmap; /* of the largest RAM block, for log reports */
	bool logging;     /* the device logs its DMA */
	bool initial_marked;

	pthread_mutex_t lock; /* guards the next three */
	struct parcel *free;
	uint64_t credit; /* never more than window_bytes, whatever is granted */
	uint64_t window_bytes;

	/* atomic */
	uint64_t precopy_bytes, stop_copy_bytes;
	uint64_t remaining_bytes;
	uint64_t mean_arc_ns; /* of the arcs made so far */
	uint32_t sizes_known;
	uint32_t initial_pending; /* initial bytes not yet acknowledged as loaded */
	uint32_t state;           /* last known, for progress */
	uint32_t tracked;         /* the device logs, or has logged, its DMA */

	struct note saved, fault;
};

int saver_init(struct saver *saver, struct gw_device *dev, uint32_t index, const struct ram *ram, struct dirty *dirty,
	       struct outbox *outbox, struct queue *mailbox, struct gw_error *e);
void saver_fini(struct saver *saver); /* stops the worker; any state */

/* Begins the saver's part of an action: TRACK_START, PRECOPY, SYNC, QUIESCE, STOP, DRAIN, TAKE_BACK, RELEASE. */
void saver_begin(struct saver *saver, enum action_type action);

void saver_begin_running(struct saver *saver); /* the second step of TAKE_BACK, after all devices' first */

bool saver_can_precopy(const struct saver *saver);
void saver_add_to_sync(const struct saver *saver, struct sync_result *result); /* what this device adds */

void saver_open_window(struct saver *saver, uint64_t bytes); /* what the destination offered with ACCEPT */
void saver_grant(struct saver *saver, uint64_t bytes);       /* from the control channel's thread */
struct device_total saver_total(const struct saver *saver);  /* after its last buffer was queued */

#endif
