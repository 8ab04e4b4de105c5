/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a migration tells: limits that go in, progress while it runs, a report at its end. Plain structs, copied
 * out. Times are nanoseconds of CLOCK_MONOTONIC of the side they are named after; sizes are bytes.
 */
#ifndef GODWIT_REPORT_H
#define GODWIT_REPORT_H

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

/* 0 in a field is its default. */
struct gw_limits {
	uint32_t size;                /* sizeof(struct gw_limits) of the caller */
	uint32_t flags;               /* GW_ALLOW_NO_P2P, GW_VERIFY */
	uint32_t nr_channels;         /* data channels, default 2 */
	uint32_t max_rounds;          /* give up (rolled back) after so many rounds; default: never */
	uint64_t downtime_ns;         /* default 300 ms */
	uint64_t bandwidth;           /* bytes/s over all channels; default: none */
	uint64_t device_window_bytes; /* destination: bytes on the way a device, default 16 MiB, at most 48 MiB */
	uint64_t stall_ns;            /* a peer that says nothing for so long is gone; default 10 s */
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
	uint32_t dirty_tracked; /* 1: DMA logged by the device; 0: all reachable RAM counts as written */
	uint32_t verified;      /* 1: the stream was compared between the sides and equal */
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

struct gw_report {
	uint32_t size; /* set by the library */
	enum gw_outcome outcome;
	uint32_t verified; /* 1: RAM, VM state and every device compared, and equal */
	uint32_t nr_devices;
	struct gw_error error; /* the first failure, code 0 if none */
	uint64_t total_ns;
	struct gw_downtime downtime;
	uint64_t downtime_limit_ns;
	uint64_t expected_downtime_ns; /* the estimate on which the switchover was decided */
	uint64_t blackout_ns;          /* rolled back: how long the guest stood still; 0 if never paused */
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
	uint64_t expected_downtime_ns; /* 0: nothing measured yet */
	uint64_t downtime_limit_ns;
	uint32_t nr_devices;
	enum gw_outcome outcome;
	struct gw_device_progress devices[GW_MAX_DEVICES];
};

#ifdef __cplusplus
}
#endif
#endif
