/* SPDX-License-Identifier: BSD-3-Clause */
/* See sysfs_file.h. */
#include "sysfs_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool join(char path[PATH_MAX], const char *folder, const char *name)
{
	return snprintf(path, PATH_MAX, "%s/%s", folder, name) < PATH_MAX;
}

struct sysfs_text sysfs_read(const char *folder, const char *file)
{
	struct sysfs_text text = { .s = "" };
	char path[PATH_MAX];
	ssize_t n = -1;
	int fd = join(path, folder, file) ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return text;
	do {
		n = read(fd, text.s, sizeof(text.s) - 1);
	} while (n < 0 && errno == EINTR);
	close(fd);
	text.s[n < 0 ? 0 : n] = 0;
	text.s[strcspn(text.s, "\n")] = 0;
	return text;
}

struct sysfs_text sysfs_link(const char *folder, const char *link)
{
	struct sysfs_text text = { .s = "" };
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t n = join(path, folder, link) ? readlink(path, target, sizeof(target) - 1) : -1;

	if (n < 0)
		return text;
	target[n] = 0;
	slash = strrchr(target, '/');
	snprintf(text.s, sizeof(text.s), "%.*s", (int)sizeof(text.s) - 1, slash ? slash + 1 : target);
	return text;
}

bool sysfs_has(const char *folder, const char *name)
{
	char path[PATH_MAX];

	return join(path, folder, name) && !access(path, F_OK);
}

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

void sysfs_each(const char *folder, void (*each)(void *ctx, const char *folder, const char *name), void *ctx)
{
	struct dirent **entries;
	int nr = scandir(folder, &entries, is_entry, by_name);

	for (int i = 0; i < nr; i++) {
		each(ctx, folder, entries[i]->d_name);
		free(entries[i]);
	}
	if (nr >= 0)
		free(entries);
}
