/* SPDX-License-Identifier: BSD-3-Clause */
/* The group "data" is in three files; rules_data() lists them all. */
#ifndef TOOL_CHECK_RULES_DATA_H
#define TOOL_CHECK_RULES_DATA_H

#include "check.h"

void rules_session(struct rule_list *list);                 /* what opens, keeps and ends a data session */
void rules_data_fd(struct rule_list *list, uint32_t flags); /* the descriptor of a kernel device's */

#endif
