/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What goes into an engine and what comes out. An engine takes one event and returns actions; it does no I/O, has
 * no thread, no clock and no malloc. The session (or a test) carries out the actions, in the order given, without
 * waiting for one before the next is begun, and reports each that is marked so by one DONE or FAILED.
 */
#ifndef ENGINE_EVENT_H
#define ENGINE_EVENT_H

#include "wire/message.h"

#include <godwit/error.h>
#include <godwit/report.h>
#include <stdbool.h>
#include <stdint.h>

/* Actions of both engines. "R": reported by one EVENT_DONE or EVENT_FAILED; the others are begun and forgotten. */
enum action_type {
	ACTION_NONE = 0,
	ACTION_SEND,   /* send a control message of .message; a failure comes back as EVENT_PEER_LOST */
	ACTION_FINISH, /* it is over: publish .outcome. OWNER_UNKNOWN may be resolved later: then it comes again */
	ACTION_CLOSE,  /* close every channel; whoever still uses one gives up */

	/* source */
	ACTION_CONNECT,     /* R: open the control channel */
	ACTION_OPEN_DATA,   /* R: open the data channels */
	ACTION_TRACK_START, /* R: start every dirty log, then mark all RAM dirty */
	ACTION_PRECOPY,     /* R: devices that can to PRE_COPY, in parallel; their state then streams by itself */
	ACTION_SYNC,        /* R, sync result: collect every dirty log */
	ACTION_ROUND,       /* R, round result: send all RAM that is dirty now */
	ACTION_PAUSE,       /* R: stop the vCPUs */
	ACTION_QUIESCE,     /* R: all devices to their P2P state, in parallel, one barrier */
	ACTION_STOP,        /* R: all devices to STOP_COPY, in parallel; the rest of their state streams by itself */
	ACTION_DRAIN,       /* R: last sync, last RAM, device state to its end, VM state, END on every channel */
	ACTION_DECIDE,      /* R: record that the guest is given away; a cancel that comes later is refused */
	ACTION_TAKE_BACK,   /* R: end streaming and logging, devices to RUNNING, vCPUs run again */
	ACTION_RELEASE,     /* R: the guest is gone: devices to STOP, logs off; nothing runs */
	ACTION_UNPAUSE, /* R: the decision is taken back: devices to PRE_COPY (else RUNNING), vCPUs run, logs stay on */
	ACTION_THROTTLE,  /* R: the vCPUs are not to run for .percent of the time */
	ACTION_RECONNECT, /* R: drop every channel; a new control channel, tried until it opens, is refused, or CLOSE */
	ACTION_REJOIN,    /* R: RESUMED came: new data channels; what it says is not there is sent again by itself */
	ACTION_CLAIM,     /* R, claim result, both sides: ask the arbiter for the guest. FAILED: not known, ask again */

	/* destination */
	ACTION_CHECK,        /* R, check result: compare the manifest that came with the own one */
	ACTION_PREPARE_LOAD, /* R: memory populated, devices to RESUMING in parallel, loaders ready */
	ACTION_FINISH_LOAD,  /* R: all of PREPARE's totals arrived, loaded, equal; devices in STOP; VM state loaded */
	ACTION_RUN,          /* R: devices to their P2P state, then RUNNING; then vCPUs run. Failed: no vCPU has run */
	ACTION_DISCARD,      /* R: give the guest up: devices reset to RUNNING, what was loaded is void */
	ACTION_DETACH,       /* the channels are no more: drop them and what has come out of order; keep the rest */
	ACTION_GIVE_BACK, /* R: the guest claimed here has not run and never will: the source's claim is MINE from now
			     on. It must fail once the source has been told THEIRS, and after it CLAIM is THEIRS here */
	NR_ACTION_TYPES,
};

struct action {
	enum action_type type;
	uint16_t message;        /* SEND: the frame_type; the session fills the body from what it knows */
	enum gw_outcome outcome; /* FINISH */
	uint32_t percent;        /* THROTTLE: 0 .. 99 */
	struct gw_error error;   /* SEND FAILED: what the peer is told. FINISH: the first failure, or code 0 */
};

enum event_type {
	EVENT_START = 1, /* source: begin. destination: a control channel has opened */
	EVENT_MESSAGE,   /* .message came from the peer; it is read during the call only */
	EVENT_PEER_LOST, /* a channel broke or was closed, .error says how */
	EVENT_DONE,      /* .action is complete, with its result */
	EVENT_FAILED,    /* .action failed, .error says why */
	EVENT_FAULT,     /* something in the background failed (a saver, a loader, a device), .error says what */
	EVENT_CANCEL,    /* the user asks to stop */
	EVENT_TICK,      /* the engine's deadline has passed */
	EVENT_TAKE_BACK, /* source after OWNER_UNKNOWN: the user knows that the destination does not run */
	EVENT_TAKE_OVER, /* destination after OWNER_UNKNOWN: the user knows that the source does not run */
	EVENT_REJOINED,  /* destination: the source of this migration has come back on a new control channel */
	NR_EVENT_TYPES,
};

/*
 * One device's part in a switchover that began now. An arc's time is that of the same arc seen before, else the mean
 * of the device's arcs. UINT64_MAX: not known.
 */
struct device_outlook {
	uint64_t quiesce_ns;       /* to its P2P state */
	uint64_t stop_ns;          /* from there to STOP_COPY */
	uint64_t log_ns;           /* its DMA log read and merged; 0: it has none */
	uint64_t bytes;            /* state that cannot be read before it has stopped */
	uint64_t ahead_bytes;      /* state that will be read until the guest is paused; the device stops after it */
	uint64_t unsent_bytes;     /* read, and not yet on the wire */
	uint64_t unloaded_bytes;   /* read, and not yet loaded there, sent or not */
	uint64_t window_bytes;     /* how much can be so at most */
	uint64_t read_bytes_per_s; /* measured here; 0: not known */
	uint64_t load_bytes_per_s; /* as the destination measured it; 0: not known */
	uint64_t leave_ns;         /* there: out of RESUMING */
	uint64_t p2p_ns;           /* there: to the P2P state; 0: it has none */
	uint64_t run_ns;           /* there: on to RUNNING */
};

/* What a SYNC found out, for the estimate. */
struct sync_result {
	uint64_t took_ns;
	uint64_t vcpu_ns;           /* of it the vCPUs' log */
	uint64_t dirty_bytes;       /* RAM known dirty and not sent, at the end of the sync */
	uint64_t dirty_bytes_per_s; /* newly dirtied since the last sync */
	uint64_t untracked_bytes;   /* RAM that the last sync will add whatever happens (devices without a log) */
	uint64_t bytes_per_s;       /* measured rate of the wire; 0: nothing measured yet */
	int64_t line_ns;            /* under a bandwidth limit: when the line is free, from now; before 0: idle since */
	uint64_t burst_ns;          /* and how long an idle line saves up for; 0: no limit */
	uint64_t round_trip_ns;     /* a message and its answer; UINT64_MAX: not known */
	uint64_t claim_ns;          /* asking the arbiter; 0: there is none */
	uint64_t handoff_ns;        /* a job handed to a thread here, and the word that it is over; 0: not known */
	uint64_t pause_ns;          /* the vCPUs, when they were stopped last; 0: never yet */
	uint32_t initial_pending;   /* devices whose initial bytes are not yet acknowledged as loaded */
	uint32_t nr_devices;
	const struct device_outlook *devices; /* read during the call only */
};

/* What the arbiter said. One of the two sides is told MINE, and the other THEIRS, however often they ask. */
enum claim_result {
	CLAIM_MINE = 1, /* the guest is this side's; for ever, unless a destination gives it back */
	CLAIM_THEIRS,   /* the other side's, for ever */
};

struct round_result {
	uint64_t took_ns;
	uint64_t bytes; /* payload sent */
	uint64_t pages;
	uint64_t zero_pages;
};

struct event {
	enum event_type type;
	uint64_t now_ns;
	enum action_type action;
	const struct message *message;
	struct gw_error error;
	union {
		struct sync_result sync;
		struct round_result round;
		uint32_t nr_reasons; /* CHECK */
		uint32_t nr_rearmed; /* QUIESCE: devices that want new initial bytes acknowledged first */
		enum claim_result claim;
		bool has_all; /* REJOINED: all that PREPARE promised has come (of phase FINISHING) */
	};
};

#define ENGINE_MAX_ACTIONS 6

/* What one event came to. */
struct actions {
	unsigned nr;
	struct action list[ENGINE_MAX_ACTIONS];
};

const char *action_name(enum action_type type); /* "QUIESCE"; "?" if unknown */
const char *event_name(enum event_type type);

#endif
