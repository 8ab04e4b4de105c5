/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sizes, rates and durations as people write and read them. Sizes are IEC: 64M, 64MiB and 64m are all 64 * 2^20
 * bytes; "64MB" is refused, because it is not known what was meant. Pure functions, no state.
 */
#ifndef TOOL_UNITS_H
#define TOOL_UNITS_H

#include <stdint.h>

/* Return 0, -EINVAL (not a value of this kind) or -ERANGE (too large). A decimal fraction is allowed: "1.5G". */
int units_parse_count(const char *text, uint64_t *count);
int units_parse_size(const char *text, uint64_t *bytes);
int units_parse_rate(const char *text, uint64_t *bytes_per_s); /* a size, or bits: "25Gbit" is 25 * 10^9; then "/s" */
int units_parse_duration(const char *text, uint64_t *ns);      /* needs ns, us, ms, s or min; but 0 is 0 */

/* A text by value, so that units_size(n).s can stand in a printf; it lives to the end of that expression. */
struct units_text {
	char s[32];
};

struct units_text units_size(uint64_t bytes);           /* "64.0 MiB", "812 KiB", "17 B" */
struct units_text units_rate(uint64_t bytes_per_s);     /* "412 MiB/s" */
struct units_text units_bit_rate(uint64_t bytes_per_s); /* the same in powers of ten: "3.46 Gbit/s" */
struct units_text units_duration(uint64_t ns);          /* "3.21 s", "61.2 ms", "850 us" */
struct units_text units_ms(double ms);                  /* the same from milliseconds, as the reports have them */
struct units_text units_count(uint64_t count);          /* "262,144" */

#endif
