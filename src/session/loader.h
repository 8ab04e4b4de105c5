/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A loader: one device on the destination. Receivers bring its buffers in any order; its worker writes them in order
 * into the device, grants the source new credit as they are loaded, and takes the device out of RESUMING as soon as
 * the last one is in. What may wait here is bounded by the window: a peer that sends more is refused.
 */
#ifndef SESSION_LOADER_H
#define SESSION_LOADER_H

#include "device/device.h"
#include "session/control.h"
#include "session/worker.h"
#include "wire/message.h"

/* One device buffer that came; owned by the receiver until loader_put, then by the loader. */
struct arrival {
	struct device_buffer_header header;
	uint32_t nr_bytes;
	uint8_t bytes[];
};

struct loader {
	struct gw_device *dev;
	uint32_t index;
	uint64_t window_bytes;
	struct control *control;
	struct worker worker;
	struct job jobs[NR_ACTION_TYPES];

	pthread_mutex_t lock;   /* guards the next six */
	struct arrival **slots; /* of number next .. next + nr_slots - 1, at number % nr_slots */
	uint64_t nr_slots;
	uint64_t next;
	uint64_t used_credit;
	uint64_t nr_loaded;      /* buffers; next may be one further, the one that is being written */
	uint64_t initial_loaded; /* 1 + the number of the last loaded buffer with INITIAL_END */

	/* the worker's own */
	struct arc_log arcs;
	bool loading;
	uint64_t grant_due;
	uint64_t bytes_due, busy_ns; /* of the buffers in grant_due: state, and writing it */
	void *digest;                /* XXH3 state over all that was written */
	uint64_t began_ns;

	/* atomic */
	uint64_t *bytes;  /* written so far; the destination's, where it outlives this */
	uint64_t load_ns; /* from the first stop-copy buffer taken up to the last one loaded */
	uint32_t state;

	struct note loaded, fault;
};

/* *bytes is set to 0. attempt is put into every note. */
int loader_init(struct loader *loader, struct gw_device *dev, uint32_t index, uint64_t window_bytes,
		struct control *control, struct queue *mailbox, uint64_t attempt, uint64_t *bytes, struct gw_error *e);
void loader_fini(struct loader *loader); /* stops the worker; any state */

/*
 * Before a buffer is allocated: may the peer send it? Its number must be within the window and new, its bytes within
 * the credit. Takes the credit. -EPROTO if not.
 */
int loader_expect(struct loader *loader, const struct device_buffer_header *header, uint32_t nr_bytes,
		  struct gw_error *e);
int loader_put(struct loader *loader, struct arrival *arrival, struct gw_error *e); /* -EPROTO: number came twice */

/*
 * The connection is no more: what came after a gap is dropped, for it will be sent again. What there is then: for
 * RESUMED.
 */
void loader_rewind(struct loader *loader, struct device_resumed *resumed);
/* It goes on loading meanwhile: what is loaded now. */
void loader_update(struct loader *loader, struct device_resumed *resumed);

/* Begins the loader's part of an action: PREPARE_LOAD, DISCARD, and RUN in two steps. */
void loader_begin(struct loader *loader, enum action_type action);
void loader_begin_run(struct loader *loader, uint32_t state); /* RUNNING_P2P (where there is one), then RUNNING */

void loader_result(const struct loader *loader, struct device_loaded *result);

#endif
