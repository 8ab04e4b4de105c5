/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A message of every type in three sizes, for the tests of the wire: the least that is allowed, one as it may come
 * in life (these are the golden vectors: never change them), and every count, text and number at its bound.
 */
#ifndef TEST_SAMPLE_MESSAGE_H
#define TEST_SAMPLE_MESSAGE_H

#include "wire/message.h"

#include <stdbool.h>

enum sample_size { SAMPLE_LEAST, SAMPLE_PLAIN, SAMPLE_MOST, NR_SAMPLE_SIZES };

#define FIRST_MESSAGE_TYPE FRAME_HELLO
#define LAST_MESSAGE_TYPE  FRAME_NEEDS

void sample_message(struct message *message, uint16_t type, enum sample_size size);

/* Equal in every field; a VM state by its bytes. Both must come from sample_message or message_decode. */
bool sample_message_equal(const struct message *a, const struct message *b);

#endif
