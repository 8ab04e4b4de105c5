/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and writing quantities. Three digits are shown: more is noise, fewer hides what changed. */
#include "units.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

#define ONE_SUFFIX(lower, upper, factor)      \
	{ lower, factor }, { upper, factor }, \
	{                                     \
		upper "iB", factor            \
	}

static const struct unit size_units[] = {
	{ "", 1 },
	{ "B", 1 },
	ONE_SUFFIX("k", "K", 1ull << 10),
	ONE_SUFFIX("m", "M", 1ull << 20),
	ONE_SUFFIX("g", "G", 1ull << 30),
	ONE_SUFFIX("t", "T", 1ull << 40),
	{ NULL, 0 },
};

/* In bits: of links, which are sold by powers of ten. */
static const struct unit bit_units[] = {
	{ "bit", 1 },           { "kbit", 1000 },          { "Mbit", 1000000 },
	{ "Gbit", 1000000000 }, { "Tbit", 1000000000000 }, { NULL, 0 },
};

static const struct unit time_units[] = {
	{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 }, { "min", 60000000000 }, { NULL, 0 },
};

static const struct unit *find_unit(const struct unit *units, const char *name, size_t length)
{
	for (; units->name; units++)
		if (strlen(units->name) == length && !memcmp(units->name, name, length))
			return units;
	return NULL;
}

/* A decimal number, as whole + nanos / 10^9. Returns the rest of the text, or NULL if there is no number. */
static const char *parse_decimal(const char *text, uint64_t *whole, uint64_t *nanos, bool *too_large)
{
	uint64_t scale = 100000000;

	*whole = *nanos = 0;
	*too_large = false;
	if (*text < '0' || *text > '9')
		return NULL;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(*whole, 10, whole) || __builtin_add_overflow(*whole, *text - '0', whole))
			*too_large = true;
	if (*text != '.')
		return text;
	if (text[1] < '0' || text[1] > '9')
		return NULL;
	for (text++; *text >= '0' && *text <= '9'; text++, scale /= 10)
		*nanos += (uint64_t)(*text - '0') * scale;
	return text;
}

static int parse(const char *text, const struct unit *units, const char *ending, uint64_t *value)
{
	size_t length, cut = strlen(ending);
	const struct unit *unit;
	uint64_t whole, nanos;
	bool too_large;
	const char *rest;

	rest = parse_decimal(text, &whole, &nanos, &too_large);
	if (!rest)
		return -EINVAL;
	length = strlen(rest);
	if (cut && length >= cut && !strcmp(rest + length - cut, ending))
		length -= cut;
	unit = find_unit(units, rest, length);
	if (!unit)
		return -EINVAL;
	if (too_large || __builtin_mul_overflow(whole, unit->factor, &whole))
		return -ERANGE;
	nanos = (uint64_t)((unsigned __int128)nanos * unit->factor / 1000000000);
	return __builtin_add_overflow(whole, nanos, value) ? -ERANGE : 0;
}

int units_parse_count(const char *text, uint64_t *count)
{
	static const struct unit plain[] = { { "", 1 }, { NULL, 0 } };

	return strchr(text, '.') ? -EINVAL : parse(text, plain, "", count);
}

int units_parse_size(const char *text, uint64_t *bytes)
{
	return parse(text, size_units, "", bytes);
}

int units_parse_rate(const char *text, uint64_t *bytes_per_s)
{
	uint64_t bits;
	int ret = parse(text, bit_units, "/s", &bits);

	if (ret == -EINVAL)
		return parse(text, size_units, "/s", bytes_per_s);
	if (!ret)
		*bytes_per_s = bits / 8;
	return ret;
}

int units_parse_duration(const char *text, uint64_t *ns)
{
	if (!strcmp(text, "0")) {
		*ns = 0;
		return 0;
	}
	return parse(text, time_units, "", ns);
}

/* Three digits: 1.23, 12.3, 123. The borders are where rounding would give a fourth. */
static struct units_text three_digits(double value, const char *unit)
{
	struct units_text text;
	int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;

	snprintf(text.s, sizeof(text.s), "%.*f %s", decimals, value, unit);
	return text;
}

struct units_text units_size(uint64_t bytes)
{
	static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes / 1024;
	struct units_text text;
	unsigned int i;

	if (bytes < 1024) {
		snprintf(text.s, sizeof(text.s), "%u B", (unsigned int)bytes);
		return text;
	}
	for (i = 0; value >= 1023.5 && i < 5; i++)
		value /= 1024;
	return three_digits(value, names[i]);
}

struct units_text units_rate(uint64_t bytes_per_s)
{
	struct units_text text = units_size(bytes_per_s);

	strcat(text.s, "/s");
	return text;
}

struct units_text units_bit_rate(uint64_t bytes_per_s)
{
	static const char *const names[] = { "bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s" };
	double value = (double)bytes_per_s * 8;
	unsigned int i;

	for (i = 0; value >= 999.5 && i < 4; i++)
		value /= 1000;
	return three_digits(value, names[i]);
}

struct units_text units_ms(double ms)
{
	struct units_text text;

	if (ms >= 999.5)
		return three_digits(ms / 1000, "s");
	if (ms >= 0.9995)
		return three_digits(ms, "ms");
	snprintf(text.s, sizeof(text.s), "%.0f us", ms * 1000);
	return text;
}

struct units_text units_duration(uint64_t ns)
{
	return units_ms((double)ns / 1000000);
}

struct units_text units_count(uint64_t count)
{
	char digits[24];
	struct units_text text;
	int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count), i, n = 0;

	for (i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			text.s[n++] = ',';
		text.s[n++] = digits[i];
	}
	text.s[n] = '\0';
	return text;
}
