/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SIGINT, SIGTERM and SIGHUP as a file descriptor that becomes readable: no handlers. Open it before any thread is
 * started, so that all of them have the signals blocked.
 */
#ifndef TOOL_STOP_SIGNALS_H
#define TOOL_STOP_SIGNALS_H

#include <godwit/error.h>

/* The descriptor, or -errno. It is the process's to the end; a child must unblock: stop_signals_unblock. */
int stop_signals_open(struct gw_error *e);

/* Takes one signal if there is one: its number, or 0. Until taken the descriptor stays readable. */
int stop_signals_take(int fd);

void stop_signals_unblock(void);

#endif
