/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A destination whose connection breaks: what has come in order stays, the rest is dropped, and the source is told
 * where to go on when it comes back. A candidate's note is posted twice: once it is there, and once more behind
 * whatever the old connection's threads have noted, so that all of that is read before anything is made anew.
 */
#include "session/destination.h"

#include "base/err.h"
#include "base/fd.h"

#include <stdlib.h>
#include <string.h>

void destination_detach(struct gw_destination *d)
{
	struct message_resumed *m = &d->resumed;

	if (d->detached)
		return;
	d->detached = true;
	destination_close_channels(d);
	control_stop(&d->core.control);
	for (uint32_t i = 0; i < GW_MAX_CHANNELS; i++)
		receiver_stop(&d->receivers[i]);
	d->core.link++;
	d->core.held_ns = DEADLINE_NEVER;
	*m = (struct message_resumed){ .nr_channels = d->hello.nr_channels, .nr_devices = d->nr_loaders };
	memcpy(m->ram_frames, d->lane_frames, sizeof(m->ram_frames));
	for (uint32_t i = 0; i < d->nr_loaders; i++)
		loader_rewind(&d->loaders[i], &m->devices[i]);
}

/* Counts, sums and ENDs are per connection; what PREPARE promised is, too, unless all of it has come. */
static void begin_connection(struct gw_destination *d, bool has_all)
{
	struct receive_counts *counts = &d->counts;

	memset(d->lane_frames, 0, sizeof(d->lane_frames));
	d->first_frames = __atomic_load_n(&counts->ram_frames, __ATOMIC_RELAXED);
	d->first_pages = __atomic_load_n(&counts->data_pages, __ATOMIC_RELAXED) +
			 __atomic_load_n(&counts->zero_pages, __ATOMIC_RELAXED);
	d->nr_ended = 0;
	d->watched_ns = 0;
	d->receiving.link = d->core.link;
	if (has_all)
		return;
	d->core.parts[ACTION_FINISH_LOAD].stage = 0;
	free(d->prepare);
	d->prepare = NULL;
}

/* data: more is to come on data channels. A guest that has all of it, or runs, must not be written to any more. */
static int take_candidate(struct gw_destination *d, bool data)
{
	int fd;

	pthread_mutex_lock(&d->door);
	fd = d->candidate;
	d->candidate = -1;
	d->data_open = data;
	pthread_mutex_unlock(&d->door);
	return fd;
}

/* The migration may have ended since the candidate was let in. */
static bool is_on(const struct gw_destination *d)
{
	return d->engine.phase >= DESTINATION_LOADING && d->source;
}

static void attach(struct gw_destination *d)
{
	struct event event = { .type = EVENT_REJOINED };
	struct control *control = &d->core.control;
	int fd;

	event.has_all = d->core.parts[ACTION_FINISH_LOAD].stage >= 2;
	begin_connection(d, event.has_all);
	control_reset(control, d->core.link);
	control->channel.stall_ns = d->core.limits.stall_ns;
	control->seq_in = 1;
	d->detached = false;
	fd = take_candidate(d, d->engine.phase <= DESTINATION_FINISHING && !event.has_all);
	if (channel_adopt(&control->channel, fd, NULL) || control_start(control, &d->core.mailbox, NULL, NULL))
		event.type = EVENT_PEER_LOST;
	destination_feed(d, &event);
}

void destination_rejoin(struct gw_destination *d)
{
	if (!is_on(d)) {
		int fd = take_candidate(d, false);

		fd_close(&fd);
		return;
	}
	if (d->rejoin_stage++ == 0) {
		destination_detach(d);
		note_post(&d->core.mailbox, &d->rejoined);
		return;
	}
	d->rejoin_stage = 0;
	attach(d);
}
