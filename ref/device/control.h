/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's control socket, on which it is told of faults while it runs: lines of JSON in, lines of JSON out
 * (doc/json.md). A thread of its own, since the device's may be waiting for a client or be stalled by a fault; it
 * touches the list of faults and asks for the state, nothing else.
 */
#ifndef REF_DEVICE_CONTROL_H
#define REF_DEVICE_CONTROL_H

#include "ref/control/line_client.h"

#include <pthread.h>
#include <stdbool.h>

#define CONTROL_MAX_CLIENTS 8

struct ref_device;

struct control {
	struct ref_device *dev;
	const char *path; /* NULL: there is no socket */
	int listen_fd;
	int end_fd; /* readable: the thread is to end */
	bool started;
	bool starved; /* the last client could not be let in for want of a descriptor */
	pthread_t thread;
	struct line_client clients[CONTROL_MAX_CLIENTS];
};

/* path NULL: does nothing. -errno as ref_listener_open has it. */
int ref_control_start(struct control *control, struct ref_device *dev, const char *path);
void ref_control_stop(struct control *control); /* not started: fine */

#endif
