/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a guest needs of its host beside RAM and devices, in its VMM's own bytes: the source's VM tells it, the
 * destination's says what is lacking. Both are called on the VM's worker, before anything has begun.
 */
#ifndef SESSION_NEEDS_H
#define SESSION_NEEDS_H

#include "model/manifest.h"

#include <stddef.h>
#include <stdint.h>

/* A callback that is newer than the ops' first layout: an older caller's struct ends before it. */
#define vm_has_op(vm, op) ((vm)->ops->size >= offsetof(struct gw_vm_ops, op) + sizeof((vm)->ops->op) && (vm)->ops->op)

/* Source. *needs is to be freed, GW_MAX_NEEDS_BYTES at most; NULL with 0 bytes: nothing, or the VM has no needs. */
int needs_ask(const struct gw_vm *vm, uint8_t **needs, size_t *nr_bytes, struct gw_error *e);

/* Destination: a reason for each thing this host lacks of it, and one if the VM cannot say. */
int needs_check(const struct gw_vm *vm, const uint8_t *needs, size_t nr_bytes, struct reasons *reasons,
		struct gw_error *e);

#endif
