/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What inspect takes from a file at most. Beyond a bound the file counts as damaged: nothing that is real comes near
 * one, and nothing that is false can make a reader grow without end.
 */
#ifndef INSPECT_BOUNDS_H
#define INSPECT_BOUNDS_H

#include "base/bits.h"

#define BOUND_SECTIONS          4096u
#define BOUND_RAM_BLOCKS        1024u
#define BOUND_DEVICES           256u
#define BOUND_CAPABILITIES      256u
#define BOUND_COUNTS            64u         /* kinds of frames or commands in a channel */
#define BOUND_DESCRIBED         8192u       /* sections in a description */
#define BOUND_DESCRIPTION_BYTES (4 * MIB)   /* of its text */
#define BOUND_PIECES            (1u << 22)  /* of a device's state, all over the files */
#define BOUND_PCI_STATE_BYTES   (256 * KIB) /* of a VFIO device's config section */
#define BOUND_PACKET_PAGES      (1u << 16)  /* of a multifd packet */

#endif
