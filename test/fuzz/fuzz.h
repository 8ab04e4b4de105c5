/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every fuzz target has: its entry, called by libFuzzer or by fuzz_main.c with an input in a buffer of its exact
 * size, and a check that stops the run. A target keeps nothing from one input to the next.
 */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert: it is there whatever NDEBUG says. */
#define fuzz_check(what)                  \
	do {                              \
		if (!(what))              \
			__builtin_trap(); \
	} while (0)

#endif
