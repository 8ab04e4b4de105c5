/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the uAPI says of device states (linux/vfio.h, "The device migration Finite State Machine"), as the suite reads
 * it: which there are, the arcs between them and the way that a combined transition takes. It shares nothing with the
 * tables of the library and of the reference device, so that one misreading is not made thrice. Pure functions.
 */
#ifndef TOOL_CHECK_STATE_TABLE_H
#define TOOL_CHECK_STATE_TABLE_H

#include <godwit/device.h>
#include <stdbool.h>
#include <stdint.h>

/* flags: GW_MIGRATION_*, as the device reports them. state: any number. */
bool state_exists(uint32_t state, uint32_t flags); /* can be asked for: not ERROR */
bool state_saves(uint32_t state);                  /* of the saving group */
bool state_precopies(uint32_t state);

/*
 * The states after `from` on the way to `to`, `to` included: how many, 0 if there is no way. One state is an arc; none
 * of them is `from`.
 */
unsigned state_path(uint32_t from, uint32_t to, uint32_t flags, uint32_t path[GW_NR_STATES]);

/* The sentence about an arc, and of combined transitions. */
const char *state_arc_source(uint32_t from, uint32_t to);

#endif
