/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzz target without libFuzzer, under any compiler: first over the files of a corpus, each whole and cut short
 * in the middle, so that what a fuzzer once found is a test; then over mutants of them, for FUZZ_SECONDS (2 if it is
 * not set). Arguments: folders of files. TAP on stdout.
 *
 * Mutant number n of a run is made of FUZZ_SEED + n alone. The seed, by default the time's, is printed; a run that dies
 * prints the sum: with that as FUZZ_SEED the next run begins with the mutant it died of.
 */
#include "fuzz.h"
#include "mutate.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_INPUT_BYTES (1u << 20)
#define MAX_INPUTS      4096u
#define NS_PER_S        1000000000ull

struct corpus {
	struct input list[MAX_INPUTS];
	size_t nr, max_bytes;
};

/* For a dying run's last words. */
static uint64_t mutant_at; /* 0: the corpus is on */

/* Of the sanitizers' runtime, if it is there: they end without a signal. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void say(const char *text, size_t nr_bytes)
{
	if (write(STDOUT_FILENO, text, nr_bytes) < 0)
		return; /* nobody is there to be told */
}

/* No stdio: it may be called anywhere. */
static void say_where(void)
{
	static const char text[] = "\n# died in mutant FUZZ_SEED=";
	char digits[21];
	size_t at = sizeof(digits) - 1;

	if (!mutant_at)
		return;
	digits[at] = '\n';
	for (uint64_t n = mutant_at; n; n /= 10)
		digits[--at] = (char)('0' + n % 10);
	say(text, sizeof(text) - 1);
	say(digits + at, sizeof(digits) - at);
}

static void die(int signal)
{
	say_where();
	raise(signal); /* SA_RESETHAND: now it does what it does */
}

static void watch_for_death(void)
{
	static const int signals[] = { SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGTERM };
	struct sigaction action = { .sa_handler = die, .sa_flags = (int)SA_RESETHAND };

	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(say_where);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

/* In a buffer of its exact size: a read past the end shows under a sanitizer. */
static void run_input(const uint8_t *bytes, size_t size)
{
	uint8_t *input = malloc(size ? size : 1);

	fuzz_check(input);
	if (size)
		memcpy(input, bytes, size);
	LLVMFuzzerTestOneInput(input, size);
	free(input);
}

static int read_file(struct corpus *corpus, const char *path)
{
	static uint8_t bytes[MAX_INPUT_BYTES];
	FILE *file = corpus->nr < MAX_INPUTS ? fopen(path, "rb") : NULL;
	struct input *input = &corpus->list[corpus->nr];

	if (!file) {
		perror(path);
		return -1;
	}
	input->size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	input->bytes = malloc(input->size + 1);
	fuzz_check(input->bytes);
	memcpy(input->bytes, bytes, input->size);
	if (input->size > corpus->max_bytes)
		corpus->max_bytes = input->size;
	corpus->nr++;
	return 0;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* In the order of their names, so that a seed means the same everywhere. */
static int read_folder(struct corpus *corpus, const char *folder)
{
	struct dirent **entries;
	int nr = scandir(folder, &entries, is_visible, alphasort), ret = nr < 0 ? -1 : 0;

	if (nr <= 0)
		fprintf(stderr, "%s: no corpus\n", folder);
	for (int i = 0; i < nr; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		ret |= read_file(corpus, path);
		free(entries[i]);
	}
	if (nr >= 0)
		free(entries);
	return nr > 0 ? ret : -1;
}

static void run_corpus(const struct corpus *corpus)
{
	for (size_t i = 0; i < corpus->nr; i++) {
		run_input(corpus->list[i].bytes, corpus->list[i].size);
		run_input(corpus->list[i].bytes, corpus->list[i].size / 2);
	}
	printf("# %zu inputs\nok 1 - the corpus\n", corpus->nr);
}

static void run_mutants(const struct corpus *corpus, uint64_t seed, uint64_t limit_ns)
{
	size_t room = corpus->max_bytes + MUTATE_GROWTH;
	uint64_t began_ns = now_ns(), nr = 0;
	uint8_t *mutant = malloc(room);

	fuzz_check(mutant);
	for (; now_ns() - began_ns < limit_ns; nr++) {
		mutant_at = seed + nr;
		run_input(mutant, mutate(corpus->list, corpus->nr, seed + nr, mutant, room));
	}
	mutant_at = 0;
	free(mutant);
	printf("# %" PRIu64 " executions in %.1f s\nok 2 - mutants of it\n", nr,
	       (double)(now_ns() - began_ns) / (double)NS_PER_S);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	static struct corpus corpus;
	uint64_t seed = setting("FUZZ_SEED", (uint64_t)time(NULL));
	uint64_t seconds = setting("FUZZ_SECONDS", 2);
	int ret = argc < 2;

	for (int i = 1; i < argc; i++)
		ret |= read_folder(&corpus, argv[i]);
	if (ret)
		return 1;
	watch_for_death();
	printf("1..2\n# FUZZ_SEED=%" PRIu64 " FUZZ_SECONDS=%" PRIu64 "\n", seed, seconds);
	fflush(stdout);
	run_corpus(&corpus);
	fflush(stdout);
	run_mutants(&corpus, seed, seconds * NS_PER_S);
	for (size_t i = 0; i < corpus.nr; i++)
		free(corpus.list[i].bytes);
	return 0;
}
