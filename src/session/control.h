/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control channel: messages out, from any thread, one at a time; messages in, by a thread of its own that posts
 * them as notes. A message of the data plane (a grant) is taken by a hook in that thread and not posted.
 */
#ifndef SESSION_CONTROL_H
#define SESSION_CONTROL_H

#include "channel/channel.h"
#include "session/note.h"
#include "wire/message.h"

#include <pthread.h>
#include <stdbool.h>

struct control {
	struct channel channel;
	pthread_mutex_t send_lock; /* guards seq_out */
	uint64_t seq_out, seq_in;
	pthread_t thread;
	bool started;
	sem_t room;        /* for messages in the mailbox: a peer that floods us waits here */
	sem_t large_room;  /* the same for VM_STATE, which is as large as all others together: for one */
	uint32_t stopping; /* atomic: what waits for room is dropped */
	struct queue *mailbox;
	uint64_t link; /* the connection's number: put into every note; changes under send_lock, while not open */
	bool open;     /* under send_lock: messages can be sent */
	bool (*take)(void *ctx, const struct message *message);
	void *ctx;
	struct note lost;
};

void control_init(struct control *control);
void control_fini(struct control *control); /* after control_stop */

/*
 * Makes a stopped control new for another connection, when the session has read every note of the one before. link is
 * the number of this one.
 */
void control_reset(struct control *control, uint64_t link);

/* Sends one message. -EPIPE, -ETIMEDOUT, -ECANCELED: the channel is of no more use, which its receiver notes, too. */
int control_send(struct control *control, const struct message *message, struct gw_error *e);

/* The same by a thread that is not the session's: *link is the connection it went over, which may be one given up. */
int control_send_on(struct control *control, const struct message *message, uint64_t *link, struct gw_error *e);

/*
 * Waits for the next message. It and what it borrows is one allocation: free(*message). -EBADMSG: not a frame, a
 * broken sum, a wrong sequence; -EPROTONOSUPPORT: a type this version does not know.
 */
int control_receive(struct control *control, struct message **message, struct gw_error *e);

/* Starts the thread that receives until the channel ends, then posts NOTE_LOST. */
int control_start(struct control *control, struct queue *mailbox, bool (*take)(void *, const struct message *),
		  void *ctx);

/* Shuts the channel, joins the thread, closes. The mailbox has room, or is closed. Any state. */
void control_stop(struct control *control);

#endif
