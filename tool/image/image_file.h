/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file that an image is saved to. A regular one is written as FILE.part and gets its name when it is whole and on
 * the disk, so that FILE is either what it was or a whole image. What is no regular file (a named pipe, /dev/stdout)
 * is written as it is, "-" is stdout.
 */
#ifndef TOOL_IMAGE_FILE_H
#define TOOL_IMAGE_FILE_H

#include <godwit/error.h>
#include <stdint.h>

struct image_file {
	const char *path;
	char *part;  /* the name until it is whole; NULL: it has none of its own */
	char *place; /* and the name then: path, without links */
	int fd;
};

/* -EBUSY: somebody else saves to the same file. -EINVAL: "-" and stdout is a terminal. */
int image_file_open(struct image_file *file, const char *path, struct gw_error *e);

/* How much may be written to it; UINT64_MAX: not known. */
uint64_t image_file_room(const struct image_file *file);

/* It is whole: to the disk with it, and under its name. Failed: whatever was there before is there still. */
int image_file_keep(struct image_file *file, struct gw_error *e);

/* Closes it; what was not kept is removed. Any number of times after open, failed or not. */
void image_file_close(struct image_file *file);

/* Opens one to be read. The descriptor, or -errno. -EINVAL: "-" and stdin is a terminal. */
int image_file_read(const char *path, struct gw_error *e);

#endif
