/* SPDX-License-Identifier: BSD-3-Clause */
/* Outcomes as the XML that CI servers read: a suite a device, a case a rule, classified by its group. */
#ifndef TOOL_CHECK_JUNIT_H
#define TOOL_CHECK_JUNIT_H

#include "job.h"

#include <stdio.h>

/* Opened before the rules are tried: a path that is wrong is better known then. write closes it, whatever happens. */
int junit_open(const char *path, FILE **out, struct gw_error *e);
int junit_write(FILE *out, const char *path, struct job *jobs, unsigned nr_jobs, struct gw_error *e);

#endif
