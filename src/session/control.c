/* SPDX-License-Identifier: BSD-3-Clause */
/* The control channel: framed, summed messages and the thread that receives them. */
#include "session/control.h"

#include "base/err.h"
#include "base/thread.h"
#include "session/frame_io.h"

#include <errno.h>
#include <stdlib.h>

void control_init(struct control *control)
{
	*control = (struct control){ 0 };
	channel_init(&control->channel, "control channel");
	pthread_mutex_init(&control->send_lock, NULL);
	sem_init(&control->room, 0, MAILBOX_MESSAGES);
	sem_init(&control->large_room, 0, 1);
}

void control_reset(struct control *control, uint64_t link)
{
	channel_reopen(&control->channel);
	pthread_mutex_lock(&control->send_lock);
	control->seq_out = control->seq_in = 0;
	control->link = link;
	pthread_mutex_unlock(&control->send_lock);
	control->lost = (struct note){ 0 };
}

void control_fini(struct control *control)
{
	sem_destroy(&control->large_room);
	sem_destroy(&control->room);
	pthread_mutex_destroy(&control->send_lock);
}

int control_send(struct control *control, const struct message *message, struct gw_error *e)
{
	uint64_t link;

	return control_send_on(control, message, &link, e);
}

int control_send_on(struct control *control, const struct message *message, uint64_t *link, struct gw_error *e)
{
	size_t room = FRAME_HEADER_BYTES + message_max_bytes(message);
	uint8_t *buf = malloc(room);
	struct iovec iov;
	ssize_t body;
	int ret;

	if (!buf)
		return err_set(e, -ENOMEM, "control channel", "no memory for a %s message",
			       message_name(message->type));
	body = message_encode(message, buf + FRAME_HEADER_BYTES, room - FRAME_HEADER_BYTES);
	if (body < 0) {
		free(buf);
		return err_set(e, (int)body, "control channel", "the %s message cannot be encoded",
			       message_name(message->type));
	}
	pthread_mutex_lock(&control->send_lock);
	*link = control->link; /* changes only while it is not open */
	frame_io_prepare(buf, message->type, control->seq_out++, buf + FRAME_HEADER_BYTES, (size_t)body, NULL, 0);
	iov = (struct iovec){ .iov_base = buf, .iov_len = FRAME_HEADER_BYTES + (size_t)body };
	if (control->open)
		ret = channel_send(&control->channel, &iov, 1, e);
	else
		ret = err_set(e, -EPIPE, "control channel", "there is no connection");
	if (ret)
		channel_shutdown(&control->channel); /* half a message may be out */
	pthread_mutex_unlock(&control->send_lock);
	free(buf);
	return ret;
}

/* One message in one allocation, its body behind it. */
struct received {
	struct message message;
	uint8_t body[];
};

static int receive_body(struct control *control, const uint8_t raw[FRAME_HEADER_BYTES],
			const struct frame_header *header, struct received **received, struct gw_error *e)
{
	struct received *r = calloc(1, sizeof(*r) + header->body_bytes);
	int ret;

	if (!r)
		return err_set(e, -ENOMEM, "control channel", "no memory for a message of %u bytes",
			       header->body_bytes);
	ret = header->body_bytes ? channel_receive(&control->channel, r->body, header->body_bytes, e) : 0;
	if (!ret && frame_sum(raw, r->body, header->head_bytes, NULL, 0) != header->sum)
		ret = err_set(e, -EBADMSG, "control channel", "a %s message arrived damaged: its checksum is wrong",
			      message_name(header->type));
	if (ret)
		free(r);
	else
		*received = r;
	return ret;
}

int control_receive(struct control *control, struct message **message, struct gw_error *e)
{
	uint8_t raw[FRAME_HEADER_BYTES];
	struct frame_header header = { 0 };
	struct received *received;
	int ret;

	do {
		received = NULL;
		ret = frame_io_receive_header(&control->channel, &control->seq_in, raw, &header, e);
		if (!ret && (header.type >= FRAME_RAM || header.head_bytes != header.body_bytes))
			ret = err_set(e, -EPROTO, "peer", "sent a data frame on the control channel");
		if (!ret)
			ret = receive_body(control, raw, &header, &received, e);
		if (ret)
			return ret;
		ret = message_decode(header.type, received->body, header.body_bytes, &received->message);
		if (!ret) {
			*message = &received->message;
			return 0;
		}
		free(received);
	} while (ret == -EPROTONOSUPPORT && header.flags & FRAME_OPTIONAL);
	return err_set(e, ret, "peer", "sent a %s message that cannot be decoded", message_name(header.type));
}

static void wait_for_room(sem_t *room)
{
	while (sem_wait(room))
		;
}

static void post_message(struct control *control, struct message *message)
{
	sem_t *room = message->type == FRAME_VM_STATE ? &control->large_room : &control->room;
	struct note *note = calloc(1, sizeof(*note));

	wait_for_room(room);
	if (!note || __atomic_load_n(&control->stopping, __ATOMIC_ACQUIRE)) {
		sem_post(room);
		free(note);
		free(message);
		return; /* the peer waits for an answer that does not come, and gives up: nothing is lost */
	}
	*note = (struct note){ .type = NOTE_MESSAGE, .link = control->link, .message = message, .room = room };
	note_post(control->mailbox, note);
}

static void *receive(void *arg)
{
	struct control *control = arg;
	struct message *message;

	while (!control_receive(control, &message, &control->lost.error)) {
		if (control->take && control->take(control->ctx, message)) {
			free(message);
			continue;
		}
		post_message(control, message);
	}
	control->lost.type = NOTE_LOST;
	control->lost.link = control->link;
	note_post(control->mailbox, &control->lost);
	return NULL;
}

int control_start(struct control *control, struct queue *mailbox, bool (*take)(void *, const struct message *),
		  void *ctx)
{
	int ret;

	control->mailbox = mailbox;
	control->take = take;
	control->ctx = ctx;
	pthread_mutex_lock(&control->send_lock);
	control->open = true;
	pthread_mutex_unlock(&control->send_lock);
	ret = thread_start(&control->thread, "gw-control", receive, control);
	control->started = !ret;
	return ret;
}

void control_stop(struct control *control)
{
	channel_shutdown(&control->channel);
	if (control->started) {
		__atomic_store_n(&control->stopping, 1, __ATOMIC_RELEASE);
		sem_post(
			&control->room); /* the one message it may be holding, of either kind; it gives the room back */
		sem_post(&control->large_room);
		pthread_join(control->thread, NULL);
		wait_for_room(&control->room);
		wait_for_room(&control->large_room);
		__atomic_store_n(&control->stopping, 0, __ATOMIC_RELEASE);
	}
	control->started = false;
	pthread_mutex_lock(&control->send_lock); /* workers may be sending: they fail, but they use the fd */
	control->open = false;
	channel_close(&control->channel);
	pthread_mutex_unlock(&control->send_lock);
}
