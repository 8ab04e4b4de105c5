/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands of vfio-user by number. Does what a request asks and makes the reply's body; knows of no socket. A
 * handler trusts nothing in the body and leaves fds that it does not keep to the request.
 */
#ifndef REF_DEVICE_COMMAND_H
#define REF_DEVICE_COMMAND_H

#include "ref/device/client.h"
#include "ref/device/message.h"

enum command_number {
	COMMAND_VERSION = 1,
	COMMAND_DMA_MAP = 2,
	COMMAND_DMA_UNMAP = 3,
	COMMAND_DEVICE_GET_INFO = 4,
	COMMAND_GET_REGION_INFO = 5,
	COMMAND_GET_IRQ_INFO = 7,
	COMMAND_SET_IRQS = 8,
	COMMAND_REGION_READ = 9,
	COMMAND_REGION_WRITE = 10,
	COMMAND_DEVICE_RESET = 13,
	COMMAND_DEVICE_FEATURE = 16,
	COMMAND_MIG_DATA_READ = 17,
	COMMAND_MIG_DATA_WRITE = 18,
};

/* 0, or -errno: the reply is then an error. -ENOTSUP: a command that this device does not have. */
int ref_command_run(struct client *client, struct request *request, struct reply *reply);

/* The handlers that have files of their own. */
int ref_version(struct client *client, struct request *request, struct reply *reply);
int ref_feature(struct client *client, struct request *request, struct reply *reply);
int ref_dma_map(struct client *client, struct request *request, struct reply *reply);
int ref_dma_unmap(struct client *client, struct request *request, struct reply *reply);
int ref_set_irqs(struct client *client, struct request *request, struct reply *reply);

#endif
