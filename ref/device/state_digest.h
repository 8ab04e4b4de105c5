/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The digest of the whole device state: XXH3-64 over the XXH3-64 of every block of local memory, in order, and then
 * of the DEVICE record's payload. A block's digest is made when the block is sent, or has landed, and kept: so what
 * is left for the time when the device is stopped is small, and still nothing is left out.
 */
#ifndef REF_DEVICE_STATE_DIGEST_H
#define REF_DEVICE_STATE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

struct state_digest {
	uint64_t *blocks;
	uint64_t nr_blocks;
	uint64_t device;
};

int ref_state_digest_init(struct state_digest *digest, uint64_t nr_blocks);
void ref_state_digest_fini(struct state_digest *digest);
void ref_state_digest_block(struct state_digest *digest, uint64_t block, const void *data, size_t size);
void ref_state_digest_device(struct state_digest *digest, const void *data, size_t size);
uint64_t ref_state_digest_whole(const struct state_digest *digest);

#endif
