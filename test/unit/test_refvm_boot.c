/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a Linux kernel lies in the reference VM's RAM when it starts: kernels made up here, right ones and wrong
 * ones. */
#include "boot_rig.h"

#include <errno.h>
#include <sys/stat.h>

static void load(struct rig *rig)
{
	assert_int_equal(boot_linux_load(&rig->boot, &rig->entry, &rig->e), 0);
}

/* Refused with that code, in a sentence that has the text and the file's name. */
static void assert_refused(struct rig *rig, int code_due, const char *text, const char *path)
{
	rig->e = (struct gw_error)GW_ERROR_NONE;
	assert_int_equal(boot_linux_load(&rig->boot, &rig->entry, &rig->e), code_due);
	assert_int_equal(rig->e.code, code_due);
	if (!strstr(rig->e.what, text) || !strstr(rig->e.what, path))
		fail_msg("\"%s\" is not about %s, \"%s\"", rig->e.what, path, text);
}

static void test_kernel_is_loaded(void **state)
{
	struct rig *rig = *state;
	const struct boot_params *params = params_of(rig);

	load(rig);
	assert_int_equal(rig->entry, LOAD_GPA);
	assert_memory_equal(ram(rig, LOAD_GPA), rig->file + CODE_AT, CODE_BYTES);
	assert_int_equal(params->hdr.header, 0x53726448);
	assert_int_equal(params->hdr.init_size, INIT_BYTES);
	assert_int_equal(params->hdr.type_of_loader, 0xff);
	assert_int_equal(params->hdr.code32_start, LOAD_GPA);
	assert_int_equal(params->hdr.setup_data, 0);
	assert_int_equal(params->hdr.ramdisk_size, 0);
	assert_int_equal(params->sentinel, 0);
	assert_int_equal(memcmp(ram(rig, params->hdr.cmd_line_ptr), "console=ttyS0 ", 14), 0);
	assert_int_equal(memcmp(ram(rig, MP_TABLE_GPA), "_MP_", 4), 0);
}

/* What the kernel must not do with its RAM is told: nothing overlaps, and all that is RAM is there. */
static void test_memory_is_told(void **state)
{
	struct rig *rig = *state;
	const struct boot_e820_entry *map = params_of(rig)->e820_table;

	rig->memory.nr_blocks = 2; /* its bytes are of no matter here */
	rig->memory.blocks[1] = (struct gw_ram_block){ .gpa = 1ull << 32, .size_bytes = 5 * MIB };
	load(rig);
	assert_int_equal(params_of(rig)->e820_entries, 4);
	assert_int_equal(map[0].addr, 0);
	assert_int_equal(map[0].size, MP_TABLE_GPA);
	assert_int_equal(map[0].type, 1);
	assert_int_equal(map[1].addr, MP_TABLE_GPA);
	assert_int_equal(map[1].addr + map[1].size, 0xa0000);
	assert_int_equal(map[1].type, 2);
	assert_int_equal(map[2].addr, MIB);
	assert_int_equal(map[2].addr + map[2].size, RAM_BYTES);
	assert_int_equal(map[2].type, 1);
	assert_int_equal(map[3].addr, 1ull << 32);
	assert_int_equal(map[3].size, 5 * MIB);
	assert_int_equal(map[3].type, 1);
}

static void test_kernel_that_cannot_be_moved(void **state)
{
	struct rig *rig = *state;
	struct setup_header *header = header_of(rig);

	header->relocatable_kernel = 0;
	header->kernel_alignment = 0;
	header->pref_address = 16 * MIB;
	rewrite(rig->kernel, rig->file, sizeof(rig->file));
	load(rig);
	assert_int_equal(rig->entry, MIB);
	assert_memory_equal(ram(rig, MIB), rig->file + CODE_AT, CODE_BYTES);

	header->init_size = RAM_BYTES - 16 * MIB + 1;
	rewrite(rig->kernel, rig->file, sizeof(rig->file));
	assert_refused(rig, -ENOMEM, "needs 33 MiB of RAM and the VM has 32", rig->kernel);
}

static void test_kernel_is_aligned(void **state)
{
	struct rig *rig = *state;

	header_of(rig)->pref_address = LOAD_GPA + 1;
	rewrite(rig->kernel, rig->file, sizeof(rig->file));
	load(rig);
	assert_int_equal(rig->entry, 2 * LOAD_GPA);
}

/* Of an older protocol the header is shorter, and what follows it in the file is code. */
static void test_short_header(void **state)
{
	struct rig *rig = *state;

	header_of(rig)->version = 0x020a;
	header_of(rig)->handover_offset = 0xdeadbeef;
	rig->file[HEADER_END_AT] = 0x62; /* ends with init_size */
	rewrite(rig->kernel, rig->file, sizeof(rig->file));
	load(rig);
	assert_int_equal(params_of(rig)->hdr.init_size, INIT_BYTES);
	assert_int_equal(params_of(rig)->hdr.handover_offset, 0);
}

static void test_what_follows_the_code_is_left(void **state)
{
	struct rig *rig = *state;

	header_of(rig)->syssize = CODE_BYTES / 16 - 1;
	rewrite(rig->kernel, rig->file, sizeof(rig->file));
	load(rig);
	assert_int_equal(*ram(rig, LOAD_GPA + CODE_BYTES - 17), 0xcc);
	assert_int_equal(*ram(rig, LOAD_GPA + CODE_BYTES - 16), 0);
}

static void test_initrd_is_as_high_as_it_can(void **state)
{
	static const uint8_t initrd[5000] = { [0] = 'i', [4999] = 'd' };
	struct rig *rig = *state;
	const struct setup_header *header = &params_of(rig)->hdr;

	write_file(rig->initrd, initrd, sizeof(initrd));
	rig->options.initrd_path = rig->initrd;
	load(rig);
	assert_int_equal(header->ramdisk_size, sizeof(initrd));
	assert_int_equal(header->ramdisk_image, RAM_BYTES - 8192);
	assert_memory_equal(ram(rig, header->ramdisk_image), initrd, sizeof(initrd));

	header_of(rig)->initrd_addr_max = 16 * MIB - 1;
	rewrite(rig->kernel, rig->file, sizeof(rig->file));
	load(rig);
	assert_int_equal(header->ramdisk_image, 16 * MIB - 8192);

	/* from what the kernel needs to where an initrd may end there is just room, and one byte too few */
	header_of(rig)->initrd_addr_max = LOAD_GPA + INIT_BYTES + 8191;
	rewrite(rig->kernel, rig->file, sizeof(rig->file));
	load(rig);
	assert_int_equal(header->ramdisk_image, LOAD_GPA + INIT_BYTES);
	header_of(rig)->initrd_addr_max = LOAD_GPA + INIT_BYTES + sizeof(initrd) - 2;
	rewrite(rig->kernel, rig->file, sizeof(rig->file));
	assert_refused(rig, -ENOMEM, "has 5 KiB, the RAM beside the kernel 4", rig->initrd);
	header_of(rig)->initrd_addr_max = 0;
	rewrite(rig->kernel, rig->file, sizeof(rig->file));
	assert_refused(rig, -ENOMEM, "the RAM beside the kernel 0", rig->initrd);
}

static void test_command_line(void **state)
{
	char text[CMDLINE_BYTES + 2];
	struct rig *rig = *state;

	memset(text, 'x', sizeof(text));
	text[CMDLINE_BYTES] = 0;
	rig->options.append = text;
	load(rig);
	assert_string_equal((const char *)ram(rig, params_of(rig)->hdr.cmd_line_ptr), text);
	text[CMDLINE_BYTES] = 'x';
	text[CMDLINE_BYTES + 1] = 0;
	assert_refused(rig, -E2BIG, "256 bytes is too long", rig->kernel);

	/* of a kernel that takes any, as much as there is room for */
	header_of(rig)->cmdline_size = UINT32_MAX;
	rewrite(rig->kernel, rig->file, sizeof(rig->file));
	rig->options.append = memset(malloc(0x10001), 'y', 0x10000);
	((char *)rig->options.append)[0x10000] = 0;
	assert_refused(rig, -E2BIG, "too long", rig->kernel);
	free((char *)rig->options.append);
}

/* A header with one thing wrong in it. */
static void test_wrong_kernels(void **state)
{
	static const struct wrong {
		size_t offset; /* in the header */
		uint64_t value;
		size_t size_bytes;
		int code;
		const char *text;
	} wrongs[] = {
#define FIELD(name) offsetof(struct setup_header, name)
		{ FIELD(header), 0x53726449, 4, -ENOEXEC, "not a Linux kernel" },
		{ FIELD(boot_flag), 0, 2, -ENOEXEC, "not a Linux kernel" },
		{ FIELD(version), 0x0209, 2, -ENOEXEC, "protocol 2.09 is too old" },
		{ FIELD(loadflags), 0, 1, -ENOEXEC, "loaded low" },
		{ FIELD(jump), 0x61eb, 2, -EBADMSG, "length" },
		{ FIELD(jump), 0xffeb, 2, -EBADMSG, "length" },
		{ FIELD(syssize), 0, 4, -EBADMSG, "no code" },
		{ FIELD(syssize), CODE_BYTES / 16 + 1, 4, -EBADMSG, "truncated" },
		{ FIELD(syssize), UINT32_MAX, 4, -EBADMSG, "truncated" },
		{ FIELD(setup_sects), 0, 1, -EBADMSG, "truncated" }, /* means 4 */
		{ FIELD(setup_sects), 255, 1, -EBADMSG, "truncated" },
		{ FIELD(kernel_alignment), 0, 4, -EBADMSG, "no place" },
		{ FIELD(kernel_alignment), 0x300000, 4, -EBADMSG, "no place" },
		{ FIELD(pref_address), 0x80000, 8, -EBADMSG, "no place" },
		{ FIELD(pref_address), 1ull << 32, 8, -EBADMSG, "no place" },
		{ FIELD(pref_address), UINT64_MAX, 8, -EBADMSG, "no place" },
		{ FIELD(pref_address), 3ull << 30, 8, -ENOMEM, "needs 3076 MiB" },
		{ FIELD(kernel_alignment), 1u << 31, 4, -ENOMEM, "needs 2052 MiB" },
		{ FIELD(init_size), RAM_BYTES - LOAD_GPA + 1, 4, -ENOMEM, "needs 33 MiB" },
		{ FIELD(init_size), UINT32_MAX, 4, -ENOMEM, "needs 4098 MiB" },
#undef FIELD
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		make_kernel(rig);
		memcpy((uint8_t *)header_of(rig) + wrongs[i].offset, &wrongs[i].value, wrongs[i].size_bytes);
		rewrite(rig->kernel, rig->file, sizeof(rig->file));
		assert_refused(rig, wrongs[i].code, wrongs[i].text, rig->kernel);
	}
}

static void test_every_truncation_is_refused(void **state)
{
	struct rig *rig = *state;

	rewrite(rig->kernel, rig->file, HEADER_END_AT + 1);
	assert_refused(rig, -ENOEXEC, "too short for one", rig->kernel);
	for (size_t size = 0; size < FILE_BYTES; size += size < CODE_AT ? 1 : 97) {
		rewrite(rig->kernel, rig->file, size);
		rig->e = (struct gw_error)GW_ERROR_NONE;
		assert_true(boot_linux_load(&rig->boot, &rig->entry, &rig->e) < 0);
		assert_non_null(strstr(rig->e.what, rig->kernel));
	}
}

/* Code longer than init_size says is memory that is needed, too. */
static void test_code_larger_than_ram(void **state)
{
	struct rig *rig = *state;
	uint64_t code_bytes = RAM_BYTES - LOAD_GPA + 16;

	header_of(rig)->init_size = 0;
	header_of(rig)->syssize = (uint32_t)(code_bytes / 16);
	rewrite(rig->kernel, rig->file, sizeof(rig->file));
	assert_int_equal(truncate(rig->kernel, (off_t)(CODE_AT + code_bytes)), 0);
	assert_refused(rig, -ENOMEM, "needs 33 MiB", rig->kernel);
}

static void test_files_that_are_none(void **state)
{
	struct rig *rig = *state;

	rig->options.initrd_path = "/nowhere/initrd";
	assert_refused(rig, -ENOENT, "No such file", "/nowhere/initrd");
	rig->options.initrd_path = "/tmp";
	assert_refused(rig, -EINVAL, "not a regular file", "/tmp");
	rig->options.kernel_path = "/nowhere/bzImage";
	assert_refused(rig, -ENOENT, "No such file", "/nowhere/bzImage");
	rig->options.kernel_path = rig->kernel;
	rewrite(rig->kernel, "", 0);
	assert_refused(rig, -EINVAL, "is empty", rig->kernel);
	unlink(rig->kernel);
	assert_int_equal(mkfifo(rig->kernel, 0600), 0);
	assert_refused(rig, -EINVAL, "not a regular file", rig->kernel);
}

static void test_too_many_vcpus(void **state)
{
	struct rig *rig = *state;

	rig->boot.nr_vcpus = MP_TABLE_MAX_VCPUS;
	load(rig);
	rig->boot.nr_vcpus = MP_TABLE_MAX_VCPUS + 1;
	assert_refused(rig, -EINVAL, "17 are asked for", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_kernel_is_loaded),
		RIG_TEST(test_memory_is_told),
		RIG_TEST(test_kernel_that_cannot_be_moved),
		RIG_TEST(test_kernel_is_aligned),
		RIG_TEST(test_short_header),
		RIG_TEST(test_what_follows_the_code_is_left),
		RIG_TEST(test_initrd_is_as_high_as_it_can),
		RIG_TEST(test_command_line),
		RIG_TEST(test_wrong_kernels),
		RIG_TEST(test_every_truncation_is_refused),
		RIG_TEST(test_code_larger_than_ram),
		RIG_TEST(test_files_that_are_none),
		RIG_TEST(test_too_many_vcpus),
	};

	return cmocka_run_group_tests_name("refvm_boot", tests, NULL, NULL);
}
