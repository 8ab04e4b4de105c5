/* SPDX-License-Identifier: BSD-3-Clause */
/* What a fault makes of the answer to a DEVICE_FEATURE. */
#ifndef REF_DEVICE_FEATURE_STRIKE_H
#define REF_DEVICE_FEATURE_STRIKE_H

#include "ref/device/fault.h"
#include "ref/device/feature.h"

struct precopy_left;

/* ret: what the call has come to; returns what its reply is to say. */
int ref_feature_struck(struct call *call, const struct strike *strike, int ret);

uint64_t ref_feature_number_struck(const struct strike *strike, uint64_t number);
void ref_feature_left_struck(const struct strike *strike, struct precopy_left *left);

#endif
