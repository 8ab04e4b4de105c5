/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The thread that reads a vfio-user connection. Replies go into the buffers of the call that waits for them, which
 * stay there as long as its slot says READING; commands go to the connection's serve function. Every message is
 * read to the end that its header names, whatever of it is of use, so that the next one begins where it should.
 */
#include "device/user_reader.h"

#include "base/bits.h"
#include "device/user_trace.h"

#include <errno.h>

static struct user_slot *begin_reply(struct user_conn *c, uint16_t msg_id)
{
	struct user_slot *found = NULL;

	pthread_mutex_lock(&c->lock);
	for (unsigned i = 0; i < USER_MAX_CALLS && !found; i++) {
		struct user_slot *slot = &c->slots[i];

		if (slot->msg_id == msg_id && (slot->state == SLOT_WAITING || slot->state == SLOT_ABANDONED))
			found = slot;
	}
	if (found && found->state == SLOT_WAITING)
		found->state = SLOT_READING;
	pthread_mutex_unlock(&c->lock);
	return found;
}

static void end_reply(struct user_conn *c, struct user_slot *slot, int ret)
{
	pthread_mutex_lock(&c->lock);
	if (slot->state == SLOT_READING) {
		if (ret)
			slot->call->result = ret;
		slot->state = SLOT_DONE;
	} else {
		slot->state = SLOT_FREE;
	}
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static int fill_call(struct user_conn *c, struct user_call *call, size_t payload_bytes)
{
	size_t head = min_u64(payload_bytes, call->reply_size);
	size_t data = min_u64(payload_bytes - head, call->data_size);
	int ret;

	ret = user_socket_receive(c->fd, call->reply, head);
	if (!ret)
		ret = user_socket_receive(c->fd, call->data, data);
	if (!ret)
		ret = user_socket_drain(c->fd, payload_bytes - head - data);
	call->reply_bytes = head + data;
	call->result = call->reply_bytes < call->reply_min ? -EBADMSG : 0;
	return ret;
}

static int take_reply(struct user_conn *c, const struct user_header *header, size_t payload_bytes, struct user_fds *fds)
{
	struct user_slot *slot = begin_reply(c, header->msg_id);
	struct user_call *call;
	int ret;

	if (!slot)
		return -EPROTO;
	/* The state is this thread's to change from here on: an abandoned slot stays so, a reading one is held. */
	call = slot->state == SLOT_READING ? slot->call : NULL;
	if (payload_bytes > USER_COMMAND_BYTES && (!call || payload_bytes > call->reply_size + call->data_size)) {
		ret = -EBADMSG;
	} else if (!call) {
		ret = user_socket_drain(c->fd, payload_bytes);
	} else if (header->command != call->command) {
		call->result = -EPROTO;
		ret = user_socket_drain(c->fd, payload_bytes);
	} else if (header->flags & USER_ERROR) {
		call->result = call->refused = user_errno(header->error);
		ret = user_socket_drain(c->fd, payload_bytes);
	} else {
		ret = fill_call(c, call, payload_bytes);
		if (call->fds_taken) {
			*call->fds_taken = *fds;
			fds->nr = 0;
		}
	}
	user_fds_close(fds);
	end_reply(c, slot, ret);
	return ret;
}

static int take_command(struct user_conn *c, const struct user_header *header, size_t payload_bytes)
{
	struct user_header reply = *header;
	uint64_t began_ns = 0;
	int ret;

	if (payload_bytes > USER_COMMAND_BYTES)
		return -EBADMSG;
	ret = user_socket_receive(c->fd, c->scratch, payload_bytes);
	if (ret)
		return ret;
	if (c->trace)
		began_ns = clock_now_ns(&clock_monotonic);
	ret = c->serve(c->serve_arg, c, header, c->scratch, payload_bytes);
	if (c->trace)
		user_trace_command(c->trace, header, c->scratch, payload_bytes, ret, began_ns);
	if (ret <= 0)
		return ret;
	reply.flags |= USER_ERROR;
	reply.error = (uint32_t)ret;
	return user_conn_answer(c, &reply, NULL, 0, NULL, 0);
}

static int read_message(struct user_conn *c)
{
	uint8_t buf[USER_HEADER_BYTES];
	struct user_header header;
	struct user_fds fds;
	size_t payload_bytes;
	int ret;

	ret = user_socket_receive_header(c->fd, buf, &fds);
	if (!ret)
		ret = user_header_decode(buf, &header);
	if (!ret) {
		payload_bytes = header.msg_size - USER_HEADER_BYTES;
		if ((header.flags & USER_TYPE_MASK) == USER_TYPE_REPLY)
			ret = take_reply(c, &header, payload_bytes, &fds);
		else
			ret = take_command(c, &header, payload_bytes);
	}
	user_fds_close(&fds);
	return ret;
}

void *user_reader(void *arg)
{
	struct user_conn *c = arg;
	int ret;

	do
		ret = read_message(c);
	while (!ret);
	user_conn_fail(c, ret);
	return NULL;
}
