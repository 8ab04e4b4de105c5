/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device made of memory, behind the public ops table: every state, pre-copy, stop-copy, and a call that fails when
 * the test says so. It checks that it is used as the uAPI's text asks.
 */
#ifndef TEST_FAKE_DEVICE_H
#define TEST_FAKE_DEVICE_H

#include <godwit/device.h>
#include <pthread.h>
#include <stdint.h>

struct fake_device {
	struct gw_device *dev;
	uint32_t flags;
	uint32_t state;
	uint64_t size_bytes;
	uint8_t *bytes;               /* the state */
	uint64_t at;                  /* read or written so far in this session */
	uint64_t dirty;               /* bytes at the front that pre-copy has to send again */
	uint64_t precopy_end;         /* where pre-copy ends, and stop-copy goes on */
	int rearm_running, rearm_p2p; /* so many times it asks, in PRE_COPY or PRE_COPY_P2P, for new initial bytes */
	int rearmed;                  /* it asks, until the next read */
	int endless;                  /* pre-copy always has more, all of it void: the state is what comes last */
	uint64_t nr_written;          /* endless: in this session */
	int *countdown;               /* shared: the call that brings it to 0 fails; NULL: none does */
	int failed;                   /* a call has failed on purpose */
	int misused;                  /* a call came that the text forbids */
	int resets;
	pthread_mutex_t lock;
};

int fake_device_open(struct fake_device *fake, const char *id, uint32_t flags, uint64_t size_bytes, unsigned seed);
void fake_device_close(struct fake_device *fake);

#endif
