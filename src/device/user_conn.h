/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One vfio-user connection: requests of any thread out, replies back to who waits for them, commands of the server
 * to one function. A thread of its own reads the socket; it ends when the socket does, and with it everybody's wait.
 * A reply is told from a command by its type and only then matched by its id, since each side numbers its own.
 */
#ifndef DEVICE_USER_CONN_H
#define DEVICE_USER_CONN_H

#include "base/clock.h"
#include "device/user_proto.h"
#include "device/user_socket.h"

#include <godwit/device.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USER_MAX_CALLS  16
#define USER_TIMEOUT_NS (30 * NS_PER_S)

/* A request, and where its reply goes: the first bytes to `reply`, those after them to `data`, the rest nowhere. */
struct user_call {
	uint16_t command;
	const void *request;
	size_t request_bytes;
	const void *payload; /* sent after the request; may be NULL */
	size_t payload_bytes;
	const int *fds;
	unsigned nr_fds;
	uint64_t timeout_ns; /* 0: USER_TIMEOUT_NS */

	void *reply;
	size_t reply_size;
	size_t reply_min; /* fewer bytes than this are -EBADMSG */
	void *data;
	size_t data_size;
	struct user_fds *fds_taken; /* descriptors that came, the caller's from then on; NULL: they are closed */

	size_t reply_bytes; /* out: how many bytes came, of reply and data together */
	int refused;        /* out: the server's -errno if it answered with an error, else 0 */
	int result;         /* the reader's word for the caller */
};

struct user_slot {
	struct user_call *call;
	uint16_t msg_id;
	uint8_t state;
};

struct user_conn;
struct device_trace;

/*
 * A command of the server, in the reading thread. The payload is valid during the call. Answers with
 * user_conn_answer, or returns a positive errno to be sent as the error.
 */
typedef int user_serve_fn(void *arg, struct user_conn *c, const struct user_header *header, const void *payload,
			  size_t payload_bytes);

struct user_conn {
	char name[GW_DEVICE_ID_BYTES]; /* for messages */
	int fd;
	struct device_trace *trace; /* NULL: nobody looks */
	pthread_t reader;
	user_serve_fn *serve;
	void *serve_arg;
	uint8_t *scratch;          /* payloads of the server's commands; the reader's */
	pthread_mutex_t send_lock; /* whole messages on the socket */
	pthread_mutex_t lock;      /* what follows */
	pthread_cond_t changed;
	struct user_slot slots[USER_MAX_CALLS];
	uint16_t last_id;
	int dead; /* 0, or -errno: why no call can succeed any more */
};

enum user_slot_state {
	SLOT_FREE = 0,
	SLOT_WAITING,
	SLOT_READING, /* the reader fills the call's buffers: they must stay */
	SLOT_DONE,
	SLOT_ABANDONED, /* nobody waits any more; the id is kept from use until the answer comes after all */
};

#define USER_CONN_NONE   \
	{                \
		.fd = -1 \
	} /* may be closed */

/* Takes the fd over, also when it fails, and starts reading. trace: the caller's, to the end; NULL: none. */
int user_conn_start(struct user_conn *c, const char *name, int fd, struct device_trace *trace, user_serve_fn *serve,
		    void *arg, struct gw_error *e);
/* No call may be under way. */
void user_conn_close(struct user_conn *c);

/*
 * 0; what the server refused with; -EPIPE: the connection is gone; -ETIMEDOUT; -EBADMSG: malformed or too short;
 * -EPROTO: an answer to something else.
 */
int user_call(struct user_conn *c, struct user_call *call, struct gw_error *e);

/* No call succeeds from now on; code is -errno, and the first one stays. The reader ends. */
void user_conn_fail(struct user_conn *c, int code);

/* The reply to a command of the server, for user_serve_fn. 0 or -errno. */
int user_conn_answer(struct user_conn *c, const struct user_header *header, const void *reply, size_t reply_bytes,
		     const void *data, size_t data_bytes);

#endif
