/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An inspection as its owner sees it: the public tree, the memory it is made of, the files, and, beside the tree, where
 * in the files the pieces of each QEMU device's state are.
 */
#ifndef INSPECT_INSPECTOR_H
#define INSPECT_INSPECTOR_H

#include "inspect/arena.h"
#include "inspect/pieces.h"

#include <stdbool.h>

struct inspected_source {
	int fd;
	bool seekable;
	uint64_t start; /* where in the file the inspection began */
};

struct inspector {
	struct gw_inspection result; /* first: one is cast to the other */
	struct arena arena;
	struct gw_inspected_image *image;
	struct gw_inspected_record *record;
	struct gw_inspected_qemu *qemu;
	struct vfio_state *states; /* of the devices of a QEMU stream */
	struct inspected_source *sources;
	uint32_t nr_sources;
};

#endif
