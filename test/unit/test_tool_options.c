/* SPDX-License-Identifier: BSD-3-Clause */
/* Long options from a table (tool/options). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tool/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct args {
	uint64_t size, count, rate, time;
	const char *text;
	struct text_list list;
	uint32_t flag, choice;
};

static const char *const choices[] = { "tcp", "unix", NULL };

#define FIELD(field) .offset = offsetof(struct args, field)

static const struct option options[] = {
	{ .name = "size",
	  .kind = OPTION_SIZE,
	  FIELD(size),
	  .value = "SIZE",
	  .standard = "64M",
	  .min = 4096,
	  .help = "s" },
	{ .name = "count", .kind = OPTION_COUNT, FIELD(count), .value = "N", .max = 32, .help = "how many" },
	{ .name = "rate", .kind = OPTION_RATE, FIELD(rate), .value = "RATE", .help = "how fast" },
	{ .name = "time", .kind = OPTION_DURATION, FIELD(time), .value = "TIME", .standard = "300ms", .help = "t" },
	{ .name = "text", .kind = OPTION_TEXT, FIELD(text), .value = "TEXT", .help = "what" },
	{ .name = "list", .kind = OPTION_LIST, FIELD(list), .value = "ITEM", .help = "several" },
	{ .name = "flag", .kind = OPTION_FLAG, FIELD(flag), .help = "on" },
	{ .name = "choice",
	  .kind = OPTION_CHOICE,
	  FIELD(choice),
	  .value = "KIND",
	  .choices = choices,
	  .help = "which" },
	{ .name = NULL },
};

static const struct option needs_text[] = {
	{ .name = "text", .kind = OPTION_TEXT, .required = 1, FIELD(text), .value = "TEXT", .help = "what" },
	{ .name = NULL },
};

#define MAX_WORDS_IN_CASE 8

static int parse(const struct option *table, const char *const *line, struct args *args, struct words *words,
		 struct gw_error *e)
{
	char *argv[MAX_WORDS_IN_CASE + 1] = { NULL };
	int argc = 0;

	for (; line[argc]; argc++)
		argv[argc] = (char *)line[argc];
	memset(args, 0, sizeof(*args));
	memset(words, 0, sizeof(*words));
	memset(e, 0, sizeof(*e));
	return options_parse(table, argc, argv, args, words, e);
}

static void test_defaults(void **state)
{
	static const char *const line[] = { NULL };
	struct gw_error e;
	struct words words;
	struct args args;

	assert_int_equal(parse(options, line, &args, &words, &e), 0);
	assert_int_equal(args.size, 64 << 20);
	assert_int_equal(args.time, 300000000);
	assert_int_equal(args.count, 0);
	assert_null(args.text);
	assert_int_equal(words.nr, 0);
}

static void test_values(void **state)
{
	static const char *const first[] = {
		"--size", "1G", "word", "--count=32", "--flag", "--rate=5M/s", "more", NULL
	};
	static const char *const second[] = { "--text=",       "--list", "a",      "--list=b",
					      "--choice=unix", "--",     "--flag", NULL };
	struct gw_error e;
	struct words words;
	struct args args;

	assert_int_equal(parse(options, first, &args, &words, &e), 0);
	assert_int_equal(args.size, 1 << 30);
	assert_int_equal(args.count, 32);
	assert_int_equal(args.flag, 1);
	assert_int_equal(args.rate, 5 << 20);
	assert_int_equal(words.nr, 2);
	assert_string_equal(words.items[0], "word");
	assert_string_equal(words.items[1], "more");

	assert_int_equal(parse(options, second, &args, &words, &e), 0);
	assert_string_equal(args.text, "");
	assert_int_equal(args.list.nr, 2);
	assert_string_equal(args.list.items[1], "b");
	assert_int_equal(args.choice, 1);
	assert_int_equal(args.flag, 0);
	assert_string_equal(words.items[0], "--flag");
}

static const struct bad_case {
	const char *line[4];
	const char *sentence;
} bad_cases[] = {
	{ { "--size", "64MB" }, "--size takes a size such as 64M or 1G, not \"64MB\"" },
	{ { "--size=100" }, "--size 100 is too small: at least 4.00 KiB" },
	{ { "--count", "33" }, "--count 33 is too large: at most 32" },
	{ { "--count", "many" }, "--count takes a whole number, not \"many\"" },
	{ { "--rate=fast" }, "--rate takes a rate such as 200M (a second), not \"fast\"" },
	{ { "--time=300" }, "--time takes a duration such as 300ms or 2s, not \"300\"" },
	{ { "--choice=udp" }, "--choice is one of tcp, unix, not \"udp\"" },
	{ { "--flag=yes" }, "--flag takes no value" },
	{ { "--text" }, "--text needs a value (TEXT)" },
	{ { "--siz", "1M" }, "there is no option --siz here" },
	{ { "--sizes=1M" }, "there is no option --sizes here" },
	{ { "-x" }, "there is no option -x here" },
};

static void test_bad_values(void **state)
{
	struct gw_error e;
	struct words words;
	struct args args;

	for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
		assert_int_equal(parse(options, bad_cases[i].line, &args, &words, &e), -EINVAL);
		assert_string_equal(e.what, bad_cases[i].sentence);
	}
}

static void test_required(void **state)
{
	static const char *const without[] = { "word", "--", "--text", NULL };
	static const char *const with[] = { "--text", "x", NULL };
	struct gw_error e;
	struct words words;
	struct args args;

	assert_int_equal(parse(needs_text, without, &args, &words, &e), -EINVAL);
	assert_string_equal(e.what, "--text TEXT is missing");
	assert_int_equal(parse(needs_text, with, &args, &words, &e), 0);
}

static void test_help(void **state)
{
	static const char *const asked[] = { "word", "--help", NULL };
	static const char *const not_asked[] = { "--", "--help", NULL };
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	struct gw_error e;
	struct words words;
	struct args args;

	assert_int_equal(parse(needs_text, asked, &args, &words, &e), OPTIONS_HELP);
	assert_int_equal(parse(options, not_asked, &args, &words, &e), 0);
	options_help(options, out);
	fclose(out);
	assert_non_null(strstr(text, "--size SIZE"));
	assert_non_null(strstr(text, "(default 64M)"));
	assert_non_null(strstr(text, "which: tcp, unix\n"));
	free(text);
}

static void test_too_many(void **state)
{
	char *argv[TEXT_LIST_MAX + 2] = { NULL };
	struct gw_error e = GW_ERROR_NONE;
	struct words words = { .nr = 0 };
	struct args args = { 0 };

	for (int i = 0; i <= WORDS_MAX; i++)
		argv[i] = "word";
	assert_int_equal(options_parse(options, WORDS_MAX + 1, argv, &args, &words, &e), -EINVAL);
	for (int i = 0; i <= TEXT_LIST_MAX; i++)
		argv[i] = "--list=x";
	assert_int_equal(options_parse(options, TEXT_LIST_MAX + 1, argv, &args, &words, &e), -EINVAL);
	assert_int_equal(args.list.nr, TEXT_LIST_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults), cmocka_unit_test(test_values), cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_required), cmocka_unit_test(test_help),   cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests_name("tool_options", tests, NULL, NULL);
}
