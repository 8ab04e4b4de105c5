/* SPDX-License-Identifier: BSD-3-Clause */
/* The report as the JSON of doc/json.md. */
#ifndef REF_VM_REPORT_JSON_H
#define REF_VM_REPORT_JSON_H

#include <godwit/report.h>
#include <jansson.h>

/* dirty_log: the name of the log this VM uses; NULL: the guest's writes were not tracked here. */
json_t *report_json(const struct gw_report *report, const char *dirty_log);

/* How the guest changed hands, its "handover" alone. */
json_t *report_json_handover(const struct gw_handover *handover);

#endif
