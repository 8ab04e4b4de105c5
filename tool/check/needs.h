/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a rule applies to a device. */
#ifndef TOOL_CHECK_NEEDS_H
#define TOOL_CHECK_NEEDS_H

#include "check.h"

/* Why the trial's rule does not apply; NULL: it does. dangerous: the user says that this kernel is sound. */
const char *needs_missing(const struct trial *t, bool dangerous);

/* "P2P"; NULL past the last. For lists of rules. */
const char *needs_name(unsigned bit);

#endif
