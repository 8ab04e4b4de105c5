/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands for a number in a fault. */
#include "ref/device/fault_number.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ERRNO 4096

struct unit {
	const char *name;
	uint64_t factor;
};

/* Digits, then one of the units. strtoull alone would take spaces and signs. */
static int parse(const char *text, const struct unit *units, uint64_t *number)
{
	unsigned long long value;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno)
		return -EINVAL;
	for (; units->name; units++)
		if (!strcmp(units->name, end))
			return __builtin_mul_overflow(value, units->factor, number) ? -EINVAL : 0;
	return -EINVAL;
}

int ref_fault_number(const char *text, uint64_t *number)
{
	static const struct unit units[] = {
		{ "", 1 }, { "K", 1ull << 10 }, { "M", 1ull << 20 }, { "G", 1ull << 30 }, { NULL, 0 },
	};
	int ret = parse(*text == '-' ? text + 1 : text, units, number);

	if (!ret && *text == '-')
		*number = -*number;
	return ret;
}

int ref_fault_time(const char *text, uint64_t *ns)
{
	static const struct unit units[] = {
		{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 }, { NULL, 0 },
	};

	return parse(text, units, ns);
}

int ref_fault_errno(const char *name, int *error)
{
	for (int i = 1; i < MAX_ERRNO; i++) {
		const char *known = strerrorname_np(i);

		if (!known || strcmp(known, name))
			continue;
		*error = i;
		return 0;
	}
	return -EINVAL;
}
