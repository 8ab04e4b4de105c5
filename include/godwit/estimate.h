/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The downtime to expect of a migration that has not begun, from what was measured on its devices: the model is the one
 * by which a migration decides when to pause the guest. The device in question is at rest here and at work there: what
 * its guest makes it write anew is not foreseen.
 */
#ifndef GODWIT_ESTIMATE_H
#define GODWIT_ESTIMATE_H

#include <godwit/device.h>
#include <godwit/error.h>
#include <godwit/report.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What was measured of one device. An arc that is not among the given ones counts as the median of them. */
struct gw_estimate_device {
	uint32_t size;            /* sizeof(struct gw_estimate_device) of the caller */
	uint32_t migration_flags; /* GW_MIGRATION_* */
	uint32_t nr_source_arcs;
	uint32_t nr_destination_arcs;
	struct gw_arc_time source_arcs[GW_MAX_ARCS];
	struct gw_arc_time destination_arcs[GW_MAX_ARCS]; /* of the device that takes the state */
	uint64_t precopy_bytes;                           /* read before the guest is paused */
	uint64_t stop_copy_bytes;                         /* read after it; UINT64_MAX: not known */
	uint64_t read_bytes_per_s;                        /* 0: not known, and no bound */
	uint64_t load_bytes_per_s;                        /* as well */
	uint64_t log_ns;                                  /* its log of dirty pages read once; 0: it has none */
	uint32_t untracked; /* 1: nobody tells which RAM it wrote, so all of it travels while the guest is paused */
	uint32_t reserved;
};

struct gw_estimate_vm {
	uint32_t size; /* sizeof(struct gw_estimate_vm) of the caller */
	uint32_t nr_devices;
	const struct gw_estimate_device *devices; /* all of one size; NULL: none */
	uint64_t bytes_per_s;                     /* of the wire, over all channels */
	uint64_t memory_bytes;                    /* of guest RAM, all of which has to travel; 0: RAM is left out */
	uint64_t dirty_bytes_per_s;               /* what the guest writes to it */
	uint64_t pause_ns;                        /* vCPUs stopped */
	uint64_t round_trip_ns;                   /* a message and its answer */
	uint64_t downtime_limit_ns;               /* 0: the default of gw_limits */
};

struct gw_estimate {
	uint32_t size;       /* set by the library */
	uint32_t converges;  /* 1: pre-copy comes to where the downtime is within the limit */
	uint64_t rounds;     /* over RAM, until then or until it was given up */
	uint64_t precopy_ns; /* what they take */
	uint64_t ram_bytes;  /* dirty RAM left to be sent when the guest is paused */
	uint64_t downtime_limit_ns;
	struct gw_downtime downtime; /* UINT64_MAX in a part: not known */
	struct gw_error why;         /* code 0, or why it does not converge */
};

/* Pure: asks nothing of any device. -EINVAL: no bandwidth, too many devices or arcs, a struct that is too small. */
int gw_estimate_make(const struct gw_estimate_vm *vm, struct gw_estimate *estimate, struct gw_error *e);

/*
 * gw_device_state_set that tells what each arc took, as a migration times it. On return *nr, which comes as the room in
 * arcs, is how many were made and fit, also if it failed.
 */
int gw_device_state_set_timed(struct gw_device *dev, uint32_t state, struct gw_arc_time *arcs, uint32_t *nr,
			      struct gw_error *e);

#ifdef __cplusplus
}
#endif
#endif
