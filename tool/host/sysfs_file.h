/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small texts of sysfs and procfs. What cannot be read is "": a file that this kernel or this driver does not have is
 * the usual case, and for the caller to speak of.
 */
#ifndef TOOL_SYSFS_FILE_H
#define TOOL_SYSFS_FILE_H

#include <stdbool.h>

/* By value, to stand in an expression. A longer text is cut. */
struct sysfs_text {
	char s[256];
};

/* The file's first line. */
struct sysfs_text sysfs_read(const char *folder, const char *file);
/* The name of what a link leads to. */
struct sysfs_text sysfs_link(const char *folder, const char *link);
bool sysfs_has(const char *folder, const char *name);

/* Each entry of a folder but "." and "..", in the order of their names; none if there is no folder. */
void sysfs_each(const char *folder, void (*each)(void *ctx, const char *folder, const char *name), void *ctx);

#endif
