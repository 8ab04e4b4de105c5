/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether the devices of one report can move to those of another, one way. Blockers are the library's own
 * (gw_compare_devices: what a migration of theirs would be refused for) and those that only a report can know, since a
 * migration does not tell them: what the guest sees of the device beside its state. Warnings are what may go wrong.
 */
#ifndef TOOL_HOST_COMPARE_H
#define TOOL_HOST_COMPARE_H

#include "host_report.h"

/* { "can_move", "blockers", "warnings" } of doc/json.md. flags: GW_ALLOW_NO_P2P. NULL: no memory. */
json_t *host_compare(const struct host_report *from, const struct host_report *to, uint32_t flags);

#endif
