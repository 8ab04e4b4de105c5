/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long a device takes to tell which of so much memory it has written, by its own log: what the last dirty sync of a
 * migration waits for. Nothing is mapped for it, so a device may refuse, and what it reports is that nothing was
 * written.
 */
#ifndef TOOL_BENCH_LOG_TIME_H
#define TOOL_BENCH_LOG_TIME_H

#include <godwit/device.h>

/* 0 and *ns, or -errno if it cannot be told. The log is stopped again. */
int log_time_measure(struct gw_device *dev, uint64_t memory_bytes, uint64_t *ns);

#endif
