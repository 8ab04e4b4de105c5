/* SPDX-License-Identifier: BSD-3-Clause */
/* What a VM is doing and what its guest has found: the answers to "status" and "check" (doc/json.md). */
#ifndef REF_VM_STATUS_JSON_H
#define REF_VM_STATUS_JSON_H

#include "ref/vm/machine.h"
#include "ref/vm/vm_migration.h"

#include <jansson.h>

/* "guest" alone. */
json_t *status_json_guest(struct machine *machine);

/* Adds "failure", why the guest cannot run any more, if that is so. */
void status_json_failure(json_t *answer, struct machine *machine);

/* Adds all keys of "status" to answer. */
void status_json(json_t *answer, struct machine *machine, const struct vm_migration *migration);

/* "state", and "last_migration" if one has ended. */
void status_json_state(json_t *answer, const struct vm_migration *migration);

#endif
