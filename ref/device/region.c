/* SPDX-License-Identifier: BSD-3-Clause */
/* Regions as a table: index to size, and to what reads and writes it. */
#include "ref/device/region.h"

#include "ref/device/device.h"
#include "ref/device/shared_copy.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>

/* What of [offset, offset + size) is local memory; the BAR may be larger. */
static size_t inside_memory(const struct memory *memory, uint64_t offset, size_t size)
{
	uint64_t left = offset < memory->size ? memory->size - offset : 0;

	return left < size ? (size_t)left : size;
}

static int memory_read(struct ref_device *dev, uint64_t offset, uint8_t *buf, size_t size)
{
	size_t inside = inside_memory(&dev->memory, offset, size);

	if (inside)
		shared_read(buf, dev->memory.data + offset, inside);
	memset(buf + inside, 0xff, size - inside);
	return 0;
}

/* Not noted, as it has to be while the memory is being saved. */
static size_t memory_put(struct ref_device *dev, uint64_t offset, const uint8_t *buf, size_t size)
{
	size_t inside = inside_memory(&dev->memory, offset, size);

	if (inside)
		shared_write(dev->memory.data + offset, buf, inside);
	return inside;
}

static int memory_write(struct ref_device *dev, uint64_t offset, const uint8_t *buf, size_t size)
{
	ref_memory_mark(&dev->memory, offset, memory_put(dev, offset, buf, size));
	return 0;
}

static int registers_read(struct ref_device *dev, uint64_t offset, uint8_t *buf, size_t size)
{
	ref_registers_read(&dev->regs, offset, buf, size);
	return 0;
}

static int msix_read(struct ref_device *dev, uint64_t offset, uint8_t *buf, size_t size)
{
	ref_pci_msix_read(&dev->pci, dev->irqs.pending, offset, buf, size);
	return 0;
}

static int msix_write(struct ref_device *dev, uint64_t offset, const uint8_t *buf, size_t size)
{
	ref_pci_msix_write(&dev->pci, offset, buf, size);
	return 0;
}

static int config_read(struct ref_device *dev, uint64_t offset, uint8_t *buf, size_t size)
{
	ref_pci_config_read(&dev->pci, offset, buf, size);
	return 0;
}

static int config_write(struct ref_device *dev, uint64_t offset, const uint8_t *buf, size_t size)
{
	ref_pci_config_write(&dev->pci, offset, buf, size);
	return 0;
}

static const struct region {
	uint64_t size; /* 0 with functions: the memory BAR's */
	bool is_state; /* not to be written while the state is read or loaded */
	int (*read)(struct ref_device *dev, uint64_t offset, uint8_t *buf, size_t size);
	int (*write)(struct ref_device *dev, uint64_t offset, const uint8_t *buf, size_t size);
} regions[REGION_COUNT] = {
	[REFDEV_BAR_REGISTERS] = { REFDEV_REGISTERS_SIZE, true, registers_read, ref_registers_write },
	[REFDEV_BAR_MEMORY] = { 0, true, memory_read, memory_write },
	[REFDEV_BAR_MSIX] = { REFDEV_MSIX_SIZE, false, msix_read, msix_write },
	[VFIO_PCI_CONFIG_REGION_INDEX] = { PCI_CONFIG_BYTES, false, config_read, config_write },
};

uint64_t ref_region_size(const struct ref_device *dev, uint32_t index)
{
	return index == REFDEV_BAR_MEMORY ? dev->memory.bar_size : regions[index].size;
}

uint32_t ref_region_flags(uint32_t index)
{
	uint32_t flags = regions[index].read ? VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE : 0;

	if (index == REFDEV_BAR_MEMORY)
		flags |= VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
	return flags;
}

int ref_region_share(struct ref_device *dev, uint32_t index, uint64_t *offset, uint64_t *size)
{
	int fd;

	pthread_mutex_lock(&dev->lock);
	fd = ref_memory_share(&dev->memory);
	pthread_mutex_unlock(&dev->lock);
	*offset = dev->memory.window;
	*size = dev->memory.size - dev->memory.window;
	return fd;
}

static int check(const struct ref_device *dev, uint32_t index, uint64_t offset, size_t size)
{
	uint64_t region_size;

	if (index >= REGION_COUNT || !regions[index].read)
		return -EINVAL;
	region_size = ref_region_size(dev, index);
	return offset > region_size || size > region_size - offset ? -EINVAL : 0;
}

int ref_region_read(struct ref_device *dev, uint32_t index, uint64_t offset, uint8_t *buf, size_t size)
{
	int ret = check(dev, index, offset, size);

	while (!ret && size) {
		size_t n = size < MEMORY_BLOCK_BYTES ? size : MEMORY_BLOCK_BYTES;

		pthread_mutex_lock(&dev->lock);
		ret = regions[index].read(dev, offset, buf, n);
		pthread_mutex_unlock(&dev->lock);
		offset += n;
		buf += n;
		size -= n;
	}
	return ret;
}

static bool is_frozen(const struct ref_device *dev, uint32_t index)
{
	uint32_t state = dev->migration.state;

	return regions[index].is_state && !ref_mig_state_runs(state) &&
	       ref_mig_state_session(state) != MIG_SESSION_NONE;
}

int ref_region_write(struct ref_device *dev, uint32_t index, uint64_t offset, const uint8_t *buf, size_t size)
{
	struct strike strike = ref_fault(dev, FAULT_REGION, ref_migration_state(dev), index);
	int ret = strike.ret ? strike.ret : check(dev, index, offset, size);

	if (!ret && strike.action == FAULT_FORGET && index == REFDEV_BAR_MEMORY) {
		memory_put(dev, offset, buf, size);
		return 0;
	}
	while (!ret && size) {
		size_t n = size < MEMORY_BLOCK_BYTES ? size : MEMORY_BLOCK_BYTES;

		pthread_mutex_lock(&dev->lock);
		ret = is_frozen(dev, index) ? -EBUSY : regions[index].write(dev, offset, buf, n);
		pthread_mutex_unlock(&dev->lock);
		offset += n;
		buf += n;
		size -= n;
	}
	return ret;
}
