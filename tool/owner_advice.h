/* SPDX-License-Identifier: BSD-3-Clause */
/* What to do when it is not known who has the guest: the commands, in the order in which they are typed. */
#ifndef TOOL_OWNER_ADVICE_H
#define TOOL_OWNER_ADVICE_H

#include <jansson.h>
#include <stdio.h>

/*
 * side: "source" or "destination", whose VM is paused; control: its control socket; handover: of its report
 * (doc/json.md).
 */
void owner_advice_show(FILE *out, const char *side, const char *control, const json_t *handover);

#endif
