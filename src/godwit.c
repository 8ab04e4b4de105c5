/* SPDX-License-Identifier: BSD-3-Clause */
/* The version, and names for people. Every other public function stands beside what it calls. */
#include "base/export.h"

#include <godwit/godwit.h>

#define TEXT(x)          #x
#define VERSION(a, b, c) TEXT(a) "." TEXT(b) "." TEXT(c)

GW_EXPORT const char *gw_version(void)
{
	return VERSION(GW_VERSION_MAJOR, GW_VERSION_MINOR, GW_VERSION_PATCH);
}

GW_EXPORT const char *gw_outcome_name(enum gw_outcome outcome)
{
	static const char *const names[] = {
		[GW_OUTCOME_NONE] = "none",
		[GW_COMPLETED] = "completed",
		[GW_ROLLED_BACK] = "rolled-back",
		[GW_OWNER_UNKNOWN] = "owner-unknown",
	};

	return (unsigned)outcome < sizeof(names) / sizeof(names[0]) ? names[outcome] : "?";
}
