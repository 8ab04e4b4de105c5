/* SPDX-License-Identifier: BSD-3-Clause */
/* The group "log" is in two files; rules_log() lists both. */
#ifndef TOOL_CHECK_RULES_LOG_H
#define TOOL_CHECK_RULES_LOG_H

#include "check.h"

#define LOG_BASE  (1ull << 32) /* where the memory is that is logged: far from all that may be mapped */
#define LOG_BYTES (8ull << 20)
#define LOG_PAGE  4096u

void rules_log_writes(struct rule_list *list); /* what the log says of what the device writes */

/* LOG_BYTES from LOG_BASE on, in pages of LOG_PAGE. Not begun: skipped, since log.start is about that. */
bool log_begin(struct trial *t);

#endif
