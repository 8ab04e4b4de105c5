/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target: a control message as a peer may send it. Input: the type, a byte; then the body. What is taken must
 * hold only allowed values, and mean the same when it is encoded and decoded again.
 */
#include "fuzz.h"

#include "message_is_sane.h"
#include "sample_message.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct message first, second;
	uint8_t *again;
	ssize_t n;
	int ret;

	if (!size)
		return 0;
	ret = message_decode(data[0], data + 1, size - 1, &first);
	if (ret) {
		fuzz_check(ret == -EBADMSG || ret == -EPROTONOSUPPORT);
		return 0;
	}
	fuzz_check(message_is_sane(&first));
	again = malloc(message_max_bytes(&first) + 1);
	n = message_encode(&first, again, message_max_bytes(&first));
	fuzz_check(n == (ssize_t)size - 1);
	fuzz_check(message_decode(data[0], again, (size_t)n, &second) == 0);
	fuzz_check(sample_message_equal(&first, &second));
	free(again);
	return 0;
}
