/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One client, from accept to its going: what was agreed with it, its command socket, and where it asked for one the
 * data socket with a thread of its own. The command socket's thread owns it; after VERSION nothing changes in it,
 * and the data socket's thread starts after that.
 */
#ifndef REF_DEVICE_CLIENT_H
#define REF_DEVICE_CLIENT_H

#include "ref/device/message.h"

#include <stdbool.h>
#include <stdint.h>

/* Parts of the extension (doc/vfio-user-extension.md) that both sides have. */
#define CLIENT_PRECOPY_INFO (1u << 0)
#define CLIENT_STOP_SIZE    (1u << 1)
#define CLIENT_P2P          (1u << 2)
#define CLIENT_DATA_SOCKET  (1u << 3)
#define CLIENT_REINIT       (1u << 4)

struct ref_device;

struct client {
	struct ref_device *dev;
	struct link commands;
	struct link data; /* fd -1: none was agreed */
	bool greeted;     /* VERSION was agreed */
	uint32_t extension;
};

/* fd: the accepted socket, or -1 (messages are then handed to ref_command_run by someone else). */
void ref_client_init(struct client *client, struct ref_device *dev, int fd);
void ref_client_fini(struct client *client);

/* Serves the client until it goes, breaks the protocol, or the device is to stop. Takes the fd over. */
void ref_client_serve(struct ref_device *dev, int fd);

/* MIG_CAP_* that this client may use. */
uint32_t ref_client_mig_caps(const struct client *client);

#endif
