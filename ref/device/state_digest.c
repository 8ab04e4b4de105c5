/* SPDX-License-Identifier: BSD-3-Clause */
/* The digest of the whole device state, from digests of its parts. Owned by a save or a load, under its lock. */
#include "ref/device/state_digest.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

int ref_state_digest_init(struct state_digest *digest, uint64_t nr_blocks)
{
	*digest = (struct state_digest){ .nr_blocks = nr_blocks };
	digest->blocks = calloc(nr_blocks, sizeof(*digest->blocks));
	return digest->blocks ? 0 : -ENOMEM;
}

void ref_state_digest_fini(struct state_digest *digest)
{
	free(digest->blocks);
	digest->blocks = NULL;
}

void ref_state_digest_block(struct state_digest *digest, uint64_t block, const void *data, size_t size)
{
	digest->blocks[block] = XXH3_64bits(data, size);
}

void ref_state_digest_device(struct state_digest *digest, const void *data, size_t size)
{
	digest->device = XXH3_64bits(data, size);
}

uint64_t ref_state_digest_whole(const struct state_digest *digest)
{
	uint64_t blocks = XXH3_64bits(digest->blocks, digest->nr_blocks * sizeof(*digest->blocks));

	return XXH3_64bits_withSeed(&blocks, sizeof(blocks), digest->device);
}
