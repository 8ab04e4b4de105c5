/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel: a connected byte stream that sends and receives whole pieces, without a copy on the way. Blocking, with
 * an end to every wait: a deadline, a stall limit, or channel_shutdown from another thread.
 *
 * One thread may send while another receives; no two may do the same. channel_shutdown may come from any thread
 * after channel_init, also while channel_connect or channel_close run; closing is the owner's, when no other thread
 * sends or receives any more.
 */
#ifndef CHANNEL_CHANNEL_H
#define CHANNEL_CHANNEL_H

#include "base/clock.h"
#include "channel/address.h"

#include <godwit/error.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define CHANNEL_NAME_BYTES 32

struct channel;

/*
 * The seam: how bytes get through the fd. Neither call waits: > 0 bytes gone through, -EAGAIN nothing now, else
 * -errno; receive returns 0 at the end of the stream. Plain sockets: channel_socket_ops. TLS would be another.
 */
struct channel_ops {
	ssize_t (*send)(struct channel *channel, struct iovec *iov, unsigned nr);
	ssize_t (*receive)(struct channel *channel, struct iovec *iov, unsigned nr);
};
extern const struct channel_ops channel_socket_ops;

struct channel {
	int fd;               /* -1: none; blocking, calls say where they do not wait */
	pthread_mutex_t lock; /* of fd's coming and going, against channel_shutdown */
	const struct channel_ops *ops;
	const struct clock *clock;
	char name[CHANNEL_NAME_BYTES]; /* "channel 2": where errors happened; set by the owner */
	uint64_t stall_ns;             /* a send without progress fails after this; default DEFAULT_STALL_NS */
	uint64_t receive_stall_ns;     /* so does a receive; default DEADLINE_NEVER: waits for ever */
	uint64_t sent_bytes;           /* read them by channel_sent, channel_received */
	uint64_t received_bytes;
	uint32_t shut; /* channel_shutdown was called */
};

/* Every field to its default, no fd. Must come first; also for a channel given to listener_accept. */
void channel_init(struct channel *channel, const char *name);

/*
 * Connects an initialised channel. One attempt at each address that the name stands for, until the deadline (of
 * clock, kept for the later waits). -ECONNREFUSED nothing listens, -ENOENT no such host or path, -ETIMEDOUT,
 * -ECANCELED, others as connect(2) has them. After a failure the channel has no fd and may be tried again.
 */
int channel_connect(struct channel *channel, const struct address *address, const struct clock *clock,
		    uint64_t deadline_ns, struct gw_error *e);

/* Takes over a connected socket. 0, or -errno; the fd is the channel's in both cases. */
int channel_adopt(struct channel *channel, int fd, struct gw_error *e);

/*
 * Sends all of it; iov is used up. -ETIMEDOUT: no progress in stall_ns; -EPIPE: the peer is gone; -ECANCELED: shut
 * down. After a failure what was sent is not known and the channel is of no more use.
 */
int channel_send(struct channel *channel, struct iovec *iov, unsigned nr, struct gw_error *e);

/* Receives exactly so much; iov is used up. Errors as channel_send's; the end of the stream is -EPIPE, too. */
int channel_receive(struct channel *channel, void *buf, size_t size_bytes, struct gw_error *e);
int channel_receive_iov(struct channel *channel, struct iovec *iov, unsigned nr, struct gw_error *e);

uint64_t channel_sent(const struct channel *channel);
uint64_t channel_received(const struct channel *channel);

/* Wakes whoever waits in the channel; every call from now on fails with -ECANCELED. The peer sees the end. */
void channel_shutdown(struct channel *channel);

void channel_close(struct channel *channel); /* in any state, also twice */

/* A closed channel may be connected again, though it was shut down. A channel_shutdown from now on counts. */
void channel_reopen(struct channel *channel);

#endif
