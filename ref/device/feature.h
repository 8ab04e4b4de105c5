/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One DEVICE_FEATURE: the request after its head, and how it is answered. Between feature.c, which has the table, and
 * the files of its larger entries.
 */
#ifndef REF_DEVICE_FEATURE_H
#define REF_DEVICE_FEATURE_H

#include "ref/device/client.h"
#include "ref/device/cursor.h"
#include "ref/device/message.h"

#define FEATURE_HEAD_BYTES 8

/* A request after its head, and where the reply's data goes. */
struct call {
	struct client *client;
	struct cursor in;
	struct reply *reply;
	uint32_t argsz;
	uint32_t flags;
};

/* The reply's head, and room for data bytes. A request's argsz says what its sender has room for. */
struct writer ref_feature_answer(struct call *call, size_t data);
int ref_feature_answer_head(struct call *call);

int ref_feature_log_start(struct call *call);
int ref_feature_log_stop(struct call *call);
int ref_feature_log_report(struct call *call);

#endif
