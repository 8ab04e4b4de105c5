/* SPDX-License-Identifier: BSD-3-Clause */
/* What a fault at a message makes of its reply. */
#ifndef REF_DEVICE_REPLY_STRIKE_H
#define REF_DEVICE_REPLY_STRIKE_H

#include "ref/device/fault.h"
#include "ref/device/message.h"

/* ret: what the command has come to, 0 or -errno; returns what the reply is to say. */
int ref_reply_strike(const struct request *request, struct reply *reply, const struct strike *strike, int ret);

/* By so many bytes: as much as a reply can be. */
void ref_reply_shorten(struct reply *reply, uint64_t bytes);
void ref_reply_lengthen(struct reply *reply, uint64_t bytes);

#endif
