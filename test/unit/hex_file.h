/* SPDX-License-Identifier: BSD-3-Clause */
/* Golden bytes: a text of hex bytes with white space between them and comments from '#' to the line's end. */
#ifndef TEST_HEX_FILE_H
#define TEST_HEX_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads root/path into buf. How many bytes, or -errno: -EBADMSG for a text that is not hex, -EMSGSIZE for too long. */
ssize_t hex_file_read(const char *root, const char *path, uint8_t *buf, size_t size_bytes);

#endif
