/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sections of a QEMU stream: header, payload, footer. The payload of one whose content is not known is measured: by the
 * description, if it is at hand and a footer stands where it says; else by looking for the footer, with its section's
 * id, and something behind it that may follow a section. Without footers and description it cannot be told where
 * such a section ends, and that is said.
 */
#ifndef INSPECT_QEMU_SECTION_H
#define INSPECT_QEMU_SECTION_H

#include "inspect/qemu.h"

#include <stdbool.h>

/* After the element's type was taken. 0 or as a reader (inspect/reading.h). */
int qemu_section_read(struct qemu *q, enum qemu_element element);

/* May what follows here come after a section (or after the file's end)? */
bool qemu_section_may_follow(const struct qemu *q, const uint8_t *bytes, size_t nr_bytes);

/* Is the section's footer here, with what may follow one? Needs QEMU_SECTION_LOOK bytes to be sure. */
#define QEMU_SECTION_LOOK 288u
bool qemu_section_footer_at(const struct qemu *q, const uint8_t *bytes, size_t nr_bytes);

#endif
