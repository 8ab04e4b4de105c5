/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading JSON that came from a VM (what is absent or of another type reads as zero or ""), and printing a document
 * for the user. Shapes: doc/json.md.
 */
#ifndef TOOL_JSON_H
#define TOOL_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static inline double json_ms(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static inline uint64_t json_u64(const json_t *object, const char *key)
{
	double value = json_number_value(json_object_get(object, key));

	return value > 0 && value < 18e18 ? (uint64_t)value : 0;
}

static inline const char *json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static inline bool json_true_at(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static inline bool json_has(const json_t *object, const char *key)
{
	return json_object_get(object, key) != NULL;
}

/* Some are null as long as they are not known. */
static inline bool json_has_number(const json_t *object, const char *key)
{
	return json_is_number(json_object_get(object, key));
}

/* A list of texts has this one. */
static inline bool json_names(const json_t *list, const char *name)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *text = json_string_value(item);

		if (text && !strcmp(text, name))
			return true;
	}
	return false;
}

/* One document on stdout. main checks that it could be written. */
static inline void json_print(const json_t *document)
{
	json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	putchar('\n');
}

#endif
