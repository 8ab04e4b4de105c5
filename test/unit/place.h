/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a test may listen. Included after cmocka.h and what that needs. */
#ifndef TEST_PLACE_H
#define TEST_PLACE_H

#include "channel/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* An address for a listener: any free TCP port, or a path in a directory of its own. */
struct place {
	char dir[32];
	struct address address;
};

static inline void place_open(struct place *place, enum address_kind kind)
{
	char uri[80];

	snprintf(place->dir, sizeof(place->dir), "/tmp/gw-test-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	snprintf(uri, sizeof(uri), kind == ADDRESS_TCP ? "tcp:127.0.0.1:0" : "unix:%s/s", place->dir);
	assert_int_equal(address_parse(&place->address, uri, NULL), 0);
}

static inline void place_close(struct place *place)
{
	assert_int_equal(rmdir(place->dir), 0); /* so no socket file is left */
}

#endif
