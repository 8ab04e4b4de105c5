/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The failures that a driver's CI knows of: a text file with a line "RULE  # why" each. A rule of it that fails is no
 * news; one that passes is, since the file is to say what is so.
 */
#ifndef TOOL_CHECK_KNOWN_H
#define TOOL_CHECK_KNOWN_H

#include "check.h"

#include <godwit/error.h>

#define KNOWN_WHY_BYTES 200

struct known_rule {
	char name[RULE_NAME_BYTES];
	char why[KNOWN_WHY_BYTES];
};

struct known {
	struct known_rule *rules;
	unsigned nr;
};

/* Every name has to be one of the rules, and to come once, with a reason. 0 or -errno; known_free is due in any case.
 */
int known_read(struct known *known, const char *path, const struct rule_list *rules, struct gw_error *e);
/* NULL: this rule has to pass. */
const char *known_why(const struct known *known, const char *rule);
void known_free(struct known *known);

#endif
