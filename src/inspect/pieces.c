/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of pieces that grow by what has come, never by what was promised. */
#include "inspect/pieces.h"

#include "inspect/bounds.h"

#include <errno.h>
#include <stdlib.h>

int pieces_add(struct pieces *pieces, const struct piece *piece)
{
	if (pieces->nr == BOUND_PIECES)
		return -E2BIG;
	if (pieces->nr == pieces->room) {
		uint32_t room = pieces->room ? 2 * pieces->room : 64;
		struct piece *list = reallocarray(pieces->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		pieces->list = list;
		pieces->room = room;
	}
	pieces->list[pieces->nr++] = *piece;
	return 0;
}

static int by_index(const void *a, const void *b)
{
	const struct piece *one = a, *other = b;

	return (one->index > other->index) - (one->index < other->index);
}

uint32_t pieces_order(struct vfio_state *state)
{
	struct pieces *pieces = &state->channels;

	if (pieces->nr)
		qsort(pieces->list, pieces->nr, sizeof(*pieces->list), by_index);
	for (uint32_t i = 0; i < pieces->nr; i++)
		if (pieces->list[i].index != i)
			return pieces->list[i].index > i ? i : pieces->list[i].index;
	if (state->config_is_buffer && state->config_index != pieces->nr)
		return pieces->nr;
	return UINT32_MAX;
}

void vfio_states_free(struct vfio_state *states)
{
	for (; states; states = states->next) {
		free(states->main.list);
		free(states->channels.list);
	}
}
