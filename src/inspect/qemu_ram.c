/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The section "ram", version 4: the list of blocks in its START, then a record a page: 64 bits that are offset and
 * flags, the block's name unless it is that of the page before, and what the flags say follows. Lengths of XBZRLE and
 * compressed pages: as found in streams of QEMU 7.2.
 */
#include "inspect/bounds.h"
#include "inspect/qemu.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define RAM_ZERO       0x02u
#define RAM_MEM_SIZE   0x04u
#define RAM_PAGE       0x08u
#define RAM_EOS        0x10u
#define RAM_CONTINUE   0x20u
#define RAM_XBZRLE     0x40u
#define RAM_HOOK       0x80u
#define RAM_COMPRESSED 0x100u
#define RAM_FLUSH      0x200u
#define RAM_VERSION    4u
#define MAPPED_VERSION 1u

static struct gw_inspected_ram *find(const struct qemu *q, const char *id)
{
	const struct gw_inspected_ram *ram = q->told->ram;

	while (ram && strcmp(ram->id, id))
		ram = ram->next;
	return (struct gw_inspected_ram *)ram;
}

/* u32 version, u64 page size, u64 where the bitmap is, u64 where the pages are. */
static int read_mapped_header(struct qemu *q, struct gw_inspected_ram *ram)
{
	struct input *in = q->r->in;
	uint64_t at = in->offset;
	uint32_t version = input_u32(in);
	uint64_t page_bytes = input_u64(in);

	ram->bitmap_offset = input_u64(in);
	ram->pages_offset = input_u64(in);
	if (reading_check(q->r))
		return reading_check(q->r);
	if (version != MAPPED_VERSION)
		return reading_unknown(q->r, at, "RAM block \"%s\" is mapped in a form of version %u", ram->id,
				       version);
	if (page_bytes <= MIB && is_power_of_2(page_bytes))
		q->told->page_bytes = (uint32_t)page_bytes;
	return 0;
}

static int read_block(struct qemu *q, uint64_t *left)
{
	struct reading *r = q->r;
	uint64_t at = r->in->offset, size_bytes;
	char id[GW_INSPECT_NAME_BYTES];
	bool is_name = input_text(r->in, id);
	struct gw_inspected_ram *ram;
	int ret;

	size_bytes = input_u64(r->in);
	ret = reading_check(r);
	if (ret)
		return ret;
	if (!is_name || size_bytes > *left || find(q, id)) {
		if (q->postcopy) /* blocks with larger pages then have one more number, and nothing says which */
			return reading_unknown(r, at, "the list of RAM blocks of a stream prepared for postcopy");
		return reading_damaged(r, at, "a RAM block without a name, with the name of another, or too large");
	}
	ram = arena_append(r->arena, struct gw_inspected_ram, &q->told->ram, BOUND_RAM_BLOCKS);
	if (!ram)
		return reading_no_room(r, "RAM blocks", BOUND_RAM_BLOCKS);
	memcpy(ram->id, id, sizeof(ram->id));
	ram->gpa = UINT64_MAX;
	ram->size_bytes = size_bytes;
	*left -= size_bytes;
	if (q->ignore_shared)
		ram->gpa = input_u64(r->in);
	return q->mapped_ram ? read_mapped_header(q, ram) : reading_check(r);
}

static int read_blocks(struct qemu *q, uint64_t total_bytes)
{
	int ret = 0;

	q->told->ram_total_bytes = total_bytes;
	while (!ret && total_bytes)
		ret = read_block(q, &total_bytes);
	if (!ret && q->mapped_ram)
		return reading_unknown(
			q->r, q->r->in->offset,
			"mapped-ram: the pages are at fixed places of the file (see each block), and what is "
			"between them is not known here");
	return ret;
}

/* The block of a page that does not say CONTINUE. */
static int name_block(struct qemu *q, uint64_t at)
{
	char id[GW_INSPECT_NAME_BYTES];
	bool is_name = input_text(q->r->in, id);
	int ret = reading_check(q->r);

	if (ret)
		return ret;
	q->block = is_name ? find(q, id) : NULL;
	if (!q->block)
		return reading_damaged(q->r, at, "a page of a RAM block that is not in the list");
	return 0;
}

static const struct page_form {
	uint32_t flag, kind;
} forms[] = {
	{ RAM_ZERO, GW_PAGES_ZERO },
	{ RAM_PAGE, GW_PAGES_NORMAL },
	{ RAM_XBZRLE, GW_PAGES_XBZRLE },
	{ RAM_COMPRESSED, GW_PAGES_COMPRESSED },
};

/* What follows the header of a page. */
static int skip_page(struct qemu *q, uint32_t kind, uint64_t at)
{
	struct input *in = q->r->in;
	uint32_t nr_bytes;

	switch (kind) {
	case GW_PAGES_ZERO:
		if (input_u8(in) != 0)
			return reading_damaged(q->r, at, "a page of zeroes that is filled with something else");
		break;
	case GW_PAGES_XBZRLE:
		if (input_u8(in) != 1 && !input_bad(in))
			return reading_damaged(q->r, at, "an XBZRLE page in a form that there is not");
		nr_bytes = input_u16(in);
		if (nr_bytes > q->told->page_bytes)
			return reading_damaged(q->r, at, "an XBZRLE page of %u bytes", nr_bytes);
		input_skip(in, nr_bytes);
		break;
	case GW_PAGES_COMPRESSED:
		nr_bytes = input_u32(in);
		if (nr_bytes > 2 * q->told->page_bytes)
			return reading_damaged(q->r, at, "a compressed page of %u bytes", nr_bytes);
		input_skip(in, nr_bytes);
		break;
	default:
		input_skip(in, q->told->page_bytes);
	}
	return reading_check(q->r);
}

static int read_page(struct qemu *q, uint64_t offset, uint32_t flags, uint64_t at)
{
	int ret = flags & RAM_CONTINUE ? 0 : name_block(q, at);

	if (ret)
		return ret;
	if (!q->block)
		return reading_damaged(q->r, at, "a page of the block before, and there is none");
	if (q->block->size_bytes < q->told->page_bytes || offset > q->block->size_bytes - q->told->page_bytes)
		return reading_damaged(q->r, at,
				       "page 0x%" PRIx64 " of RAM block \"%s\", which has 0x%" PRIx64 " bytes", offset,
				       q->block->id, q->block->size_bytes);
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if ((flags & ~RAM_CONTINUE) == forms[i].flag) {
			ret = skip_page(q, forms[i].kind, at);
			q->block->pages[forms[i].kind] += !ret;
			return ret;
		}
	return reading_damaged(q->r, at, "a page with the flags 0x%x, which there are not", flags);
}

int qemu_ram_read(struct qemu *q, enum qemu_element element)
{
	struct input *in = q->r->in;
	int ret = 0;

	if (q->section->version != RAM_VERSION)
		return reading_unknown(q->r, q->section->offset, "RAM in a form of version %u", q->section->version);
	while (!ret) {
		uint64_t at = in->offset, mask = q->told->page_bytes - 1, word = input_u64(in);
		uint32_t flags = (uint32_t)(word & mask);

		ret = reading_check(q->r);
		if (ret)
			break;
		if (flags == RAM_EOS)
			return 0;
		if (flags == RAM_FLUSH)
			continue;
		if (flags & RAM_HOOK)
			ret = reading_unknown(q->r, at, "RAM that went by RDMA: what follows is not known here");
		else if (flags == RAM_MEM_SIZE && element == QEMU_SECTION_START && !q->told->ram)
			ret = read_blocks(q, word & ~mask);
		else
			ret = read_page(q, word & ~mask, flags, at);
	}
	return ret;
}
