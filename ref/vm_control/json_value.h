/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers and errors in the shapes of doc/json.md. Out of memory, jansson gives NULL and ignores NULL: an object is
 * smaller then, and nothing else goes wrong.
 */
#ifndef REF_VM_JSON_VALUE_H
#define REF_VM_JSON_VALUE_H

#include <godwit/godwit.h>
#include <jansson.h>

/* Sets key to a number; times as milliseconds with three decimals. */
void json_value_count(json_t *object, const char *key, uint64_t count);
void json_value_ms(json_t *object, const char *key, uint64_t ns);

/* The same, but UINT64_MAX means "not known" and becomes null. */
void json_value_ms_or_null(json_t *object, const char *key, uint64_t ns);

/* The same, but 0 means "not measured" and is left out. */
void json_value_known_count(json_t *object, const char *key, uint64_t count);
void json_value_known_ms(json_t *object, const char *key, uint64_t ns);

/* { "code", "where", "what" } */
json_t *json_value_error(const struct gw_error *error);

#endif
