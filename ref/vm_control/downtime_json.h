/* SPDX-License-Identifier: BSD-3-Clause */
/* A downtime and its parts, measured or predicted, as the JSON of doc/json.md. */
#ifndef REF_VM_DOWNTIME_JSON_H
#define REF_VM_DOWNTIME_JSON_H

#include <godwit/report.h>
#include <jansson.h>

/* The parts alone; one that is not known is null. */
json_t *downtime_json(const struct gw_downtime *downtime);

/* Sets "predicted_ms" and "predicted"; both are null as long as there is no estimate. */
void downtime_json_predicted(json_t *object, const struct gw_downtime *predicted);

/* UINT64_MAX: not known; 0: no estimate was made yet, for none is that short. */
int downtime_json_is_known(const struct gw_downtime *predicted);

#endif
