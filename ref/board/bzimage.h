/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A Linux kernel as the kernel's build leaves it: the setup header, real-mode code that is not used here, and the
 * protected-mode code, which unpacks itself. The Linux/x86 Boot Protocol (Documentation/arch/x86/boot.rst), 2.10 and
 * up (Linux 2.6.31): before that a kernel does not say how much memory it needs.
 */
#ifndef REF_BOARD_BZIMAGE_H
#define REF_BOARD_BZIMAGE_H

#include "ref/board/boot_file.h"

#include <asm/bootparam.h>
#include <stddef.h>

/* The header is at the same place in the file and in boot_params, and what follows it there is another's. */
#define BZIMAGE_HEADER_AT        offsetof(struct boot_params, hdr)
#define BZIMAGE_MAX_HEADER_BYTES (offsetof(struct boot_params, edd_mbr_sig_buffer) - BZIMAGE_HEADER_AT)

/* All but the file was looked at when open returns: sums of these do not overflow. */
struct bzimage {
	struct boot_file file;
	union {
		struct setup_header header; /* of an older kernel shorter: zeroes */
		uint8_t header_bytes[BZIMAGE_MAX_HEADER_BYTES];
	};
	uint64_t code_at; /* in the file */
	uint64_t code_bytes;
	uint64_t load_gpa; /* the entry as well */
	uint64_t run_gpa;  /* where it unpacks itself to */
	uint64_t end_gpa;  /* of the memory it needs before it looks at its memory map */
};

int bzimage_open(struct bzimage *image, const char *path, struct gw_error *e);
void bzimage_close(struct bzimage *image);

#endif
