/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loop that the VM's main thread runs: the control socket and its clients, news of the migration, the request to
 * stop. One thread, nothing in it waits but poll; so state needs no lock and commands come one at a time. (A check
 * keeps the others waiting for as long as it takes.) A client that hangs up changes nothing about a migration.
 */
#ifndef REF_VM_CONTROL_H
#define REF_VM_CONTROL_H

#include "ref/control/line_client.h"
#include "ref/vm_control/vm_command.h"

#define CONTROL_MAX_CLIENTS 16

struct control {
	struct vm_context vm;
	int stop_fd; /* borrowed; -1: none */
	int listen_fd;
	int quit;
	int out_of_fds; /* the last client could not be let in for want of one */
	char path[108];
	struct line_client clients[CONTROL_MAX_CLIENTS];
};

/* path NULL: no socket. A socket file nobody listens on is replaced; one with a listener is -EADDRINUSE. */
int control_listen(struct control *control, const char *path, const struct vm_context *vm, int stop_fd,
		   struct gw_error *e);

/*
 * Until "quit" or stop_fd: 0. Without a socket the end of a migration that leaves no guest here ends it too, with
 * the migration's error, and so does a guest that has failed, with the reason.
 */
int control_serve(struct control *control, struct gw_error *e);

void control_unlisten(struct control *control);

#endif
