/* SPDX-License-Identifier: BSD-3-Clause */
/* A file that becomes part of guest RAM: kernel, initrd. Errors are one sentence with its path. */
#ifndef REF_BOARD_BOOT_FILE_H
#define REF_BOARD_BOOT_FILE_H

#include <godwit/error.h>
#include <stdint.h>

struct boot_file {
	const char *what; /* "kernel", "initrd" */
	const char *path; /* borrowed */
	int fd;
	uint64_t size_bytes;
};

/* A regular file that is not empty; on failure nothing is left. */
int boot_file_open(struct boot_file *file, const char *what, const char *path, struct gw_error *e);
void boot_file_close(struct boot_file *file);

/* All of it: -EIO if the file has become shorter. */
int boot_file_read(const struct boot_file *file, uint64_t at, void *to, uint64_t size_bytes, struct gw_error *e);

#endif
