/* SPDX-License-Identifier: BSD-3-Clause */
/* Three properties of states, a list of arcs with the sentence that each is described by, and a search. */
#include "state_table.h"

#define P2P GW_MIGRATION_P2P
#define PRE GW_MIGRATION_PRE_COPY

static const struct state_row {
	bool saves, runs;
	uint32_t needs; /* beside STOP_COPY */
} rows[GW_NR_STATES] = {
	[GW_STATE_RUNNING] = { .runs = true },
	[GW_STATE_STOP_COPY] = { .saves = true },
	[GW_STATE_RUNNING_P2P] = { .runs = true, .needs = P2P },
	[GW_STATE_PRE_COPY] = { .saves = true, .runs = true, .needs = PRE },
	[GW_STATE_PRE_COPY_P2P] = { .saves = true, .runs = true, .needs = P2P | PRE },
};

#define STOPS                                                                                                       \
	"linux/vfio.h, RUNNING_P2P -> STOP: \"While in STOP the device must stop the operation of the device. The " \
	"device must not generate interrupts, DMA, or any other change to external state.\""
#define RUNS                                                                                                        \
	"linux/vfio.h, RUNNING_P2P -> RUNNING: \"While in RUNNING the device is fully operational, the device may " \
	"generate interrupts, DMA, respond to MMIO\""
#define QUIESCES                                                                                                   \
	"linux/vfio.h, RUNNING -> RUNNING_P2P: \"While in RUNNING_P2P the device is partially running in the P2P " \
	"quiescent state defined below.\""
#define BEGINS_SAVE                                                                                                   \
	"linux/vfio.h, STOP -> STOP_COPY: \"These arcs begin the process of saving the device state and will return " \
	"a new data_fd.\""
#define ENDS_SAVE    "linux/vfio.h, STOP_COPY -> STOP: \"The STOP_COPY arc will terminate a data transfer session.\""
#define ENDS_PRECOPY "linux/vfio.h, PRE_COPY -> RUNNING: \"The PRE_COPY arc will terminate a data transfer session.\""
#define ENDS_PRECOPY_P2P \
	"linux/vfio.h, PRE_COPY_P2P -> RUNNING_P2P: \"The PRE_COPY_P2P arc will terminate a data transfer session.\""
#define GOES_ON                                                                                                    \
	"linux/vfio.h, PRE_COPY -> PRE_COPY_P2P: \"Entering PRE_COPY_P2P continues all the behaviors of PRE_COPY " \
	"above.\""
#define GOES_BACK                                                                                                    \
	"linux/vfio.h, PRE_COPY_P2P -> PRE_COPY: \"This arc allows returning the device to a full RUNNING behavior " \
	"while continuing all the behaviors of PRE_COPY.\""
#define STREAMS_ON                                                                                                  \
	"linux/vfio.h, PRE_COPY_P2P -> STOP_COPY: \"While in the STOP_COPY state the device has the same behavior " \
	"as STOP with the addition that the data transfers session continues to stream the migration state.\""
#define BEGINS_LOAD                                                                                               \
	"linux/vfio.h, STOP -> RESUMING: \"Entering the RESUMING state starts a process of restoring the device " \
	"state and will return a new data_fd.\""
#define ENDS_LOAD                                                                                                  \
	"linux/vfio.h, RESUMING -> STOP: \"Leaving RESUMING terminates a data transfer session and indicates the " \
	"device should complete processing of the data delivered by write().\""

/* An arc is there with both its states, but not with what removes it. */
static const struct arc {
	uint8_t from, to;
	uint8_t removed_by;
	const char *source;
} arcs[] = {
	{ GW_STATE_RUNNING, GW_STATE_RUNNING_P2P, 0, QUIESCES },
	{ GW_STATE_RUNNING, GW_STATE_STOP, P2P, STOPS },
	{ GW_STATE_RUNNING, GW_STATE_PRE_COPY, 0, BEGINS_SAVE },
	{ GW_STATE_RUNNING_P2P, GW_STATE_RUNNING, 0, RUNS },
	{ GW_STATE_RUNNING_P2P, GW_STATE_STOP, 0, STOPS },
	{ GW_STATE_RUNNING_P2P, GW_STATE_PRE_COPY_P2P, 0, BEGINS_SAVE },
	{ GW_STATE_STOP, GW_STATE_RUNNING_P2P, 0, QUIESCES },
	{ GW_STATE_STOP, GW_STATE_RUNNING, P2P, RUNS },
	{ GW_STATE_STOP, GW_STATE_STOP_COPY, 0, BEGINS_SAVE },
	{ GW_STATE_STOP, GW_STATE_RESUMING, 0, BEGINS_LOAD },
	{ GW_STATE_STOP_COPY, GW_STATE_STOP, 0, ENDS_SAVE },
	{ GW_STATE_RESUMING, GW_STATE_STOP, 0, ENDS_LOAD },
	{ GW_STATE_PRE_COPY, GW_STATE_RUNNING, 0, ENDS_PRECOPY },
	{ GW_STATE_PRE_COPY, GW_STATE_PRE_COPY_P2P, 0, GOES_ON },
	{ GW_STATE_PRE_COPY, GW_STATE_STOP_COPY, P2P, STREAMS_ON },
	{ GW_STATE_PRE_COPY_P2P, GW_STATE_PRE_COPY, 0, GOES_BACK },
	{ GW_STATE_PRE_COPY_P2P, GW_STATE_RUNNING_P2P, 0, ENDS_PRECOPY_P2P },
	{ GW_STATE_PRE_COPY_P2P, GW_STATE_STOP_COPY, 0, STREAMS_ON },
};

#define NR_ARCS (sizeof(arcs) / sizeof(arcs[0]))
#define COMBINED \
	"linux/vfio.h: \"The remaining possible transitions are interpreted as combinations of the above FSM arcs.\""

bool state_exists(uint32_t state, uint32_t flags)
{
	return state < GW_NR_STATES && state != GW_STATE_ERROR && flags & GW_MIGRATION_STOP_COPY &&
	       !(rows[state].needs & ~flags);
}

bool state_saves(uint32_t state)
{
	return state < GW_NR_STATES && rows[state].saves;
}

bool state_precopies(uint32_t state)
{
	return state_saves(state) && rows[state].runs;
}

/*
 * Breadth first from the goal: steps[s] is where to go from s. "The path cannot have saving group states as interior
 * arcs, only starting/end states"; within the saving group it stays there, since the data session is shared.
 */
static void search(uint32_t from, uint32_t to, uint32_t flags, int steps[GW_NR_STATES])
{
	uint32_t queue[GW_NR_STATES] = { to };
	unsigned head = 0, tail = 1;

	while (head < tail) {
		uint32_t near = queue[head++];

		if (near != to && state_saves(near) != (state_saves(from) && state_saves(to)))
			continue; /* none passes here */
		for (unsigned i = 0; i < NR_ARCS; i++) {
			uint32_t far = arcs[i].from;

			if (arcs[i].to != near || far == to || steps[far] >= 0 || arcs[i].removed_by & flags ||
			    !state_exists(far, flags))
				continue;
			steps[far] = (int)near;
			queue[tail++] = far;
		}
	}
}

unsigned state_path(uint32_t from, uint32_t to, uint32_t flags, uint32_t path[GW_NR_STATES])
{
	int steps[GW_NR_STATES];
	unsigned nr = 0;

	for (unsigned i = 0; i < GW_NR_STATES; i++)
		steps[i] = -1;
	if (from == to || !state_exists(from, flags) || !state_exists(to, flags))
		return 0;
	search(from, to, flags, steps);
	while (from != to && steps[from] >= 0) {
		from = (uint32_t)steps[from];
		path[nr++] = from;
	}
	return nr;
}

const char *state_arc_source(uint32_t from, uint32_t to)
{
	for (unsigned i = 0; i < NR_ARCS; i++)
		if (arcs[i].from == from && arcs[i].to == to)
			return arcs[i].source;
	return COMBINED;
}
