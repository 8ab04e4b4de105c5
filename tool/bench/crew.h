/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several devices made to do the same at once: a thread each, begun together and waited for. One alone is served by
 * the caller's own thread.
 */
#ifndef TOOL_BENCH_CREW_H
#define TOOL_BENCH_CREW_H

#include <godwit/vm.h>

#define CREW_MAX GW_MAX_DEVICES

/* Part i of a work; returns 0 or -errno with *e set. */
typedef int crew_work(void *ctx, unsigned i, struct gw_error *e);

/* Runs parts 0 .. nr-1, CREW_MAX at most. The first error counts, and the others still come to their end. */
int crew_run(crew_work *work, void *ctx, unsigned nr, struct gw_error *e);

#endif
