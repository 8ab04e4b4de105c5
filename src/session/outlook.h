/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What can be foreseen of a device's way through its states: arcs that were seen count with their time, the others
 * are counted, for the mean of those that were. A rate counts if it was measured on enough of what is asked about.
 */
#ifndef SESSION_OUTLOOK_H
#define SESSION_OUTLOOK_H

#include "device/device.h"

/* The arcs between two states. */
struct way {
	uint64_t seen_ns;   /* of those that were made before, as they were last */
	uint32_t nr_unseen; /* the others */
};

/* Of a device with these migration flags, from one state to another, by what its log has. No way: no arcs. */
struct way way_between(const struct arc_log *log, uint32_t flags, uint32_t from, uint32_t to);

/* UINT64_MAX: there are arcs of which nothing is known, mean_ns being 0. */
uint64_t way_ns(const struct way *way, uint64_t mean_ns);

/*
 * What an arc of this device may be expected to take: the median of those in the log, since one that was held up by a
 * busy host says nothing of the others. 0: there is none.
 */
uint64_t typical_arc_ns(const struct arc_log *log);

/* What something took the last two times. The quicker counts: a busy host makes things slower, never quicker. */
struct recent {
	uint64_t last_ns, before_ns;
};

void recent_add(struct recent *recent, uint64_t ns);
uint64_t recent_ns(const struct recent *recent); /* 0: never done */

/* What was moved lately, and in which time. */
struct tally {
	uint64_t bytes, ns;
};

void tally_add(struct tally *tally, uint64_t bytes, uint64_t ns);

/* How fast wanted bytes will move by it; 0: it has too few to say so. */
uint64_t tally_rate(const struct tally *tally, uint64_t wanted_bytes);

#endif
