/* SPDX-License-Identifier: BSD-3-Clause */
/* Outcomes and rules as JSON: doc/json.md. The caller owns what is returned. */
#ifndef TOOL_CHECK_CHECK_JSON_H
#define TOOL_CHECK_CHECK_JSON_H

#include "job.h"

json_t *check_json_report(struct job *jobs, unsigned nr_jobs);
json_t *check_json_rules(const struct rule_list *rules);

#endif
