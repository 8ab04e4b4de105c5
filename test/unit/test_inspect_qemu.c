/* SPDX-License-Identifier: BSD-3-Clause */
/* QEMU's main channel: configuration, sections whose length is nowhere, commands, RAM, and what is damage. */
#include "inspect_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START 1
#define PART  2
#define END   3
#define FULL  4

static struct rig_stream s;

static void expect(const struct gw_inspection *told, int code, const char *what)
{
	assert_int_equal(told->files->trouble.code, code);
	assert_int_equal(told->files->whole, !code);
	if (what && !strstr(told->files->trouble.what, what))
		fail_msg("no \"%s\" in \"%s\"", what, told->files->trouble.what);
}

/* Looks, expects and forgets. */
static void judge(int code, const char *what)
{
	const struct gw_inspection *told = rig_look(&s);

	expect(told, code, what);
	gw_inspection_free(told);
}

static void test_header(void **state)
{
	const struct gw_inspection *told;

	rig_header(&s);
	rig_end(&s, NULL);
	told = rig_look(&s);
	expect(told, 0, NULL);
	assert_int_equal(told->files->kind, GW_FILE_QEMU);
	assert_string_equal(told->qemu->machine, "pc-9.9");
	assert_int_equal(told->qemu->page_bytes, 4096);
	assert_int_equal(told->qemu->flags, GW_QEMU_HEADER | GW_QEMU_CONFIG | GW_QEMU_EOF);
	gw_inspection_free(told);
	s.bytes[7] = 4;
	judge(-EPROTONOSUPPORT, "version 4");
}

static void test_configuration(void **state)
{
	const struct gw_inspection *told;

	rig_header(&s);
	rig_u8(&s, 5);
	rig_name(&s, "configuration/target-page-bits");
	rig_u32(&s, 1);
	rig_u32(&s, 16);
	rig_u8(&s, 5);
	rig_name(&s, "configuration/capabilities");
	rig_u32(&s, 1);
	rig_u32(&s, 2);
	rig_name(&s, "x-ignore-shared");
	rig_name(&s, "events");
	rig_u8(&s, 5);
	rig_name(&s, "configuration/uuid");
	rig_u32(&s, 1);
	rig_fill(&s, 0xab, 16);
	rig_end(&s, NULL);
	told = rig_look(&s);
	expect(told, 0, NULL);
	assert_int_equal(told->qemu->page_bytes, 65536);
	assert_string_equal(told->qemu->capabilities->name, "x-ignore-shared");
	assert_string_equal(told->qemu->capabilities->next->name, "events");
	assert_null(told->qemu->capabilities->next->next);
	assert_true(told->qemu->flags & GW_QEMU_UUID);
	assert_int_equal(told->qemu->uuid[15], 0xab);
	gw_inspection_free(told);

	rig_header(&s);
	rig_u8(&s, 5);
	rig_name(&s, "configuration/target-page-bits");
	rig_u32(&s, 1);
	rig_u32(&s, 63);
	judge(-EBADMSG, "2^63");
	rig_header(&s);
	rig_u8(&s, 5);
	rig_name(&s, "configuration/new");
	rig_u32(&s, 1);
	judge(-EPROTONOSUPPORT, "configuration/new");
}

/* 300 bytes with a false footer among them: right id, but nothing behind it that may follow one. */
static void put_opaque(uint32_t id, const char *name)
{
	rig_begin(&s, FULL, id, name, 2);
	rig_fill(&s, 0x7e, 100);
	rig_footer(&s, id);
	rig_fill(&s, 0x55, 195);
}

static void test_measured_by_footer(void **state)
{
	const struct gw_inspected_section *section;
	const struct gw_inspection *told;

	rig_header(&s);
	put_opaque(7, "timer");
	rig_footer(&s, 7);
	put_opaque(8, "0000:00:02.0/e1000");
	rig_footer(&s, 8);
	rig_end(&s, NULL);
	told = rig_look(&s);
	expect(told, 0, NULL);
	section = told->qemu->sections;
	for (int i = 0; i < 2; i++, section = section->next) {
		assert_int_equal(section->id, 7 + i);
		assert_int_equal(section->bytes, 300);
		assert_int_equal(section->measured, GW_MEASURED_BY_FOOTER);
		assert_true(section->described_bytes == UINT64_MAX);
	}
	assert_null(section);
	assert_true(told->qemu->flags & GW_QEMU_FOOTERS);
	gw_inspection_free(told);

	s.used -= 3; /* the last footer is not all there, so the payload has no end */
	judge(-EBADMSG, "no end of section 8");
}

/* Longer than what is looked at in one go, the footer at any place across its border. */
static void test_footer_far_away(void **state)
{
	for (size_t more = 0; more < 310; more++) {
		const struct gw_inspection *told;
		size_t nr = 65536 - 300 + more;

		rig_header(&s);
		rig_begin(&s, FULL, 7, "large", 2);
		rig_fill(&s, 0x11, nr);
		rig_footer(&s, 7);
		rig_end(&s, NULL);
		told = rig_look(&s);
		expect(told, 0, NULL);
		assert_int_equal(told->qemu->sections->bytes, nr);
		gw_inspection_free(told);
	}
}

#define DESCRIPTION                                                                                                    \
	"{\"page_size\":8192,\"devices\":[{\"name\":\"timer\",\"instance_id\":0,\"fields\":[{\"name\":\"a\",\"size\":" \
	"10,\"array_len\":28},{\"name\":\"b\",\"size\":3}],\"subsections\":[{\"vmsd_name\":\"timer/"                   \
	"x\",\"fields\":[{\""                                                                                          \
	"size\":%d}]}]}]}"

/* 280 + 3 + a subsection: 1 + 1 + 7 + 4 + size */
static void put_described(int size, bool footer)
{
	char description[512];

	snprintf(description, sizeof(description), DESCRIPTION, size);
	rig_header(&s);
	put_opaque(7, "timer");
	if (footer)
		rig_footer(&s, 7);
	rig_end(&s, description);
}

static void test_measured_by_description(void **state)
{
	const struct gw_inspection *told;
	int fd;

	put_described(4, true);
	told = rig_look(&s);
	expect(told, 0, NULL);
	assert_int_equal(told->qemu->page_bytes, 8192);
	assert_int_equal(told->qemu->sections->bytes, 300);
	assert_int_equal(told->qemu->sections->described_bytes, 300);
	assert_int_equal(told->qemu->sections->measured, GW_MEASURED_BY_DESCRIPTION);
	assert_true(told->qemu->flags & GW_QEMU_DESCRIPTION);
	gw_inspection_free(told);

	/* One that does not lead to a footer is not believed. */
	put_described(5, true);
	told = rig_look(&s);
	expect(told, 0, NULL);
	assert_int_equal(told->qemu->sections->bytes, 300);
	assert_int_equal(told->qemu->sections->described_bytes, 301);
	assert_int_equal(told->qemu->sections->measured, GW_MEASURED_BY_FOOTER);
	gw_inspection_free(told);

	s.used--; /* no JSON, but the length fits no more either */
	told = rig_inspect(&s, 1, &fd);
	expect(told, -EBADMSG, "the description");
	gw_inspection_free(told);
}

/* The first section, of RAM, shows that there are none. */
static void put_without_footers(const char *description)
{
	rig_header(&s);
	rig_begin(&s, START, 2, "ram", 4);
	rig_u64(&s, 8192 | 4);
	rig_name(&s, "pc.ram");
	rig_u64(&s, 8192);
	rig_u64(&s, 0x10);
	rig_begin(&s, FULL, 7, "timer", 2);
	rig_fill(&s, 0x55, 300);
	rig_end(&s, description);
}

static void test_without_footers(void **state)
{
	char description[512];
	const struct gw_inspection *told;
	struct gw_inspect_input input = { .name = "file" };

	put_without_footers(NULL);
	judge(-EPROTONOSUPPORT, "no footers, and no description");

	/* From a pipe the description comes too late: only the file tells all. */
	snprintf(description, sizeof(description), DESCRIPTION, 4);
	put_without_footers(description);
	input.fd = rig_file(&s);
	assert_int_equal(gw_inspect_read(&told, &input, 1, NULL, NULL), 0);
	expect(told, 0, NULL);
	assert_int_equal(told->qemu->sections->next->bytes, 300);
	assert_false(told->qemu->flags & GW_QEMU_FOOTERS);
	gw_inspection_free(told);
}

static void test_commands(void **state)
{
	const struct gw_inspected_count *count;
	const struct gw_inspection *told;

	rig_header(&s);
	for (int i = 0; i < 2; i++) {
		rig_u8(&s, 8);
		rig_u16(&s, 2);
		rig_u16(&s, 4);
		rig_u32(&s, 17);
	}
	rig_u8(&s, 8);
	rig_u16(&s, 7); /* PACKAGED: the length of what follows is its data */
	rig_u16(&s, 4);
	rig_u32(&s, 99);
	rig_fill(&s, 0x44, 99);
	rig_end(&s, NULL);
	rig_fill(&s, 0x66, 11);
	told = rig_look(&s);
	expect(told, 0, NULL);
	count = told->qemu->commands;
	assert_string_equal(count->name, "PING");
	assert_int_equal(count->nr, 2);
	assert_string_equal(count->next->name, "PACKAGED");
	assert_int_equal(told->qemu->packaged_bytes, 99);
	assert_int_equal(told->qemu->trailing_bytes, 11);
	gw_inspection_free(told);

	rig_header(&s);
	rig_u8(&s, 8);
	rig_u16(&s, 12);
	rig_u16(&s, 0);
	judge(-EPROTONOSUPPORT, "command 12");
}

static void test_sections_out_of_order(void **state)
{
	rig_header(&s);
	rig_part(&s, PART, 3);
	judge(-EBADMSG, "did not begin");
	rig_header(&s);
	rig_u8(&s, 9);
	judge(-EBADMSG, "0x09");
	rig_header(&s);
	put_opaque(7, "timer");
	rig_footer(&s, 7);
	put_opaque(7, "other");
	rig_footer(&s, 7);
	judge(-EBADMSG, "was \"timer\" before");
	rig_header(&s);
	rig_begin(&s, FULL, 7, "a\nb", 1);
	judge(-EBADMSG, "name of section 7");
}

static const struct gw_inspected_ram *block(const struct gw_inspection *told, const char *id)
{
	const struct gw_inspected_ram *ram = told->qemu->ram;

	while (strcmp(ram->id, id))
		ram = ram->next;
	return ram;
}

/* Two blocks, three and one pages. */
static void put_ram(void)
{
	rig_header(&s);
	rig_begin(&s, START, 2, "ram", 4);
	rig_u64(&s, 4 * 4096 | 4);
	rig_name(&s, "pc.ram");
	rig_u64(&s, 3 * 4096);
	rig_name(&s, "rom");
	rig_u64(&s, 4096);
	rig_u64(&s, 0x200);
	rig_u64(&s, 0x10);
	rig_footer(&s, 2);
	rig_part(&s, PART, 2);
}

/* A page record of the first block. */
static void put_page(uint64_t offset, uint64_t flags)
{
	rig_u64(&s, offset | flags);
	if (!(flags & 0x20))
		rig_name(&s, "pc.ram");
}

static void test_ram(void **state)
{
	const struct gw_inspection *told;

	put_ram();
	put_page(0, 0x02);
	rig_u8(&s, 0);
	put_page(4096, 0x08 | 0x20);
	rig_fill(&s, 0x10, 4096);
	put_page(8192, 0x40 | 0x20);
	rig_u8(&s, 1);
	rig_u16(&s, 5);
	rig_fill(&s, 0x20, 5);
	rig_u64(&s, 0x100);
	rig_name(&s, "rom");
	rig_u32(&s, 700);
	rig_fill(&s, 0x30, 700);
	rig_u64(&s, 0x10);
	rig_footer(&s, 2);
	rig_part(&s, END, 2);
	rig_u64(&s, 0x10);
	rig_footer(&s, 2);
	rig_end(&s, NULL);
	told = rig_look(&s);
	expect(told, 0, NULL);
	assert_int_equal(told->qemu->ram_total_bytes, 4 * 4096);
	assert_int_equal(block(told, "pc.ram")->size_bytes, 3 * 4096);
	assert_int_equal(block(told, "pc.ram")->pages[GW_PAGES_ZERO], 1);
	assert_int_equal(block(told, "pc.ram")->pages[GW_PAGES_NORMAL], 1);
	assert_int_equal(block(told, "pc.ram")->pages[GW_PAGES_XBZRLE], 1);
	assert_int_equal(block(told, "rom")->pages[GW_PAGES_COMPRESSED], 1);
	assert_int_equal(told->qemu->sections->nr_parts, 3);
	assert_int_equal(told->qemu->sections->measured, GW_MEASURED_BY_LAYOUT);
	gw_inspection_free(told);
}

static const struct ram_damage {
	uint64_t offset, flags;
	const char *what;
	int code;
} ram_damages[] = {
	{ 3 * 4096, 0x08, "which has 0x3000 bytes", -EBADMSG },
	{ UINT64_MAX & ~4095ull, 0x08, "which has", -EBADMSG },
	{ 0, 0x08 | 0x20, "there is none", -EBADMSG },
	{ 0, 0x0a, "flags 0xa", -EBADMSG },
	{ 0, 0x400, "flags 0x400", -EBADMSG },
	{ 0, 0x04, "flags 0x4", -EBADMSG },
	{ 0, 0x80, "RDMA", -EPROTONOSUPPORT },
	{ 0, 0x02, "filled with something else", -EBADMSG },
	{ 0, 0x40, "XBZRLE page in a form", -EBADMSG },
};

static void test_ram_damage(void **state)
{
	for (size_t i = 0; i < sizeof(ram_damages) / sizeof(ram_damages[0]); i++) {
		put_ram();
		put_page(ram_damages[i].offset, ram_damages[i].flags);
		rig_fill(&s, 0x77, 5000);
		judge(ram_damages[i].code, ram_damages[i].what);
	}
	put_ram();
	rig_u64(&s, 0x08);
	rig_name(&s, "unheard");
	judge(-EBADMSG, "not in the list");
	put_ram();
	put_page(0, 0x40);
	rig_u8(&s, 1);
	rig_u16(&s, 4097);
	judge(-EBADMSG, "4097 bytes");
	put_ram();
	put_page(0, 0x100);
	rig_u32(&s, 8193);
	judge(-EBADMSG, "8193 bytes");
	put_ram();
	rig_u64(&s, 0x10);
	rig_footer(&s, 3);
	judge(-EBADMSG, "the footer of section 2");
}

static void test_ram_blocks_damage(void **state)
{
	const uint64_t second[] = { 4096, 8192 };

	for (int i = 0; i < 2; i++) { /* a name twice; more than the total */
		rig_header(&s);
		rig_begin(&s, START, 2, "ram", 4);
		rig_u64(&s, 8192 | 4);
		rig_name(&s, "a");
		rig_u64(&s, 4096);
		rig_name(&s, i ? "b" : "a");
		rig_u64(&s, second[i]);
		rig_u64(&s, 0x10);
		judge(-EBADMSG, "a RAM block");
	}
	rig_header(&s);
	rig_begin(&s, START, 2, "ram", 5);
	judge(-EPROTONOSUPPORT, "version 5");
}

static void put_capability(const char *name)
{
	rig_header(&s);
	rig_u8(&s, 5);
	rig_name(&s, "configuration/capabilities");
	rig_u32(&s, 1);
	rig_u32(&s, 1);
	rig_name(&s, name);
	rig_begin(&s, START, 2, "ram", 4);
	rig_u64(&s, 4096 | 4);
	rig_name(&s, "pc.ram");
	rig_u64(&s, 4096);
}

static void test_ram_with_addresses(void **state)
{
	const struct gw_inspection *told;

	put_capability("x-ignore-shared");
	rig_u64(&s, 0xfffc0000);
	rig_u64(&s, 0x10);
	rig_footer(&s, 2);
	rig_end(&s, NULL);
	told = rig_look(&s);
	expect(told, 0, NULL);
	assert_int_equal(told->qemu->ram->gpa, 0xfffc0000);
	gw_inspection_free(told);
}

static void test_mapped_ram(void **state)
{
	const struct gw_inspection *told;

	put_capability("mapped-ram");
	rig_u32(&s, 1);
	rig_u64(&s, 4096);
	rig_u64(&s, 0x1234);
	rig_u64(&s, 0x100000);
	told = rig_look(&s);
	expect(told, -EPROTONOSUPPORT, "mapped-ram");
	assert_true(told->qemu->flags & GW_QEMU_MAPPED_RAM);
	assert_int_equal(told->qemu->ram->bitmap_offset, 0x1234);
	assert_int_equal(told->qemu->ram->pages_offset, 0x100000);
	gw_inspection_free(told);
}

/* Cut at any byte it is told as not whole, and never as anything worse. */
static void test_cut_anywhere(void **state)
{
	struct rig_stream *whole = malloc(sizeof(*whole));

	put_described(4, true);
	*whole = s;
	for (size_t nr = 4; nr < whole->used; nr++) {
		s.used = nr;
		/* After EOF, or the type of the description, there need be no more. */
		if (s.bytes[nr - 1] == 0 && s.bytes[nr] == 6)
			continue;
		judge(-EBADMSG, NULL);
	}
	free(whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_configuration),
		cmocka_unit_test(test_measured_by_footer),
		cmocka_unit_test(test_footer_far_away),
		cmocka_unit_test(test_measured_by_description),
		cmocka_unit_test(test_without_footers),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_sections_out_of_order),
		cmocka_unit_test(test_ram),
		cmocka_unit_test(test_ram_damage),
		cmocka_unit_test(test_ram_blocks_damage),
		cmocka_unit_test(test_ram_with_addresses),
		cmocka_unit_test(test_mapped_ram),
		cmocka_unit_test(test_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
