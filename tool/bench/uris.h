/* SPDX-License-Identifier: BSD-3-Clause */
/* The devices of a command line: each can be opened once, and a second time would wait for the first to end. */
#ifndef TOOL_BENCH_URIS_H
#define TOOL_BENCH_URIS_H

#include "tool/options.h"

#include <string.h>

/* One that is there twice, in words, in the list or in both; NULL: none is. */
static inline const char *uris_twice(const struct words *words, const struct text_list *list)
{
	const char *uris[WORDS_MAX + TEXT_LIST_MAX];
	unsigned int nr = 0;

	for (unsigned int i = 0; i < words->nr; i++)
		uris[nr++] = words->items[i];
	for (unsigned int i = 0; i < list->nr; i++)
		uris[nr++] = list->items[i];
	for (unsigned int i = 0; i < nr; i++)
		for (unsigned int j = 0; j < i; j++)
			if (!strcmp(uris[i], uris[j]))
				return uris[i];
	return NULL;
}

#endif
