/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzz target over the files of a corpus, so that what a fuzzer once found is a test under any compiler.
 * Each file is an input, whole and cut short in the middle. Arguments: folders of files.
 */
#include "fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INPUT_BYTES (1u << 20)

/* In a buffer of its exact size: a read past the end shows under a sanitizer. */
static void run_input(const uint8_t *bytes, size_t size)
{
	uint8_t *input = malloc(size ? size : 1);

	if (size)
		memcpy(input, bytes, size);
	LLVMFuzzerTestOneInput(input, size);
	free(input);
}

static int run_file(const char *path)
{
	static uint8_t bytes[MAX_INPUT_BYTES];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		perror(path);
		return -1;
	}
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	run_input(bytes, size);
	run_input(bytes, size / 2);
	return 0;
}

/* How many files, or -1. */
static int run_folder(const char *folder)
{
	struct dirent *entry;
	DIR *dir = opendir(folder);
	int nr = 0;

	if (!dir) {
		perror(folder);
		return -1;
	}
	while (nr >= 0 && (entry = readdir(dir))) {
		char path[PATH_MAX];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		nr = run_file(path) ? -1 : nr + 1;
	}
	closedir(dir);
	return nr;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int nr = run_folder(argv[i]);

		if (nr <= 0) {
			fprintf(stderr, "%s: no corpus\n", argv[i]);
			return 1;
		}
		printf("%s: %d inputs\n", argv[i], nr);
	}
	return argc < 2;
}
