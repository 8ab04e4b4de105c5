/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole reads and writes of an image's file descriptor. Where that is a pipe or a socket nothing blocks for longer than
 * a tenth of a second without tick being asked, so that whoever waits can be told to stop. The fd is borrowed and its
 * flags are left alone: others may share it.
 */
#ifndef IMAGE_IO_H
#define IMAGE_IO_H

#include <godwit/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct image_io {
	int fd;
	bool waits;             /* a pipe, socket or terminal: its reads and writes may block */
	int (*tick)(void *ctx); /* anything but 0 ends the transfer with it; NULL: none */
	void *ctx;
};

struct image_io image_io(int fd, int (*tick)(void *ctx), void *ctx);

/* 0 or -errno. read: how many bytes there were, fewer than asked only at the end. */
ssize_t image_io_read(const struct image_io *io, void *buf, size_t size_bytes);
int image_io_write(const struct image_io *io, const void *buf, size_t size_bytes);

#endif
