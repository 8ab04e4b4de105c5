/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A channel of a godwit migration as it was recorded: frame after frame, all of them from one side. A frame whose
 * checksum does not hold is counted and not looked into; the next one is found all the same.
 */
#ifndef INSPECT_RECORD_H
#define INSPECT_RECORD_H

#include "inspect/reading.h"

int record_inspect(struct reading *r);

#endif
