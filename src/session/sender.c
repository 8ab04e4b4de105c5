/* SPDX-License-Identifier: BSD-3-Clause */
/* One data channel of the source: frames of RAM and device state, as the outbox hands them out. */
#include "session/sender.h"

#include "base/err.h"
#include "base/thread.h"
#include "memory/scan.h"
#include "session/frame_io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILLER_BYTES       (256 * KIB)
#define FILLER_PIECE_BYTES (8 * KIB)

#define HEAD_BYTES (FRAME_HEADER_BYTES + FRAME_RAM_FIXED_BYTES + LIMIT_RUNS_A_FRAME * FRAME_RUN_BYTES)

void sender_init(struct sender *s, struct sending *shared, uint32_t lane)
{
	char name[CHANNEL_NAME_BYTES];

	*s = (struct sender){
		.shared = shared,
		.lane = lane,
		.lane_over = { .type = NOTE_LANE_OVER },
		.ended = { .type = NOTE_ENDED },
		.lost = { .type = NOTE_LOST },
	};
	snprintf(name, sizeof(name), "data channel %u", lane);
	channel_init(&s->channel, name);
}

void sender_fini(struct sender *s)
{
	flight_fini(&s->flight);
}

/* Waits its turn under the bandwidth limit, sends, counts. */
static int put(struct sender *s, struct iovec *iov, unsigned nr, uint64_t bytes, struct gw_error *e)
{
	int ret = rate_take(s->shared->rate, bytes);

	if (ret)
		return err_set(e, ret, s->channel.name, "stopped");
	ret = channel_send(&s->channel, iov, nr, e);
	if (!ret)
		meter_add(s->shared->meter, bytes);
	s->nr_put = bytes;
	return ret;
}

/* Sums over the run list, and over the pages too if nobody can write to them any more. */
static uint64_t sum_ram(struct sender *s, size_t head, const struct iovec *iov, unsigned nr, bool still)
{
	frame_summer_begin(s->summer, s->head);
	frame_summer_add(s->summer, s->head + FRAME_HEADER_BYTES, head);
	for (unsigned i = 1; still && i < nr; i++)
		frame_summer_add(s->summer, iov[i].iov_base, iov[i].iov_len);
	return frame_summer_end(s->summer);
}

static int send_runs(struct sender *s, uint32_t nr_runs, const struct scan_counts *counts, struct gw_error *e)
{
	bool still = __atomic_load_n(&s->shared->still, __ATOMIC_ACQUIRE);
	size_t head = frame_runs_bytes(nr_runs);
	uint64_t payload = (uint64_t)counts->data_pages * GW_PAGE_BYTES;
	struct frame_header header = {
		.type = FRAME_RAM,
		.body_bytes = (uint32_t)(head + payload),
		.head_bytes = (uint32_t)(still ? head + payload : head),
		.seq = s->seq++,
	};
	unsigned nr;

	frame_runs_encode(s->head + FRAME_HEADER_BYTES, s->runs, nr_runs);
	s->iov[0] = (struct iovec){ .iov_base = s->head, .iov_len = FRAME_HEADER_BYTES + head };
	nr = 1 + scan_iov(s->shared->ram, s->runs, nr_runs, s->iov + 1, LIMIT_RUNS_A_FRAME);
	frame_header_encode(s->head, &header);
	header.sum = sum_ram(s, head, s->iov, nr, still);
	frame_header_encode(s->head, &header);

	s->pages += counts->data_pages + counts->zero_pages;
	__atomic_fetch_add(&s->data_pages, counts->data_pages, __ATOMIC_RELAXED);
	__atomic_fetch_add(&s->zero_pages, counts->zero_pages, __ATOMIC_RELAXED);
	return put(s, s->iov, nr, FRAME_HEADER_BYTES + head + payload, e);
}

/* False: there is none to be sent. */
static bool take_filler(struct sending *shared)
{
	uint64_t left = __atomic_load_n(&shared->filler_bytes, __ATOMIC_RELAXED);

	while (left)
		if (__atomic_compare_exchange_n(&shared->filler_bytes, &left,
						left > FILLER_BYTES ? left - FILLER_BYTES : 0, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

/* Its bytes are those that lie in the head anyway, again and again. */
static int send_filler(struct sender *s, struct gw_error *e)
{
	struct frame_header header = {
		.type = FRAME_FILLER,
		.flags = FRAME_OPTIONAL,
		.body_bytes = FILLER_BYTES,
		.head_bytes = FILLER_BYTES,
		.seq = s->seq++,
	};
	uint8_t *body = s->head + FRAME_HEADER_BYTES;
	unsigned nr = 1;

	memset(body, 0, FILLER_PIECE_BYTES);
	s->iov[0] = (struct iovec){ .iov_base = s->head, .iov_len = FRAME_HEADER_BYTES };
	for (uint32_t done = 0; done < FILLER_BYTES; done += FILLER_PIECE_BYTES)
		s->iov[nr++] = (struct iovec){ .iov_base = body, .iov_len = FILLER_PIECE_BYTES };
	frame_header_encode(s->head, &header);
	frame_summer_begin(s->summer, s->head);
	for (unsigned i = 1; i < nr; i++)
		frame_summer_add(s->summer, s->iov[i].iov_base, s->iov[i].iov_len);
	header.sum = frame_summer_end(s->summer);
	frame_header_encode(s->head, &header);
	return put(s, s->iov, nr, FRAME_HEADER_BYTES + FILLER_BYTES, e);
}

/* One chunk of this lane's RAM, or the end of the round. */
static int send_ram(struct sender *s, struct gw_error *e)
{
	struct sending *shared = s->shared;
	uint64_t words[LIMIT_CHUNK_WORDS];
	struct scan_counts counts = { 0 };
	uint32_t nr_runs;
	uint64_t chunk;

	chunk = dirty_next_chunk(shared->dirty, s->next_chunk, shared->outbox->nr_lanes);
	if (chunk >= shared->ram->nr_chunks && take_filler(shared))
		return send_filler(s, e);
	if (chunk >= shared->ram->nr_chunks) {
		s->next_chunk = s->lane;
		outbox_end_round(shared->outbox, s->lane);
		note_post(shared->mailbox, &s->lane_over);
		return 0;
	}
	s->next_chunk = chunk + shared->outbox->nr_lanes;
	if (!dirty_take_chunk(shared->dirty, chunk, words))
		return 0;
	flight_add(&s->flight, chunk, words);
	nr_runs = scan_chunk(shared->ram, chunk, words, s->runs, &counts);
	return send_runs(s, nr_runs, &counts, e);
}

static int send_device(struct sender *s, struct parcel *parcel, struct gw_error *e)
{
	uint8_t fixed[FRAME_DEVICE_FIXED_BYTES];
	struct iovec iov[3];
	uint64_t bytes;
	int ret;

	frame_device_encode(fixed, &parcel->header);
	bytes = frame_io_prepare(s->head, FRAME_DEVICE, s->seq++, fixed, sizeof(fixed), parcel->bytes,
				 parcel->nr_bytes);
	iov[0] = (struct iovec){ .iov_base = s->head, .iov_len = FRAME_HEADER_BYTES };
	iov[1] = (struct iovec){ .iov_base = fixed, .iov_len = sizeof(fixed) };
	iov[2] = (struct iovec){ .iov_base = parcel->bytes, .iov_len = parcel->nr_bytes };
	ret = put(s, iov, 3, bytes, e);
	parcel->returned(parcel, true); /* or lost: the peer will say */
	return ret;
}

static int send_end(struct sender *s, struct gw_error *e)
{
	uint64_t bytes = frame_io_prepare(s->head, FRAME_END, s->seq++, NULL, 0, NULL, 0);
	struct iovec iov = { .iov_base = s->head, .iov_len = FRAME_HEADER_BYTES };
	int ret = put(s, &iov, 1, bytes, e);

	if (!ret)
		note_post(s->shared->mailbox, &s->ended);
	return ret;
}

/* A frame of marks alone says nothing about the wire. */
static void count_carried(struct sender *s, uint64_t began_ns)
{
	if (s->nr_put < GW_PAGE_BYTES)
		return;
	__atomic_fetch_add(&s->shared->carried_bytes, s->nr_put, __ATOMIC_RELAXED);
	__atomic_fetch_add(&s->shared->carried_ns, clock_now_ns(&clock_monotonic) - began_ns, __ATOMIC_RELAXED);
}

static void *run(void *arg)
{
	struct sender *s = arg;
	struct parcel *parcel = NULL;
	enum work work;
	int ret = 0;

	while (!ret) {
		uint64_t began_ns;

		work = outbox_next(s->shared->outbox, s->lane, s->nr_put, &parcel);
		began_ns = clock_now_ns(&clock_monotonic);
		s->nr_put = 0;
		switch (work) {
		case WORK_RAM:
			ret = send_ram(s, &s->lost.error);
			break;
		case WORK_DEVICE:
			ret = send_device(s, parcel, &s->lost.error);
			break;
		case WORK_END:
			ret = send_end(s, &s->lost.error);
			break;
		case WORK_CLOSED:
			return NULL;
		}
		count_carried(s, began_ns);
	}
	note_post(s->shared->mailbox, &s->lost);
	return NULL;
}

static int say_hello(struct sender *s, const struct message_hello *common, struct gw_error *e)
{
	struct message message = { .type = FRAME_HELLO, .hello = *common };
	uint8_t body[256];
	struct iovec iov[2];
	ssize_t n;

	message.hello.role = ROLE_DATA;
	message.hello.channel = s->lane;
	n = message_encode(&message, body, sizeof(body));
	if (n < 0)
		return err_set(e, (int)n, s->channel.name, "cannot encode HELLO");
	frame_io_prepare(s->head, FRAME_HELLO, s->seq++, body, (size_t)n, NULL, 0);
	iov[0] = (struct iovec){ .iov_base = s->head, .iov_len = FRAME_HEADER_BYTES };
	iov[1] = (struct iovec){ .iov_base = body, .iov_len = (size_t)n };
	return channel_send(&s->channel, iov, 2, e);
}

static int allocate(struct sender *s)
{
	if (!s->flight.frames && flight_init(&s->flight))
		return -ENOMEM;
	s->summer = frame_summer_new();
	s->head = malloc(HEAD_BYTES);
	s->runs = calloc(LIMIT_RUNS_A_FRAME, sizeof(*s->runs));
	s->iov = calloc(LIMIT_RUNS_A_FRAME + 1, sizeof(*s->iov));
	return s->summer && s->head && s->runs && s->iov ? 0 : -ENOMEM;
}

int sender_start(struct sender *s, const struct address *address, const struct message_hello *hello, uint64_t link,
		 uint64_t stall_ns, struct gw_error *e)
{
	int ret;

	s->next_chunk = s->lane;
	s->seq = s->pages = 0;
	s->lane_over.link = s->ended.link = s->lost.link = link;
	s->lost.error = (struct gw_error)GW_ERROR_NONE;
	if (allocate(s))
		return err_set(e, -ENOMEM, s->channel.name, "no memory for a channel");
	ret = channel_connect(&s->channel, address, &clock_monotonic, clock_deadline_ns(&clock_monotonic, stall_ns), e);
	if (ret)
		return ret;
	s->channel.stall_ns = stall_ns;
	ret = say_hello(s, hello, e);
	if (ret)
		return ret;
	ret = thread_start(&s->thread, "gw-sender", run, s);
	s->started = !ret;
	return ret ? err_set(e, ret, s->channel.name, "cannot start a thread") : 0;
}

void sender_stop(struct sender *s)
{
	channel_shutdown(&s->channel);
	if (s->started)
		pthread_join(s->thread, NULL);
	s->started = false;
	channel_close(&s->channel);
	frame_summer_free(s->summer);
	free(s->head);
	free(s->runs);
	free(s->iov);
	s->summer = NULL;
	s->head = NULL;
	s->runs = NULL;
	s->iov = NULL;
}
