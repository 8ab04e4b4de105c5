/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A migration's destination: the engine decides, this carries out. destination_run's thread owns the struct; an
 * acceptor thread takes connections, reads their HELLO and hands a control channel over by a note, data channels to
 * receivers. An attempt is one control channel's life; what belongs to an earlier one is dropped.
 */
#ifndef SESSION_DESTINATION_H
#define SESSION_DESTINATION_H

#include "channel/listener.h"
#include "engine/destination.h"
#include "session/core.h"
#include "session/loader.h"
#include "session/receiver.h"

#include <godwit/destination.h>

struct gw_destination {
	struct core core;
	struct destination_engine engine;
	struct listener listener;
	char uri[ADDRESS_URI_BYTES];
	pthread_t acceptor;
	bool accepting;

	pthread_mutex_t door;       /* between the acceptor and the session's thread: guards the next six */
	bool busy;                  /* a migration is on, or was: its source alone may come */
	bool data_open;             /* data channels are welcome */
	bool rejoinable;            /* the source of the attempt may come back */
	int candidate;              /* the socket of a control channel on its way to the session's thread; -1: none */
	struct message_hello hello; /* of the attempt; its epoch is that of the connection at hand */
	struct receiver receivers[GW_MAX_CHANNELS];

	struct note arrived;   /* NOTE_CONTROL */
	struct note rejoined;  /* NOTE_REJOINED: a candidate is there; then, posted to itself: the old notes are read */
	uint32_t rejoin_stage; /* which of the two is due */
	bool detached;         /* the connection's threads are gone; .resumed says what has come */
	struct message_resumed resumed;
	uint64_t lane_frames[GW_MAX_CHANNELS]; /* RAM frames that came whole on the data channels of the connection */
	uint64_t first_frames, first_pages;    /* the counts when this connection began */
	uint64_t attempt;
	struct receiving receiving;
	struct page_digest digest;
	bool digesting;
	struct loader loaders[GW_MAX_DEVICES];
	uint32_t nr_loaders;

	struct reasons reasons;
	struct manifest *source; /* what came; NULL: nothing */
	uint8_t *needs;          /* that came before it; NULL: did not come */
	size_t nr_needs;
	uint32_t nr_loaded, nr_ended;
	uint8_t *vm_state;
	size_t nr_vm_state;
	uint64_t vm_state_digest;
	struct message_prepare *prepare;    /* NULL: did not come */
	uint64_t watched_bytes, watched_ns; /* of the data channels, once PREPARE has come */
	uint64_t commit_ns, running_ns;
	uint32_t stop_populating; /* atomic */

	/* atomic: progress may be asked for at any time, also between two attempts */
	uint32_t phase;
	struct receive_counts counts;
	uint64_t loaded_bytes[GW_MAX_DEVICES];
};

bool destination_compose(struct gw_destination *destination, const struct action *action, struct message *message);
void destination_report(struct gw_destination *destination, const struct action *finish);

/* Loaders, page digests, and an open door for data channels, for the source whose manifest is in .source. */
int destination_open_attempt(struct gw_destination *destination, struct gw_error *e);
/* Joins every thread of the attempt and frees what came. Any state. */
void destination_close_attempt(struct gw_destination *destination);
/* What must be here for the guest to be whole, against what PREPARE promised. */
int destination_check_totals(struct gw_destination *destination, struct gw_error *e);

/* The connection is no more: joins its threads, drops what came out of order; what came in order stays. */
void destination_detach(struct gw_destination *destination);
/* The source has come back. */
void destination_rejoin(struct gw_destination *destination);

/* PREPARE was sent after all data. True: some is missing, and nothing has come for the stall limit; e says so. */
bool destination_data_stalled(struct gw_destination *destination, struct gw_error *e);

/* Begins an action; the engine is told of its end. */
void destination_carry_out(struct gw_destination *destination, const struct action *action);
/* All parts of an action are over: its next stage begins, or the engine is told. */
void destination_action_over(struct gw_destination *destination, enum action_type action);
/* FINISH_LOAD goes on when all data channels have come to their END and every device is loaded. */
void destination_go_on_loading(struct gw_destination *destination);
void destination_close_all(struct gw_destination *destination);
void destination_close_channels(struct gw_destination *destination);

/* One event in, the actions it came to begun. Called again from within, by an action that ends at once. */
void destination_feed(struct gw_destination *destination, struct event *event);

/* The acceptor's thread. */
void *destination_accept(void *destination);
void *destination_run(void *destination);

#endif
