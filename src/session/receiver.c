/* SPDX-License-Identifier: BSD-3-Clause */
/* One data channel of the destination: frames checked, RAM put in place, device buffers handed on. */
#include "session/receiver.h"

#include "base/err.h"
#include "base/thread.h"
#include "memory/apply.h"
#include "session/frame_io.h"

#include <errno.h>
#include <stdlib.h>

#define HEAD_BYTES (FRAME_RAM_FIXED_BYTES + LIMIT_RUNS_A_FRAME * FRAME_RUN_BYTES)

/* One frame being received. */
struct arriving {
	uint8_t raw[FRAME_HEADER_BYTES];
	struct frame_header header;
};

void receiver_init(struct receiver *r)
{
	*r = (struct receiver){ 0 };
	channel_init(&r->channel, "data channel");
}

static int check_sum(struct receiver *r, uint64_t sum, const struct frame_header *header, struct gw_error *e)
{
	return sum == header->sum ? 0
				  : err_set(e, -EBADMSG, r->channel.name, "frame %llu arrived damaged: wrong checksum",
					    (unsigned long long)header->seq);
}

static int bad_frame(struct receiver *r, const struct arriving *in, struct gw_error *e)
{
	return err_set(e, -EBADMSG, r->channel.name, "frame %llu cannot be decoded",
		       (unsigned long long)in->header.seq);
}

/* The run list into r->runs. *head_bytes is what came of the body so far. */
static int receive_runs(struct receiver *r, const struct arriving *in, uint32_t *nr_runs, size_t *head_bytes,
			struct gw_error *e)
{
	int ret;

	if (in->header.body_bytes < FRAME_RAM_FIXED_BYTES)
		return bad_frame(r, in, e);
	ret = channel_receive(&r->channel, r->head, FRAME_RAM_FIXED_BYTES, e);
	if (ret)
		return ret;
	if (frame_runs_count(r->head, in->header.body_bytes, nr_runs))
		return bad_frame(r, in, e);
	*head_bytes = frame_runs_bytes(*nr_runs);
	ret = channel_receive(&r->channel, r->head + FRAME_RAM_FIXED_BYTES, *head_bytes - FRAME_RAM_FIXED_BYTES, e);
	if (ret)
		return ret;
	if (frame_runs_decode(r->head, *nr_runs, in->header.body_bytes - *head_bytes, r->runs))
		return bad_frame(r, in, e);
	return 0;
}

static uint64_t sum_head(struct receiver *r, const struct arriving *in, size_t head_bytes)
{
	frame_summer_begin(r->summer, in->raw);
	frame_summer_add(r->summer, r->head, head_bytes);
	return frame_summer_end(r->summer);
}

/* The same with the pages as they have landed. */
static uint64_t sum_landed(struct receiver *r, const struct arriving *in, size_t head_bytes, uint32_t nr_runs)
{
	unsigned nr = apply_iov(r->shared->ram, r->runs, nr_runs, r->iov, LIMIT_RUNS_A_FRAME);

	frame_summer_begin(r->summer, in->raw);
	frame_summer_add(r->summer, r->head, head_bytes);
	for (unsigned i = 0; i < nr; i++)
		frame_summer_add(r->summer, r->iov[i].iov_base, r->iov[i].iov_len);
	return frame_summer_end(r->summer);
}

static void count_pages(struct receiver *r, uint32_t nr_runs)
{
	struct receive_counts *counts = r->shared->counts;

	for (uint32_t i = 0; i < nr_runs; i++)
		__atomic_fetch_add(r->runs[i].flags & RUN_ZERO ? &counts->zero_pages : &counts->data_pages,
				   r->runs[i].nr_pages, __ATOMIC_RELAXED);
	__atomic_fetch_add(&counts->ram_frames, 1, __ATOMIC_RELAXED);
}

static int receive_ram(struct receiver *r, const struct arriving *in, struct gw_error *e)
{
	struct receiving *shared = r->shared;
	uint32_t nr_runs = 0;
	size_t head_bytes = 0;
	bool summed;
	uint64_t chunk;
	unsigned nr;
	int ret;

	ret = receive_runs(r, in, &nr_runs, &head_bytes, e);
	if (ret)
		return ret;
	summed = in->header.head_bytes == in->header.body_bytes;
	if (!summed && in->header.head_bytes != head_bytes)
		return bad_frame(r, in, e);
	if (!summed || in->header.body_bytes == head_bytes)
		ret = check_sum(r, sum_head(r, in, head_bytes), &in->header, e);
	if (!ret)
		ret = apply_check(shared->ram, r->runs, nr_runs, &chunk, e);
	if (ret)
		return ret;
	nr = apply_iov(shared->ram, r->runs, nr_runs, r->iov, LIMIT_RUNS_A_FRAME);
	ret = nr ? channel_receive_iov(&r->channel, r->iov, nr, e) : 0;
	if (!ret && summed && nr)
		ret = check_sum(r, sum_landed(r, in, head_bytes, nr_runs), &in->header, e);
	if (ret)
		return ret;
	apply_zero(shared->ram, r->runs, nr_runs);
	if (shared->digest)
		page_digest_runs(shared->digest, r->runs, nr_runs);
	count_pages(r, nr_runs);
	(*r->nr_frames)++;
	return 0;
}

static int receive_device(struct receiver *r, const struct arriving *in, struct gw_error *e)
{
	struct device_buffer_header header;
	struct arrival *arrival;
	struct loader *loader;
	uint32_t nr_bytes;
	int ret;

	if (in->header.body_bytes < FRAME_DEVICE_FIXED_BYTES || in->header.head_bytes != in->header.body_bytes)
		return bad_frame(r, in, e);
	ret = channel_receive(&r->channel, r->head, FRAME_DEVICE_FIXED_BYTES, e);
	if (ret)
		return ret;
	if (frame_device_decode(r->head, in->header.body_bytes, &header))
		return bad_frame(r, in, e);
	if (header.device >= r->shared->nr_loaders)
		return err_set(e, -EBADMSG, r->channel.name, "a buffer for device %u came; there are %u", header.device,
			       r->shared->nr_loaders);
	loader = &r->shared->loaders[header.device];
	nr_bytes = in->header.body_bytes - FRAME_DEVICE_FIXED_BYTES;
	ret = loader_expect(loader, &header, nr_bytes, e);
	if (ret)
		return ret;
	arrival = malloc(sizeof(*arrival) + nr_bytes);
	if (!arrival)
		return err_set(e, -ENOMEM, r->channel.name, "no memory for %u bytes of device state", nr_bytes);
	arrival->header = header;
	arrival->nr_bytes = nr_bytes;
	ret = nr_bytes ? channel_receive(&r->channel, arrival->bytes, nr_bytes, e) : 0;
	if (!ret)
		ret = check_sum(r, frame_sum(in->raw, r->head, FRAME_DEVICE_FIXED_BYTES, arrival->bytes, nr_bytes),
				&in->header, e);
	if (ret) {
		free(arrival);
		return ret;
	}
	return loader_put(loader, arrival, e);
}

/* A frame of a later version that says it can be passed over. */
static int skip(struct receiver *r, const struct arriving *in, struct gw_error *e)
{
	uint32_t left = in->header.body_bytes;
	int ret = 0;

	while (left && !ret) {
		uint32_t n = left < HEAD_BYTES ? left : HEAD_BYTES;

		ret = channel_receive(&r->channel, r->head, n, e);
		left -= n;
	}
	return ret;
}

/* One frame. 1: it was END. */
static int receive_frame(struct receiver *r, struct gw_error *e)
{
	struct arriving in;
	int ret = frame_io_receive_header(&r->channel, &r->seq, in.raw, &in.header, e);

	if (ret)
		return ret;
	switch (in.header.type) {
	case FRAME_RAM:
		ret = receive_ram(r, &in, e);
		break;
	case FRAME_DEVICE:
		ret = receive_device(r, &in, e);
		break;
	case FRAME_END:
		ret = check_sum(r, frame_sum(in.raw, NULL, 0, NULL, 0), &in.header, e);
		return ret ? ret : 1;
	default:
		if (in.header.type < FRAME_RAM)
			return err_set(e, -EPROTO, r->channel.name, "a %s message came on a data channel",
				       message_name(in.header.type));
		ret = skip(r, &in, e);
		break;
	}
	meter_add(r->shared->meter, FRAME_HEADER_BYTES + in.header.body_bytes);
	__atomic_store_n(&r->shared->last_data_ns, clock_now_ns(&clock_monotonic), __ATOMIC_RELAXED);
	return ret;
}

/*
 * Bytes that went missing, or came from nowhere, in the pages of a frame that is not summed are seen only where the
 * next header should be. Where none was read the frame before is not to be trusted: it is sent again if the source
 * comes back.
 */
static void distrust_last(struct receiver *r)
{
	if (*r->nr_frames)
		(*r->nr_frames)--;
}

static void *run(void *arg)
{
	struct receiver *r = arg;
	int ret;

	do {
		ret = receive_frame(r, &r->lost.error);
	} while (!ret);
	if (ret < 0)
		distrust_last(r);
	note_post(r->shared->mailbox, ret > 0 ? &r->ended : &r->lost);
	return NULL;
}

int receiver_start(struct receiver *r, struct receiving *shared, int fd, uint64_t *nr_frames, uint64_t stall_ns,
		   struct gw_error *e)
{
	int ret;

	r->shared = shared;
	r->nr_frames = nr_frames;
	r->channel.stall_ns = stall_ns;
	ret = channel_adopt(&r->channel, fd, e);
	if (ret)
		return ret;
	r->seq = 1;
	r->ended = (struct note){ .type = NOTE_ENDED, .link = shared->link };
	r->lost = (struct note){ .type = NOTE_LOST, .link = shared->link };
	r->summer = frame_summer_new();
	r->head = malloc(HEAD_BYTES);
	r->runs = calloc(LIMIT_RUNS_A_FRAME, sizeof(*r->runs));
	r->iov = calloc(LIMIT_RUNS_A_FRAME, sizeof(*r->iov));
	if (!r->summer || !r->head || !r->runs || !r->iov)
		return err_set(e, -ENOMEM, r->channel.name, "no memory for a channel");
	ret = thread_start(&r->thread, "gw-receiver", run, r);
	r->started = !ret;
	return ret ? err_set(e, ret, r->channel.name, "cannot start a thread") : 0;
}

void receiver_stop(struct receiver *r)
{
	channel_shutdown(&r->channel);
	if (r->started)
		pthread_join(r->thread, NULL);
	r->started = false;
	channel_close(&r->channel);
	frame_summer_free(r->summer);
	free(r->head);
	free(r->runs);
	free(r->iov);
	receiver_init(r);
}
