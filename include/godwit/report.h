/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a migration tells: limits that go in, progress while it runs, a report at its end. Plain structs, copied
 * out. Times are nanoseconds of CLOCK_MONOTONIC of the side they are named after; sizes are bytes.
 */
#ifndef GODWIT_REPORT_H
#define GODWIT_REPORT_H

#include <godwit/arbiter.h>
#include <godwit/device.h>
#include <godwit/error.h>
#include <godwit/vm.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GW_MAX_CHANNELS 32

/* Who has the guest. */
enum gw_outcome {
	GW_OUTCOME_NONE = 0,  /* not ended yet */
	GW_COMPLETED = 1,     /* the destination */
	GW_ROLLED_BACK = 2,   /* the source, as if nothing had been asked */
	GW_OWNER_UNKNOWN = 3, /* COMMIT was sent or awaited and the answer lost: this side stays paused */
};
const char *gw_outcome_name(enum gw_outcome outcome); /* "completed", "rolled-back", "owner-unknown", "none" */

#define GW_ALLOW_NO_P2P (1u << 0) /* several devices, one without P2P: go on all the same, and say so */
#define GW_VERIFY       (1u << 1) /* compare RAM, VM state and device state between the sides */
#define GW_NO_RECONNECT (1u << 2) /* a connection that breaks is not made again */
#define GW_DRY_RUN      (1u << 3) /* both sides compare, every blocker is told, nothing is begun */
#define GW_REHEARSE     (1u << 4) /* a dry run with pre-copy, up to where the guest would be paused */

/* What to do when round after round does not bring the expected downtime down to the limit. */
enum gw_no_converge {
	GW_NO_CONVERGE_WAIT = 0,     /* go on, until max_rounds or precopy_ns */
	GW_NO_CONVERGE_THROTTLE = 1, /* slow the vCPUs down, step by step (gw_vm_ops.throttle) */
	GW_NO_CONVERGE_CANCEL = 2,   /* roll back */
};

/*
 * 0 in a field is its default. A dry run ends as ROLLED_BACK with an error of code 0 if nothing speaks against the
 * migration; the destination waits on for the real one.
 */
struct gw_limits {
	uint32_t size;                /* sizeof(struct gw_limits) of the caller */
	uint32_t flags;               /* GW_ALLOW_NO_P2P, GW_VERIFY, ... */
	uint32_t nr_channels;         /* data channels, default 2 */
	uint32_t max_rounds;          /* give up (rolled back) after so many rounds; default: never */
	uint64_t downtime_ns;         /* default 300 ms */
	uint64_t bandwidth;           /* bytes/s over all channels; default: none */
	uint64_t device_window_bytes; /* destination: bytes on the way a device, default 16 MiB, at most 48 MiB */
	uint64_t stall_ns;            /* a peer that says nothing for so long is lost; default 10 s */
	uint64_t reconnect_ns;        /* source: how long to try to connect again to a lost peer; default 30 s */
	uint64_t precopy_ns;          /* source: give up (rolled back) after so long in pre-copy; default: never */
	uint32_t no_converge;         /* source: enum gw_no_converge */
	uint32_t reserved;
	struct gw_arbiter *arbiter; /* borrowed; used if both sides have one; NULL: none */
};

#define GW_BLOCKER_CODE_BYTES 32
#define GW_MAX_BLOCKERS       64

/* One thing that speaks against a migration: a stable code for programs, a sentence with the remedy for people. */
struct gw_blocker {
	char code[GW_BLOCKER_CODE_BYTES]; /* "no-p2p", "device-missing", ...: doc/api.md lists them */
	char where[GW_ERROR_WHERE_BYTES]; /* the device or RAM block */
	char what[GW_ERROR_WHAT_BYTES];
};

struct gw_arc_time {
	uint8_t from, to; /* GW_STATE_* */
	uint8_t reserved[6];
	uint64_t ns;
};

#define GW_MAX_ARCS 16 /* the longest way through a migration, both ends of a rollback included, fits */

struct gw_device_report {
	char id[GW_DEVICE_ID_BYTES];
	char backend[GW_DEVICE_TEXT_BYTES];
	uint64_t precopy_bytes;
	uint64_t stop_copy_bytes;
	uint64_t load_ns; /* destination: from the pause's first buffer to the last byte taken */
	uint32_t nr_source_arcs;
	uint32_t nr_destination_arcs;
	struct gw_arc_time source_arcs[GW_MAX_ARCS];
	struct gw_arc_time destination_arcs[GW_MAX_ARCS];
	uint32_t
		dirty_source; /* GW_DIRTY_*: who told which RAM it wrote; GW_DIRTY_NONE: all of it counted as written */
	uint32_t verified;    /* 1: the stream was compared between the sides and equal */
	uint32_t nr_rearmed;  /* how often it asked for new initial bytes to be acknowledged */
	uint32_t reserved;
};

struct gw_ram_report {
	uint64_t total_bytes; /* guest RAM */
	uint64_t sent_bytes;  /* page payload on the wire */
	uint64_t sent_pages;  /* with payload */
	uint64_t zero_pages;  /* sent as a mark */
	uint64_t rounds;
	uint64_t bytes_per_s; /* guest RAM gone through, zero pages too, per second of all rounds */
};

/* What the downtime was made of; the parts follow each other, so they add up to the whole. */
struct gw_downtime {
	uint64_t total_ns;    /* from the pause's request to the guest running at the destination, on one clock */
	uint64_t pause_ns;    /* vCPUs stopped */
	uint64_t quiesce_ns;  /* devices to their P2P or stopped states, both barriers */
	uint64_t sync_ns;     /* the last dirty sync */
	uint64_t transfer_ns; /* the last RAM and all device state sent and received */
	uint64_t load_ns;     /* what loading took after the last byte had come, devices out of RESUMING */
	uint64_t commit_ns;   /* PREPARE to COMMIT: the messages and the decision */
	uint64_t resume_ns;   /* devices to RUNNING, vCPUs started */
};

/* How the guest changed hands, or why not. */
struct gw_handover {
	uint32_t arbiter;          /* 1: both sides had one, and whoever ran the guest had claimed it */
	uint32_t claimed_by;       /* enum gw_side: what the arbiter said; 0: was not asked, or did not say */
	uint32_t committed;        /* 1: COMMIT was sent (source) or came (destination) */
	uint32_t nr_reconnects;    /* how often the connection broke and was made again */
	uint32_t nr_taken_back;    /* switchovers decided on and taken back for a device that re-armed */
	uint32_t throttle_percent; /* the last step of throttling the vCPUs; 0: none */
	uint32_t allowed_no_p2p;   /* 1: several devices, one without P2P, and GW_ALLOW_NO_P2P let it pass */
	uint32_t dry_run;          /* GW_DRY_RUN or GW_REHEARSE, if it was one */
};

struct gw_report {
	uint32_t size; /* set by the library */
	enum gw_outcome outcome;
	uint32_t verified; /* 1: RAM, VM state and every device compared, and equal */
	uint32_t nr_devices;
	struct gw_error error; /* the first failure, code 0 if none; of a rollback that failed that, then the first */
	uint64_t total_ns;
	struct gw_downtime downtime;
	struct gw_downtime predicted; /* what the switchover was decided on; UINT64_MAX in a part: not known */
	uint64_t downtime_limit_ns;
	uint64_t blackout_ns; /* how long the guest stood still here in vain, in all; 0 if it did not */
	struct gw_handover handover;
	uint32_t nr_blockers;
	uint32_t rollback_failed; /* 1: ROLLED_BACK, but the guest or a device could not be set going again: error */
	struct gw_blocker blockers[GW_MAX_BLOCKERS];
	struct gw_ram_report ram;
	uint64_t vm_state_bytes;
	uint64_t peak_rss_source_bytes;
	uint64_t peak_rss_destination_bytes; /* 0: not told by the peer */
	struct gw_device_report devices[GW_MAX_DEVICES];
};

struct gw_device_progress {
	char id[GW_DEVICE_ID_BYTES];
	uint32_t state;       /* GW_STATE_* */
	uint32_t sizes_known; /* 0: remaining_bytes is not known, not zero */
	uint64_t bytes;       /* gone through this side so far */
	uint64_t remaining_bytes;
};

struct gw_progress {
	uint32_t size;  /* set by the library */
	char phase[32]; /* "pre-copy", "switchover", ... */
	uint64_t elapsed_ns;
	uint64_t ram_total_bytes;
	uint64_t ram_sent_bytes;      /* page payload */
	uint64_t ram_remaining_bytes; /* known dirty and not yet sent */
	uint64_t bytes_per_s;         /* on the wire, over the last second or so */
	uint64_t dirty_bytes_per_s;
	uint64_t round;
	struct gw_downtime predicted; /* if the guest were paused now; UINT64_MAX in a part: not known yet */
	uint64_t downtime_limit_ns;
	uint32_t throttle_percent;
	uint32_t nr_reconnects;
	uint32_t nr_devices;
	enum gw_outcome outcome;
	struct gw_device_progress devices[GW_MAX_DEVICES];
};

#ifdef __cplusplus
}
#endif
#endif
