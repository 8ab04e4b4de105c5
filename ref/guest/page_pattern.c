/* SPDX-License-Identifier: BSD-3-Clause */
/* What a page of the guest holds. */
#include "ref/guest/page_pattern.h"

#define WORDS     (GW_PAGE_BYTES / sizeof(uint64_t))
#define INCREMENT 0x9e3779b97f4a7c15ull

uint64_t page_pattern_key(uint64_t seed, uint64_t page, uint64_t pass)
{
	if (!pass)
		return 0;
	return page_pattern_mix(page_pattern_mix(seed ^ page_pattern_mix(page + INCREMENT)) + pass) | 1;
}

/*
 * Not for TSan's eyes: a guest writes its RAM while the migration reads it, and a page so torn is dirty and is
 * sent again. That race is what a dirty log is for; it is the only one this attribute hides.
 */
__attribute__((no_sanitize("thread"))) void page_pattern_write(uint8_t *hva, uint64_t key)
{
	uint64_t *words = (uint64_t *)(void *)hva;

	for (uint64_t i = 0; i < WORDS; i++)
		words[i] = page_pattern_mix(key + i * INCREMENT);
}

static uint64_t word_of(uint64_t key, uint64_t i)
{
	return key ? page_pattern_mix(key + i * INCREMENT) : 0;
}

uint32_t page_pattern_compare_either(const uint8_t *hva, uint64_t key, uint64_t other_key)
{
	const uint64_t *words = (const uint64_t *)(const void *)hva;

	for (uint64_t i = 0; i < WORDS; i++)
		if (words[i] != word_of(key, i) && words[i] != word_of(other_key, i))
			return (uint32_t)(i * sizeof(uint64_t));
	return GW_PAGE_BYTES;
}

/* The common case, all right, has no branch a word. */
uint32_t page_pattern_compare(const uint8_t *hva, uint64_t key)
{
	const uint64_t *words = (const uint64_t *)(const void *)hva;
	uint64_t wrong = 0;

	if (key)
		for (uint64_t i = 0; i < WORDS; i++)
			wrong |= words[i] ^ page_pattern_mix(key + i * INCREMENT);
	else
		for (uint64_t i = 0; i < WORDS; i++)
			wrong |= words[i];
	return wrong ? page_pattern_compare_either(hva, key, key) : GW_PAGE_BYTES;
}
