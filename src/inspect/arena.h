/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that is given back at once: what an inspection is made of. Zeroed when it comes; never moved. */
#ifndef INSPECT_ARENA_H
#define INSPECT_ARENA_H

#include <stddef.h>

struct arena_piece;

struct arena {
	struct arena_piece *last;
};

void *arena_zalloc(struct arena *arena, size_t size_bytes); /* NULL: no memory */
char *arena_text(struct arena *arena, const char *text);    /* a copy */
void arena_free(struct arena *arena);

/*
 * Adds a zeroed node to the end of a list of the public tree, whose links are const. NULL: no memory, or bound nodes
 * are there already.
 */
#define arena_append(arena, type, first, bound)                             \
	({                                                                  \
		const type **link_ = (first);                               \
		type *node_ = NULL;                                         \
		unsigned int nr_ = 0;                                       \
		for (; *link_; link_ = &((type *)*link_)->next)             \
			nr_++;                                              \
		if (nr_ < (bound))                                          \
			*link_ = node_ = arena_zalloc(arena, sizeof(type)); \
		node_;                                                      \
	})

#endif
