/* SPDX-License-Identifier: BSD-3-Clause */
/* BARs: where they may be, who answers there. */
#include "ref/board/pci_bar.h"
#include "ref/board/board.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES       4096ull
#define MIN_IO_BYTES     4
#define MIN_MEMORY_BYTES 16
#define MAX_BYTES        (1ull << 46)
#define LARGE_BYTES      (16ull << 20)
#define FOUR_GIB         (1ull << 32)

static void bar_read(void *ctx, uint64_t offset, void *data, uint32_t size_bytes)
{
	struct pci_bar *bar = ctx;

	if (msix_touches(bar->msix, bar->index, offset, size_bytes)) {
		msix_read(bar->msix, bar->index, offset, data, size_bytes);
		return;
	}
	memset(data, 0xff, size_bytes);
	if (offset + size_bytes > bar->region_bytes)
		return;
	if (gw_device_region_read(bar->dev, bar->index, offset, data, size_bytes, NULL) != (ssize_t)size_bytes) {
		memset(data, 0xff, size_bytes);
		(*bar->nr_failed)++;
	}
}

static void bar_write(void *ctx, uint64_t offset, const void *data, uint32_t size_bytes)
{
	struct pci_bar *bar = ctx;

	if (msix_touches(bar->msix, bar->index, offset, size_bytes))
		msix_write(bar->msix, bar->index, offset, data, size_bytes);
	else if (offset + size_bytes <= bar->region_bytes &&
		 gw_device_region_write(bar->dev, bar->index, offset, data, size_bytes, NULL) != (ssize_t)size_bytes)
		(*bar->nr_failed)++;
}

static const struct bus_ops bar_ops = { bar_read, bar_write };

static void map_part(struct pci_bar *bar, const struct gw_region_map *map, uint64_t from, uint64_t to)
{
	struct pci_bar_part part = { .offset = from, .size_bytes = to - from };

	if (bar->nr_parts == PCI_BAR_MAX_PARTS)
		return;
	part.hva = mmap(NULL, part.size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map->fd,
			(off_t)(map->fd_offset + (from - map->region_offset)));
	if (part.hva == MAP_FAILED)
		(*bar->nr_failed)++;
	else
		bar->parts[bar->nr_parts++] = part;
}

/* Pages of the first nr_places places are left out. */
static void map_around(struct pci_bar *bar, const struct gw_region_map *map, uint64_t from, uint64_t to,
		       uint32_t nr_places)
{
	const struct msix_place *const places[] = { &bar->msix->table, &bar->msix->pba };
	const struct msix_place *place = nr_places ? places[nr_places - 1] : NULL;
	uint64_t begin, end;

	if (from >= to)
		return;
	if (!place) {
		map_part(bar, map, from, to);
	} else if (place->bar != bar->index || !place->size_bytes) {
		map_around(bar, map, from, to, nr_places - 1);
	} else {
		begin = place->offset & ~(PAGE_BYTES - 1);
		end = (place->offset + place->size_bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
		map_around(bar, map, from, begin < to ? begin : to, nr_places - 1);
		map_around(bar, map, end > from ? end : from, to, nr_places - 1);
	}
}

/* In whole pages: a part of any other shape is trapped. What a device says of itself may be nonsense. */
static int is_sane(const struct pci_bar *bar, const struct gw_region_map *map, uint64_t from)
{
	return map->region_offset >= from && map->size_bytes && map->region_offset <= bar->region_bytes &&
	       map->size_bytes <= bar->region_bytes - map->region_offset &&
	       !((map->region_offset | map->size_bytes | map->fd_offset) % PAGE_BYTES);
}

/* A BAR that cannot be both read and written is trapped: KVM's slots are for either. */
static void map_region(struct pci_bar *bar, uint32_t flags)
{
	const uint32_t both = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	struct gw_region_map map;
	uint64_t from = 0;

	if (bar->kind == PCI_BAR_IO || (flags & both) != both)
		return;
	while (bar->nr_parts < PCI_BAR_MAX_PARTS && !gw_device_region_map(bar->dev, bar->index, from, &map, NULL)) {
		int sane = is_sane(bar, &map, from);

		if (sane)
			map_around(bar, &map, map.region_offset, map.region_offset + map.size_bytes, 2);
		close(map.fd);
		if (!sane)
			break;
		from = map.region_offset + map.size_bytes;
	}
}

static enum pci_bar_kind kind_of(uint32_t index, uint32_t value)
{
	if (value & PCI_BASE_ADDRESS_SPACE_IO)
		return PCI_BAR_IO;
	if ((value & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64 && index + 1 < PCI_NR_BARS)
		return PCI_BAR_MEMORY64;
	return PCI_BAR_MEMORY;
}

int pci_bar_open(struct pci_bar *bar, const struct pci_bar_config *config, struct gw_error *e)
{
	struct gw_region_info info = { 0 };
	enum pci_bar_kind kind = kind_of(config->index, config->value);

	*bar = (struct pci_bar){ .dev = config->dev, .msix = config->msix, .vm = config->vm, .index = config->index };
	bar->nr_failed = config->nr_failed;
	if (gw_device_region_info(config->dev, GW_REGION_BAR0 + config->index, &info, NULL) || !info.size_bytes)
		return 0;
	if (info.size_bytes > MAX_BYTES)
		return gw_error_set(e, -EFBIG, gw_device_id(config->dev), "BAR %u has %llu bytes", config->index,
				    (unsigned long long)info.size_bytes);
	bar->kind = kind;
	bar->bus = kind == PCI_BAR_IO ? config->ports : config->memory;
	bar->region_bytes = info.size_bytes;
	bar->size_bytes = kind == PCI_BAR_IO ? MIN_IO_BYTES : MIN_MEMORY_BYTES;
	while (bar->size_bytes < bar->region_bytes)
		bar->size_bytes <<= 1;
	map_region(bar, info.flags);
	return 0;
}

void pci_bar_close(struct pci_bar *bar)
{
	pci_bar_hide(bar);
	for (uint32_t i = 0; i < bar->nr_parts; i++)
		munmap(bar->parts[i].hva, bar->parts[i].size_bytes);
	*bar = (struct pci_bar){ 0 };
}

/* A page of its own for each in memory, so that a small one does not keep its neighbour from being mapped. */
int pci_bar_place(const struct pci_bar *bar, struct pci_windows *windows, uint64_t *base)
{
	int is_high = bar->kind == PCI_BAR_MEMORY64 && bar->size_bytes > LARGE_BYTES;
	uint64_t *window = bar->kind == PCI_BAR_IO ? &windows->port : is_high ? &windows->high : &windows->low;
	uint64_t end = bar->kind == PCI_BAR_IO ? BOARD_PCI_PORTS_END : is_high ? UINT64_MAX : BOARD_PCI_END;
	uint64_t size = bar->kind != PCI_BAR_IO && bar->size_bytes < PAGE_BYTES ? PAGE_BYTES : bar->size_bytes;
	uint64_t at = (*window + size - 1) & ~(size - 1);

	if (at + size > end)
		return -ENOSPC;
	*window = at + size;
	*base = at;
	return 0;
}

static int overlaps_ram(const struct pci_bar *bar, uint64_t base)
{
	for (uint32_t i = 0; i < bar->vm->nr_ram; i++) {
		const struct gw_kvm_slot *ram = &bar->vm->ram[i];

		if (base < ram->gpa + ram->size_bytes && ram->gpa < base + bar->size_bytes)
			return 1;
	}
	return 0;
}

static int is_place(const struct pci_bar *bar, uint64_t base)
{
	uint64_t end = base + bar->size_bytes;

	if (end < base)
		return 0;
	if (bar->kind == PCI_BAR_IO)
		return base >= BOARD_PCI_PORTS_BASE && end <= BOARD_PCI_PORTS_END;
	if (base < FOUR_GIB && (base < BOARD_PCI_BASE || end > BOARD_PCI_END))
		return 0;
	return !overlaps_ram(bar, base);
}

int pci_bar_show(struct pci_bar *bar, uint64_t base, struct gw_error *e)
{
	int ret = is_place(bar, base) ? bus_add(bar->bus, base, bar->size_bytes, &bar_ops, bar) : -EADDRNOTAVAIL;

	if (ret)
		return gw_error_set(e, ret, gw_device_id(bar->dev), "BAR %u cannot be at 0x%llx", bar->index,
				    (unsigned long long)base);
	bar->base = base;
	bar->shown = 1;
	for (uint32_t i = 0; i < bar->nr_parts; i++) {
		struct pci_bar_part *part = &bar->parts[i];
		int failed = kvm_vm_map(bar->vm, base + part->offset, part->size_bytes, part->hva, &part->slot, e);

		part->in_kvm = !failed;
		*bar->nr_failed += !!failed;
		ret = ret ? ret : failed;
	}
	return ret;
}

/* The slots first: what they no longer answer the range still does, and then nobody. */
void pci_bar_hide(struct pci_bar *bar)
{
	if (!bar->shown)
		return;
	for (uint32_t i = 0; i < bar->nr_parts; i++) {
		if (bar->parts[i].in_kvm)
			kvm_vm_unmap(bar->vm, bar->parts[i].slot);
		bar->parts[i].in_kvm = 0;
	}
	bus_remove(bar->bus, bar->base);
	bar->shown = 0;
}
