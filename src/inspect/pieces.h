/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a QEMU device's state is: pieces of files, those of the main channel in their order, those of multifd channels
 * by their index, which is the order in which they go into the device, whatever channel they came on.
 */
#ifndef INSPECT_PIECES_H
#define INSPECT_PIECES_H

#include <godwit/inspect.h>
#include <stdbool.h>
#include <stddef.h>

struct piece {
	uint64_t offset; /* of its first byte, from where the file was read */
	uint64_t nr_bytes;
	uint32_t file;
	uint32_t index; /* multifd: the buffer's */
	bool is_stop_copy, initial_end;
};

struct pieces {
	struct piece *list;
	uint32_t nr, room;
};

/* A device of a QEMU stream, and where its state is. */
struct vfio_state {
	struct vfio_state *next;
	struct gw_inspected_device *device;
	struct pieces main, channels;
	bool ended;            /* main channel: its END section came whole */
	bool has_config;       /* in the main channel, or as a buffer */
	bool config_is_buffer; /* a multifd packet, with config_index after that of the last data */
	uint32_t config_index;
};

/* 0, -ENOMEM, -E2BIG: more than a reader takes. */
int pieces_add(struct pieces *pieces, const struct piece *piece);

/*
 * Puts the pieces in the order of their index and looks whether they are 0, 1, 2, ... and the config the last: returns
 * the first index that is missing or came twice, or UINT32_MAX: all are there.
 */
uint32_t pieces_order(struct vfio_state *state);

void vfio_states_free(struct vfio_state *states); /* what they point to; they themselves are in an arena */

#endif
