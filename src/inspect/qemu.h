/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A QEMU main channel while it is read: what its parts share. The framing does not say how long a section's payload is,
 * so each kind has a reader that knows its content (qemu_ram, qemu_vfio), and the others are measured by the
 * description at the stream's end or by their footer (qemu_section).
 */
#ifndef INSPECT_QEMU_H
#define INSPECT_QEMU_H

#include "inspect/qemu_description.h"
#include "inspect/reading.h"

enum qemu_element {
	QEMU_EOF = 0,
	QEMU_SECTION_START = 1,
	QEMU_SECTION_PART = 2,
	QEMU_SECTION_END = 3,
	QEMU_SECTION_FULL = 4,
	QEMU_SUBSECTION = 5,
	QEMU_DESCRIPTION = 6,
	QEMU_CONFIGURATION = 7,
	QEMU_COMMAND = 8,
	QEMU_FOOTER = 0x7e,
};

#define QEMU_MAGIC         0x5145564du /* "QEVM" */
#define QEMU_MULTIFD_MAGIC 0x11223344u
#define QEMU_VERSION       3u
#define QEMU_FOOTER_BYTES  5u
#define QEMU_PAGE_BYTES    4096u /* unless the stream says otherwise */
#define QEMU_NR_COMMANDS   12u

enum qemu_footers { FOOTERS_UNKNOWN, FOOTERS_NONE, FOOTERS_THERE };

struct qemu {
	struct reading *r;
	struct gw_inspected_qemu *told;
	struct description *description; /* read ahead from a seekable file's end; NULL: not known */
	enum qemu_footers footers;
	struct gw_inspected_section *section; /* that is being read */
	struct gw_inspected_ram *block;       /* of the last page */
	bool ignore_shared, mapped_ram, postcopy;
};

/* The main channel, from its magic to the end of the file. */
int qemu_stream_read(struct reading *r);

/* A multifd channel, likewise. */
int qemu_multifd_read(struct reading *r);

/* What a section holds between its header and its footer. element: START, PART, END or FULL. */
int qemu_ram_read(struct qemu *q, enum qemu_element element);
int qemu_vfio_read(struct qemu *q, enum qemu_element element);

#endif
