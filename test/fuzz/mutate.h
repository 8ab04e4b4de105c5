/* SPDX-License-Identifier: BSD-3-Clause */
/* Inputs made of other inputs, the same ones for the same number: what a fuzzer does, without asking for coverage. */
#ifndef TEST_MUTATE_H
#define TEST_MUTATE_H

#include <stddef.h>
#include <stdint.h>

#define MUTATE_GROWTH 512u /* a mutant is longer than its parent by so much at most */

struct input {
	uint8_t *bytes;
	size_t size;
};

/*
 * Mutant number seed of a corpus of nr > 0 inputs, into room bytes, at least MUTATE_GROWTH more than the longest of
 * them. Returns its size.
 */
size_t mutate(const struct input *corpus, size_t nr, uint64_t seed, uint8_t *mutant, size_t room);

#endif
