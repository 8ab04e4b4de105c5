/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One vfio-user connection: the calls that are under way, and how each ends. A call that is given up keeps its
 * number until the answer comes, so that a slow server is not out of step with us, only late.
 */
#include "device/user_conn.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/thread.h"
#include "device/user_reader.h"
#include "device/user_trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int user_conn_start(struct user_conn *c, const char *name, int fd, struct device_trace *trace, user_serve_fn *serve,
		    void *arg, struct gw_error *e)
{
	int ret;

	*c = (struct user_conn){ .fd = fd, .trace = trace, .serve = serve, .serve_arg = arg };
	snprintf(c->name, sizeof(c->name), "%s", name);
	pthread_mutex_init(&c->send_lock, NULL);
	pthread_mutex_init(&c->lock, NULL);
	thread_cond_init(&c->changed);
	c->scratch = malloc(USER_COMMAND_BYTES);
	ret = c->scratch ? thread_start(&c->reader, "godwit-user", user_reader, c) : -ENOMEM;
	if (!ret)
		return 0;
	free(c->scratch);
	fd_close(&c->fd);
	return err_set(e, ret, name, "cannot start the thread that reads the vfio-user socket: %s", strerror(-ret));
}

void user_conn_close(struct user_conn *c)
{
	if (c->fd < 0)
		return;
	shutdown(c->fd, SHUT_RDWR);
	pthread_join(c->reader, NULL);
	fd_close(&c->fd);
	free(c->scratch);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->send_lock);
}

static void fail_locked(struct user_conn *c, int code)
{
	if (!c->dead)
		c->dead = code;
	pthread_cond_broadcast(&c->changed);
	shutdown(c->fd, SHUT_RDWR);
}

void user_conn_fail(struct user_conn *c, int code)
{
	pthread_mutex_lock(&c->lock);
	fail_locked(c, code);
	pthread_mutex_unlock(&c->lock);
}

/* Sends one message, header made. A failure is the connection's: half a message may be out. */
static int send_message(struct user_conn *c, struct user_header *header, struct iovec iov[3], const int *fds,
			unsigned nr_fds, uint64_t deadline_ns)
{
	uint8_t buf[USER_HEADER_BYTES];
	int ret;

	header->msg_size = (uint32_t)(USER_HEADER_BYTES + iov[1].iov_len + iov[2].iov_len);
	user_header_encode(buf, header);
	iov[0] = (struct iovec){ .iov_base = buf, .iov_len = sizeof(buf) };
	pthread_mutex_lock(&c->send_lock);
	ret = user_socket_send(c->fd, iov, 3, fds, nr_fds, deadline_ns);
	pthread_mutex_unlock(&c->send_lock);
	if (ret)
		user_conn_fail(c, ret);
	return ret;
}

int user_conn_answer(struct user_conn *c, const struct user_header *header, const void *reply, size_t reply_bytes,
		     const void *data, size_t data_bytes)
{
	struct user_header out = *header;
	struct iovec iov[3] = {
		[1] = { .iov_base = (void *)reply, .iov_len = reply_bytes },
		[2] = { .iov_base = (void *)data, .iov_len = data_bytes },
	};

	if (header->flags & USER_NO_REPLY)
		return 0;
	out.flags = USER_TYPE_REPLY | (header->flags & USER_ERROR);
	if (!(header->flags & USER_ERROR))
		out.error = 0;
	return send_message(c, &out, iov, NULL, 0, clock_deadline_ns(&clock_monotonic, USER_TIMEOUT_NS));
}

/* With the lock held. */
static bool id_is_free(const struct user_conn *c, uint16_t msg_id)
{
	for (unsigned i = 0; i < USER_MAX_CALLS; i++)
		if (c->slots[i].state != SLOT_FREE && c->slots[i].msg_id == msg_id)
			return false;
	return true;
}

static struct user_slot *find_free(struct user_conn *c)
{
	for (unsigned i = 0; i < USER_MAX_CALLS; i++)
		if (c->slots[i].state == SLOT_FREE)
			return &c->slots[i];
	return NULL;
}

static int take_slot(struct user_conn *c, struct user_call *call, uint64_t deadline_ns, struct user_slot **taken)
{
	struct user_slot *slot;
	int ret = 0;

	pthread_mutex_lock(&c->lock);
	while (!(slot = find_free(c)) && !c->dead && !ret)
		ret = thread_cond_wait_until(&c->changed, &c->lock, deadline_ns);
	if (c->dead)
		ret = c->dead;
	else if (slot)
		ret = 0;
	if (!ret) {
		do
			c->last_id++;
		while (!id_is_free(c, c->last_id));
		*slot = (struct user_slot){ .call = call, .msg_id = c->last_id, .state = SLOT_WAITING };
		*taken = slot;
	}
	pthread_mutex_unlock(&c->lock);
	return ret;
}

/*
 * Waits for a taken slot's end and frees it, or leaves it abandoned. An answer that stopped half way when the time
 * was up holds the caller's buffers: the connection is given up, which makes the reader let go of them.
 */
static int wait_slot(struct user_conn *c, struct user_slot *slot, uint64_t deadline_ns)
{
	int late = 0, ret = 0;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		if (slot->state == SLOT_DONE) {
			ret = slot->call->result;
			break;
		}
		if (slot->state == SLOT_WAITING && (c->dead || late)) {
			ret = c->dead ? c->dead : -ETIMEDOUT;
			break;
		}
		if (late) {
			fail_locked(c, -ETIMEDOUT);
			deadline_ns = DEADLINE_NEVER;
		}
		late = thread_cond_wait_until(&c->changed, &c->lock, deadline_ns);
	}
	slot->state = slot->state == SLOT_WAITING && !c->dead ? SLOT_ABANDONED : SLOT_FREE;
	slot->call = NULL;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	return ret;
}

static const struct {
	int code;
	const char *did;
} ends[] = {
	{ -EPIPE, "closed the connection" },
	{ -ETIMEDOUT, "did not answer in time" },
	{ -EPROTO, "answered something that was not asked" },
	{ -EBADMSG, "sent an answer that is malformed or too short" },
};

/* One sentence for how a call ended. */
static int explain(const struct user_conn *c, const struct user_call *call, int code, struct gw_error *e)
{
	const char *command = user_command_name(call->command);

	if (call->refused)
		return err_set(e, code, c->name, "the vfio-user server refused %s: %s", command, strerror(-code));
	/* Servers take one client after the other, so who is not greeted may be one too many. */
	if (code == -ETIMEDOUT && call->command == USER_VERSION)
		return err_set(e, code, c->name,
			       "the vfio-user server of %s does not answer; perhaps another client has the device",
			       c->name);
	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++)
		if (ends[i].code == code)
			return err_set(e, code, c->name, "the vfio-user server of %s %s (%s)", c->name, ends[i].did,
				       command);
	return err_set(e, code, c->name, "the vfio-user socket of %s failed: %s", c->name, strerror(-code));
}

int user_call(struct user_conn *c, struct user_call *call, struct gw_error *e)
{
	uint64_t timeout_ns = call->timeout_ns ? call->timeout_ns : USER_TIMEOUT_NS;
	uint64_t deadline_ns = clock_deadline_ns(&clock_monotonic, timeout_ns);
	struct user_header header = { .command = call->command };
	struct iovec iov[3] = {
		[1] = { .iov_base = (void *)call->request, .iov_len = call->request_bytes },
		[2] = { .iov_base = (void *)call->payload, .iov_len = call->payload_bytes },
	};
	struct user_slot *slot;
	uint64_t began_ns = 0;
	int ret;

	if (call->fds_taken)
		call->fds_taken->nr = 0;
	call->refused = call->result = 0;
	call->reply_bytes = 0;
	ret = take_slot(c, call, deadline_ns, &slot);
	if (c->trace)
		began_ns = clock_now_ns(&clock_monotonic);
	if (!ret) {
		header.msg_id = slot->msg_id;
		/* A failure to send has failed the connection, which is what ends the wait. */
		send_message(c, &header, iov, call->fds, call->nr_fds, deadline_ns);
		ret = wait_slot(c, slot, deadline_ns);
	}
	if (c->trace)
		user_trace_call(c->trace, call, ret, began_ns);
	return ret ? explain(c, call, ret, e) : 0;
}
