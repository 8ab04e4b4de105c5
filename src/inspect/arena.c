/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory given back at once: every piece knows the one before it. */
#include "inspect/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct arena_piece {
	struct arena_piece *before;
	alignas(max_align_t) unsigned char bytes[];
};

void *arena_zalloc(struct arena *arena, size_t size_bytes)
{
	struct arena_piece *piece = calloc(1, sizeof(*piece) + size_bytes);

	if (!piece)
		return NULL;
	piece->before = arena->last;
	arena->last = piece;
	return piece->bytes;
}

char *arena_text(struct arena *arena, const char *text)
{
	size_t nr_bytes = strlen(text) + 1;
	char *copy = arena_zalloc(arena, nr_bytes);

	if (copy)
		memcpy(copy, text, nr_bytes);
	return copy;
}

void arena_free(struct arena *arena)
{
	while (arena->last) {
		struct arena_piece *piece = arena->last;

		arena->last = piece->before;
		free(piece);
	}
}
