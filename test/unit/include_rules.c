/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads #include lines and judges them by src/layers and by the kind of folder they are in. */
#include "include_rules.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FOLDERS 32
#define NAME_BYTES  64
#define NO_LINE     (-1)

struct tree {
	const char *root;
	FILE *out;
	unsigned nr_broken;
	unsigned nr_folders;
	struct {
		char name[NAME_BYTES];
		int line; /* of src/layers: includes point to a smaller one */
	} folders[MAX_FOLDERS];
};

#define MAX_FACES 8

/* Where an include stands, and what it names. */
struct include {
	const struct area *area;
	const char *path;   /* of its folder, from the root: "src/wire", "tool" */
	const char *folder; /* the area's first folder on that path: "wire"; "" for a file of the area itself */
	const char *file;   /* path from the root */
	const char *target; /* between the quotes or angle brackets */
	bool quoted;
};

typedef const char *rule_fn(const struct tree *tree, const struct include *i);

static rule_fn src_rule, program_rule, public_rule;

static const struct area {
	const char *path;
	rule_fn *rule;
	const char *faces[MAX_FACES]; /* headers of others that it may see; a folder's, if it ends in a slash */
} areas[] = {
	{ "src", src_rule, { 0 } },
	{ "include/godwit", public_rule, { 0 } },
	{ "tool", program_rule, { "ref/device/ref_device.h", "ref/vm/ref_vm.h", "ref/device_registers.h" } },
	{ "ref/base", program_rule, { 0 } },
	{ "ref/guest",
	  program_rule,
	  { "ref/base/", "ref/vm/executor.h", "ref/vm/ref_vm.h", "ref/board/board.h", "ref/device_registers.h" } },
	{ "ref/kvm", program_rule, { "ref/base/", "ref/vm/ref_vm.h" } },
	{ "ref/board", program_rule, { "ref/base/", "ref/kvm/kvm_vm.h", "ref/guest/bare_guest.h", "ref/vm/ref_vm.h" } },
	{ "ref/vm_control",
	  program_rule,
	  { "ref/base/", "ref/control/line_client.h", "ref/vm/machine.h", "ref/vm/vm_migration.h",
	    "ref/vm/ref_vm.h" } },
	{ "ref/vm",
	  program_rule,
	  { "ref/base/", "ref/kvm/", "ref/board/board.h", "ref/board/boot.h", "ref/guest/bare_guest.h",
	    "ref/vm_control/control.h" } },
	{ "ref/device", program_rule, { "ref/device_registers.h", "ref/control/line_client.h" } },
	{ "ref/control", program_rule, { 0 } },
};

static void read_layers(struct tree *tree)
{
	char path[PATH_MAX], line[1024];
	FILE *file;
	int nr = 0;

	snprintf(path, sizeof(path), "%s/src/layers", tree->root);
	file = fopen(path, "r");
	if (!file) {
		fprintf(tree->out, "src/layers: cannot be read\n");
		tree->nr_broken++;
		return;
	}
	while (fgets(line, sizeof(line), file)) {
		char *rest = line, *name;

		while ((name = strtok_r(rest, " \t\n", &rest)) && tree->nr_folders < MAX_FOLDERS) {
			snprintf(tree->folders[tree->nr_folders].name, NAME_BYTES, "%s", name);
			tree->folders[tree->nr_folders++].line = nr;
		}
		nr++;
	}
	fclose(file);
}

static int folder_line(const struct tree *tree, const char *name, size_t length)
{
	for (unsigned i = 0; i < tree->nr_folders; i++)
		if (strlen(tree->folders[i].name) == length && !memcmp(tree->folders[i].name, name, length))
			return tree->folders[i].line;
	return NO_LINE;
}

static bool exists(const struct tree *tree, const char *area, const char *target)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/%s", tree->root, area, target);
	return !access(path, F_OK);
}

/* A file of src/ itself is the public line: it sees every folder. */
static const char *src_rule(const struct tree *tree, const struct include *i)
{
	size_t length = strcspn(i->target, "/");
	int own, line;

	if (!i->quoted)
		return exists(tree, "src", i->target) ? "a header of src/ belongs in quotes" : NULL;
	line = folder_line(tree, i->target, length);
	if (i->target[length] != '/' || line == NO_LINE)
		return "is not FOLDER/FILE with a folder of src/layers";
	if (!i->folder[0])
		return NULL;
	own = folder_line(tree, i->folder, strlen(i->folder));
	if (own == NO_LINE)
		return "stands in a folder that src/layers does not have";
	if (strlen(i->folder) == length && !memcmp(i->folder, i->target, length))
		return NULL;
	return line < own ? NULL : line == own ? "points sideways" : "points up";
}

static bool is_face(const char *face, const char *target)
{
	size_t length = strlen(face);

	return face[length - 1] == '/' ? !strncmp(target, face, length) : !strcmp(target, face);
}

/* Its own folder by the path from the root, or a file beside it. */
static const char *program_rule(const struct tree *tree, const struct include *i)
{
	size_t length = strlen(i->area->path);

	if (!i->quoted)
		return exists(tree, "src", i->target) ? "reaches into src/" : NULL;
	if (strstr(i->target, ".."))
		return "goes round by way of ..";
	if (!strncmp(i->target, i->area->path, length) && i->target[length] == '/')
		return NULL;
	if (!strchr(i->target, '/') && exists(tree, i->path, i->target))
		return NULL;
	for (unsigned f = 0; f < MAX_FACES && i->area->faces[f]; f++)
		if (is_face(i->area->faces[f], i->target))
			return NULL;
	return "is neither <...>, nor of its own folder, nor one of the few it may see";
}

static const char *public_rule(const struct tree *tree, const struct include *i)
{
	return i->quoted || exists(tree, "src", i->target) ? "a public header sees only <...>" : NULL;
}

/* The target of an #include line, cut off in place, or NULL. */
static char *parse(char *line, bool *quoted)
{
	char *at = line + strspn(line, " \t"), *end;

	if (*at++ != '#')
		return NULL;
	at += strspn(at, " \t");
	if (strncmp(at, "include", 7))
		return NULL;
	at += 7 + strspn(at + 7, " \t");
	*quoted = *at == '"';
	if (*at != '"' && *at != '<')
		return NULL;
	end = strchr(at + 1, *quoted ? '"' : '>');
	if (!end)
		return NULL;
	*end = 0;
	return at + 1;
}

static void check_file(struct tree *tree, struct include i, const char *name)
{
	char path[PATH_MAX], line[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%s", tree->root, i.path, name);
	i.file = path + strlen(tree->root) + 1;
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file)) {
		const char *broken;

		i.target = parse(line, &i.quoted);
		broken = i.target ? i.area->rule(tree, &i) : NULL;
		if (broken) {
			fprintf(tree->out, "%s: include of %s: %s\n", i.file, i.target, broken);
			tree->nr_broken++;
		}
	}
	if (file)
		fclose(file);
}

static bool is_source(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && (!strcmp(dot, ".c") || !strcmp(dot, ".h"));
}

static void check_folder(struct tree *tree, struct include i)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", tree->root, i.path);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		char deeper[PATH_MAX];
		struct include there = i;

		if (is_source(entry->d_name)) {
			check_file(tree, i, entry->d_name);
		} else if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
			snprintf(deeper, sizeof(deeper), "%s/%s", i.path, entry->d_name);
			there.path = deeper;
			there.folder = i.folder[0] ? i.folder : entry->d_name;
			check_folder(tree, there);
		}
	}
	if (dir)
		closedir(dir);
}

unsigned include_rules_check(const char *root, FILE *out)
{
	struct tree tree = { .root = root, .out = out };

	read_layers(&tree);
	for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++)
		check_folder(&tree, (struct include){ .area = &areas[i], .path = areas[i].path, .folder = "" });
	return tree.nr_broken;
}
