/* SPDX-License-Identifier: BSD-3-Clause */
/* The thread that reads a vfio-user connection; it owns the receiving side of the socket. */
#ifndef DEVICE_USER_READER_H
#define DEVICE_USER_READER_H

#include "device/user_conn.h"

/* The longest payload of a server's command: data, after what says where it goes. */
#define USER_COMMAND_BYTES (USER_MAX_DATA_BYTES + 64u)

/* A thread's function; arg is the struct user_conn. Ends when the socket ends or makes no sense any more. */
void *user_reader(void *arg);

#endif
