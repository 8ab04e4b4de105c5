/* SPDX-License-Identifier: BSD-3-Clause */
/* Progress as the JSON of doc/json.md. */
#ifndef REF_VM_PROGRESS_JSON_H
#define REF_VM_PROGRESS_JSON_H

#include <godwit/report.h>
#include <jansson.h>

json_t *progress_json(const struct gw_progress *progress);

#endif
