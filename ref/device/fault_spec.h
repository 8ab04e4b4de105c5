/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A fault as text:
 *
 *   POINT[:ARG[:ARG]]=ACTION[:VALUE][,times=N][,after=N][,at=BYTES][,size=BYTES][,errno=NAME]
 *
 * The tables in fault_spec.c are the grammar: points with the kinds of their arguments, actions with the kind of their
 * value and the points at which they mean something. man/godwit-device.1.scd tells it to people. Pure.
 */
#ifndef REF_DEVICE_FAULT_SPEC_H
#define REF_DEVICE_FAULT_SPEC_H

#include "ref/device/fault.h"

/* 0; or -EINVAL with a sentence that says what is wrong and what could stand there. */
int ref_fault_spec_parse(const char *text, struct fault *fault, char *error, size_t error_bytes);

/* Whether this argument of a point is a word: then fault_arg.value has a bit for each value that it means. */
bool ref_fault_spec_is_word(enum fault_point point, unsigned arg);

const char *ref_fault_state_name(uint32_t state); /* "?": none */

/* Whether an action strikes at one byte, and not from there on. */
bool ref_fault_spec_is_spot(enum fault_action action);

#endif
