/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dirty_device URI SOURCE: the log of a device of the kernel's samples, from the named source, all the way through the
 * device layer. They do no DMA, so nothing may be told but what counts as written because it cannot be known.
 */
#include "base/bitmap.h"
#include "base/bits.h"
#include "device/device.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE       4096ull
#define IOVA       0x100000ull
#define NR_PAGES   256ull /* logged; as many again are mapped behind them later */
#define AREA_BYTES (NR_PAGES * PAGE)

struct rig {
	struct gw_device *dev;
	const char *uri, *source;
	uint8_t *ram;
	struct gw_error e;
};

static int map_area(struct rig *r, uint64_t index)
{
	struct gw_dma_map map = {
		.iova = IOVA + index * AREA_BYTES,
		.size_bytes = AREA_BYTES,
		.hva = r->ram + index * AREA_BYTES,
		.fd = -1,
		.prot = GW_DMA_READ | GW_DMA_WRITE,
	};

	return gw_device_dma_map(r->dev, &map, &r->e);
}

/* How many pages of an area are dirty; negative: the report failed. */
static int64_t dirty_pages(struct rig *r, uint64_t index)
{
	uint64_t bits[NR_PAGES / 64] = { 0 };
	int ret = device_log_report(r->dev, IOVA + index * AREA_BYTES, AREA_BYTES, PAGE, bits, &r->e);

	return ret ? ret : (int64_t)bitmap_count(bits, NR_PAGES);
}

static int open_device(struct rig *r)
{
	return gw_device_open(&r->dev, "dev0", r->uri, &r->e);
}

static int has_source(struct rig *r)
{
	return strcmp(gw_dirty_source_name(device_info(r->dev)->dirty_source), r->source);
}

static int start(struct rig *r)
{
	const struct gw_iova_range range = { IOVA, AREA_BYTES };

	if (map_area(r, 0))
		return -1;
	return device_log_start(r->dev, &range, 1, PAGE, &r->e);
}

static int is_clean(struct rig *r)
{
	return dirty_pages(r, 0) != 0;
}

/* The device's own log is started anew for memory that is added: nobody knows then what was written before. */
static int extends(struct rig *r)
{
	int64_t lost = device_info(r->dev)->dirty_source == GW_DIRTY_DEVICE ? (int64_t)NR_PAGES : 0;

	if (map_area(r, 1) || dirty_pages(r, 0) != lost || dirty_pages(r, 1) != lost)
		return -1;
	return dirty_pages(r, 0) || dirty_pages(r, 1);
}

static int unmaps(struct rig *r)
{
	if (gw_device_dma_unmap(r->dev, IOVA, 2 * AREA_BYTES, &r->e))
		return -1;
	return dirty_pages(r, 0) || dirty_pages(r, 1) || !gw_device_dma_unmap(r->dev, IOVA, AREA_BYTES, NULL);
}

static int stops(struct rig *r)
{
	return device_log_stop(r->dev, &r->e) || dirty_pages(r, 0) >= 0;
}

static const struct step {
	const char *name;
	int (*run)(struct rig *);
} steps[] = {
	{ "open", open_device }, { "source", has_source }, { "start", start }, { "clean", is_clean },
	{ "extend", extends },   { "unmap", unmaps },      { "stop", stops },
};

int main(int argc, char **argv)
{
	struct rig r = { .e = GW_ERROR_NONE };
	int ret = 0;

	if (argc != 3) {
		fprintf(stderr, "usage: dirty_device URI SOURCE\n");
		return 2;
	}
	r.uri = argv[1];
	r.source = argv[2];
	r.ram = mmap(NULL, 2 * AREA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (unsigned i = 0; !ret && i < ARRAY_SIZE(steps); i++) {
		ret = r.ram == MAP_FAILED ? -1 : steps[i].run(&r);
		if (ret)
			printf("not ok dirty.%s.%s - %s\n", r.source, steps[i].name, r.e.what);
		else
			printf("ok dirty.%s.%s\n", r.source, steps[i].name);
	}
	gw_device_close(r.dev);
	return ret ? 1 : 0;
}
