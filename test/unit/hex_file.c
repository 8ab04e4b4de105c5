/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads hex text line by line. */
#include "hex_file.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The bytes of a line, added to buf. */
static int read_line(char *line, uint8_t *buf, size_t size_bytes, size_t *used)
{
	char *rest = line, *word;

	line[strcspn(line, "#")] = 0;
	while ((word = strtok_r(rest, " \t\n", &rest))) {
		if (!isxdigit((unsigned char)word[0]) || !isxdigit((unsigned char)word[1]) || word[2])
			return -EBADMSG;
		if (*used == size_bytes)
			return -EMSGSIZE;
		buf[(*used)++] = (uint8_t)strtoul(word, NULL, 16);
	}
	return 0;
}

ssize_t hex_file_read(const char *root, const char *path, uint8_t *buf, size_t size_bytes)
{
	char full[PATH_MAX], line[256];
	size_t used = 0;
	FILE *file;
	int ret = 0;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	file = fopen(full, "r");
	if (!file)
		return -errno;
	while (!ret && fgets(line, sizeof(line), file))
		ret = read_line(line, buf, size_bytes, &used);
	fclose(file);
	return ret ? ret : (ssize_t)used;
}
