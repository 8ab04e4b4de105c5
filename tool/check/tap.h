/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Outcomes as TAP 14, in the forms that KTAP has too: plan first, diagnostics as comments. Several devices are
 * subtests, one after the other.
 */
#ifndef TOOL_CHECK_TAP_H
#define TOOL_CHECK_TAP_H

#include "job.h"

#include <stdio.h>

void tap_begin(FILE *out, const struct job *jobs, unsigned nr_jobs);
/* Of several: the head of one, and the line that ends it. number: from 1 on; 0: there is but one. */
void tap_begin_job(FILE *out, const struct job *job, unsigned number);
void tap_outcome(FILE *out, const struct job *job, unsigned number, const struct outcome *outcome, unsigned nr);
void tap_end_job(FILE *out, struct job *job, unsigned number);
/* The last lines: what passes now, and the numbers. */
void tap_end(FILE *out, struct job *jobs, unsigned nr_jobs);

#endif
