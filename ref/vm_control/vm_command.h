/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of the control socket: a JSON object in, a JSON object out (doc/json.md). */
#ifndef REF_VM_COMMAND_H
#define REF_VM_COMMAND_H

#include "ref/vm/machine.h"
#include "ref/vm/vm_migration.h"

#include <jansson.h>

struct vm_context {
	struct machine *machine;
	struct vm_migration *migration;
};

/* What the server does beside sending the answer. */
enum vm_command_effect { VM_EFFECT_NONE, VM_EFFECT_WATCH, VM_EFFECT_QUIT };

/* Carries out one line; the answer is the caller's to release. Never waits for a migration. */
json_t *vm_command_run(const struct vm_context *vm, const char *line, enum vm_command_effect *effect);

/* { "ok": false, "error": ... } */
json_t *vm_command_refusal(const struct gw_error *error);

#endif
