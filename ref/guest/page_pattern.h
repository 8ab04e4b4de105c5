/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a page of the guest holds: 512 words that depend on a key and that no compressor shortens. The key is
 * made of the seed, the page and the pass in which it was written, so a page in the wrong place, or an older
 * version of the right page, shows. Pass 0 is "never written": zeros.
 */
#ifndef REF_GUEST_PAGE_PATTERN_H
#define REF_GUEST_PAGE_PATTERN_H

#include <godwit/vm.h>
#include <stdint.h>

/* A mixer of 64 bits, for all that the guest derives from its seed. */
static inline uint64_t page_pattern_mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xe9846af9b1a615ddull;
	x ^= x >> 29;
	x *= 0xd6e8feb86659fd93ull;
	return x ^ x >> 32;
}

/* Never 0 for a pass that is not 0. */
uint64_t page_pattern_key(uint64_t seed, uint64_t page, uint64_t pass);

void page_pattern_write(uint8_t *hva, uint64_t key);

/* The offset of the first word that is not what the key says (key 0: zeros); GW_PAGE_BYTES: all are. */
uint32_t page_pattern_compare(const uint8_t *hva, uint64_t key);

/* A page that is being written: as page_pattern_compare, but each word may be what the one or the other key says. */
uint32_t page_pattern_compare_either(const uint8_t *hva, uint64_t key, uint64_t other_key);

#endif
