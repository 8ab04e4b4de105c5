/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The picture of the layers cannot lie: every include of the tree is judged by src/layers. And the judge is judged
 * first, by small made-up trees, each with one include that must or must not be found wanting. The tree's root is
 * argv[1], else $GODWIT_SOURCE_ROOT.
 */
#include "include_rules.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *source_root;

static void write_file(const char *root, const char *path, const char *text)
{
	char full[PATH_MAX];
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		mkdir(full, 0700);
		*slash = '/';
	}
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static const struct made_up {
	const char *file, *line;
	const char *complaint; /* NULL: none */
} made_up[] = {
	{ "src/top/a.c", "#include \"base/b.h\"\n", NULL },
	{ "src/top/a.c", "#include \"left/l.h\"\n", NULL },
	{ "src/left/a.c", "#include \"left/l.h\"\n", NULL },
	{ "src/left/a.c", "#include <stdio.h>\n", NULL },
	{ "src/left/a.c", "/* #include \"top/t.h\" */\n", NULL },
	{ "src/all.c", "#include \"top/t.h\"\n", NULL },
	{ "tool/a.c", "#include \"own.h\"\n", NULL },
	{ "tool/a.c", "#include <godwit/godwit.h>\n", NULL },
	{ "tool/a.c", "#include \"tool/own.h\"\n", NULL },
	{ "tool/a.c", "#include \"ref/vm/ref_vm.h\"\n", NULL },
	{ "ref/guest/a.c", "#include \"ref/device_registers.h\"\n", NULL },
	{ "ref/vm/a.c", "#include \"ref/base/bus.h\"\n", NULL },
	{ "ref/vm/a.c", "#include \"ref/vm/b.h\"\n", NULL },

	{ "src/base/a.c", "#include \"top/t.h\"\n", "src/base/a.c: include of top/t.h: points up" },
	{ "src/left/a.h", "  #  include \"top/t.h\"\n", "points up" },
	{ "src/left/a.c", "#include \"right/r.h\"\n", "points sideways" },
	{ "src/left/a.c", "#include \"l.h\"\n", "FOLDER/FILE" },
	{ "src/left/a.c", "#include \"none/l.h\"\n", "FOLDER/FILE" },
	{ "src/left/a.c", "#include <top/t.h>\n", "in quotes" },
	{ "src/none/a.c", "#include \"base/b.h\"\n", "src/layers does not have" },
	{ "src/left/deep/a.c", "#include \"top/t.h\"\n", "points up" },
	{ "tool/a.c", "#include \"base/b.h\"\n", "own folder" },
	{ "tool/a.c", "#include \"tool/../src/base/b.h\"\n", "by way of .." },
	{ "tool/a.c", "#include <base/b.h>\n", "reaches into src/" },
	{ "ref/vm/a.c", "#include \"left/l.h\"\n", "own folder" },
	{ "ref/vm/a.c", "#include \"ref/device/device.h\"\n", "own folder" },
	{ "ref/board/a.c", "#include \"ref/vm/machine.h\"\n", "own folder" },
	{ "tool/a.c", "#include \"ref/guest/guest.h\"\n", "own folder" },
	{ "ref/device/a.c", "#include \"left/l.h\"\n", "own folder" },
	{ "include/godwit/a.h", "#include \"base/b.h\"\n", "public header" },
};

/* A sound tree, and the one file more. */
static void make_tree(char root[PATH_MAX], const struct made_up *m)
{
	snprintf(root, PATH_MAX, "%s/godwit-layers-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(root));
	write_file(root, "src/layers", "base\nleft right\ntop\n");
	write_file(root, "src/base/b.h", "#include <stdio.h>\n");
	write_file(root, "src/left/l.h", "#include \"base/b.h\"\n");
	write_file(root, "src/right/r.h", "#include \"base/b.h\"\n");
	write_file(root, "src/top/t.h", "#include \"left/l.h\"\n#include \"right/r.h\"\n");
	write_file(root, "tool/own.h", "#include <godwit/godwit.h>\n");
	write_file(root, m->file, m->line);
}

static void remove_tree(const char *root)
{
	char command[PATH_MAX + 16];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	assert_int_equal(system(command), 0);
}

static void test_the_judge(void **state)
{
	for (size_t i = 0; i < sizeof(made_up) / sizeof(made_up[0]); i++) {
		const struct made_up *m = &made_up[i];
		char root[PATH_MAX], complaints[2048] = { 0 };
		FILE *out = fmemopen(complaints, sizeof(complaints), "w");
		unsigned nr;

		make_tree(root, m);
		nr = include_rules_check(root, out);
		fclose(out);
		remove_tree(root);
		if (nr != (m->complaint ? 1 : 0) || (m->complaint && !strstr(complaints, m->complaint)))
			fail_msg("tree %zu: %u complaints: %s", i, nr, complaints);
	}
}

static void test_no_layers_is_a_complaint(void **state)
{
	FILE *out = fopen("/dev/null", "w");

	assert_int_equal(include_rules_check("/nonexistent", out), 1);
	fclose(out);
}

static void test_the_tree(void **state)
{
	if (!source_root)
		skip(); /* neither argv[1] nor GODWIT_SOURCE_ROOT says where the tree is */
	assert_int_equal(include_rules_check(source_root, stderr), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_judge),
		cmocka_unit_test(test_no_layers_is_a_complaint),
		cmocka_unit_test(test_the_tree),
	};

	source_root = argc > 1 ? argv[1] : getenv("GODWIT_SOURCE_ROOT");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
