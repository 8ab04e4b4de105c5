/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QEMU's description of a stream: a JSON text after its end, that lists each device's fields with their sizes. From
 * them follows how long the payload of a section is, which its framing does not say: the sum of size × array_len, and
 * for each subsection its header and, again, its fields. (As found in captured streams; the size of a struct is that of
 * all in it.)
 */
#ifndef INSPECT_QEMU_DESCRIPTION_H
#define INSPECT_QEMU_DESCRIPTION_H

#include <stddef.h>
#include <stdint.h>

struct description;
struct input;

/* NULL: no such text, or no memory. */
struct description *description_parse(const void *text, size_t nr_bytes);
void description_free(struct description *description); /* NULL is fine */

/*
 * Looks for one at the end of a seekable input, whose place is the same afterwards; NULL: none was found. The text is
 * the last thing in a file, after the byte of its type and its length.
 */
struct description *description_at_end(const struct input *in);

uint32_t description_page_bytes(const struct description *description); /* the target's; 0: not told */
/* Of the section's payload; UINT64_MAX: it says nothing of this one. */
uint64_t description_bytes(const struct description *description, const char *name, uint32_t instance);

#endif
