/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Notes: how every other thread talks to the session's thread. A note is posted into the session's mailbox and
 * read there; its sender does not touch it again. Most notes are part of their sender, so that nothing has to be
 * allocated at the moment when something went wrong; each such note is posted at most once, or at most once per
 * job.
 */
#ifndef SESSION_NOTE_H
#define SESSION_NOTE_H

#include "base/queue.h"
#include "engine/event.h"

#include <semaphore.h>

enum note_type {
	NOTE_PART_DONE = 1, /* one part of action .action is over, well (.error.code 0) or not */
	NOTE_MESSAGE,       /* .message came on the control channel; the reader of the note frees both */
	NOTE_LOST,          /* a channel broke, .error says how */
	NOTE_FAULT,         /* something in the background failed */
	NOTE_SAVED,         /* source: a device's last buffer is queued. destination: a device is wholly loaded */
	NOTE_ENDED,         /* END was sent (source) or came (destination) on a data channel */
	NOTE_LANE_OVER,     /* source: a data channel has gone through its part of a round */
	NOTE_CONTROL,       /* destination: a control channel was accepted and its HELLO read */
	NOTE_REJOINED,      /* destination: the same, from a source that comes back */
	NOTE_CANCEL,
	NOTE_DECIDE_OWNER, /* the user decided after OWNER_UNKNOWN */
	NOTE_QUIT,         /* the owner frees the session */
};

struct note {
	enum note_type type;
	enum action_type action;
	uint64_t attempt; /* destination: which attempt it belongs to; older ones are dropped */
	uint64_t link; /* of a channel's thread: which connection it belongs to; older ones are dropped. 0: of none */
	struct gw_error error;
	struct message *message;
	sem_t *room; /* posted when a message's note is freed: its sender may have only so many in the mailbox */
};

/* More than all embedded notes of a session and the messages that may wait: posting never blocks. */
#define MAILBOX_NOTES    1024
#define MAILBOX_MESSAGES 64

/* A closed mailbox drops the note; a message in it is freed. */
void note_post(struct queue *mailbox, struct note *note);
void note_free(struct note *note);         /* after reading: a message and its note were allocated, others not */
void note_drop_all(struct queue *mailbox); /* of a closed mailbox */

#endif
