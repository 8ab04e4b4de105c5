/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether a decoded message holds only values that doc/wire.md allows: the document's tables said once more, in
 * plain numbers, so that a bound changed by accident shows. For the tests and the fuzzers of the wire.
 */
#ifndef TEST_MESSAGE_IS_SANE_H
#define TEST_MESSAGE_IS_SANE_H

#include "wire/message.h"

#include <stdbool.h>

bool message_is_sane(const struct message *message);

#endif
