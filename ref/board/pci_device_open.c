/* SPDX-License-Identifier: BSD-3-Clause */
/* A device as firmware leaves it to the guest: what of its configuration space is the VM's, and where its BARs are. */
#include "ref/board/pci_device.h"

#include <errno.h>
#include <string.h>

#define MSIX_CAP_BYTES 12

static int read_config(struct pci_device *device, uint8_t *own, struct gw_error *e)
{
	struct gw_region_info info = { 0 };
	struct gw_error cause = GW_ERROR_NONE;
	ssize_t ret;

	memset(own, 0, PCI_CONFIG_BYTES);
	if (!gw_device_region_info(device->dev, GW_REGION_CONFIG, &info, NULL))
		device->config_bytes =
			info.size_bytes < PCI_CONFIG_BYTES ? (uint32_t)info.size_bytes : PCI_CONFIG_BYTES;
	if (device->config_bytes < PCI_STD_HEADER_SIZEOF)
		return gw_error_set(e, -ENOTSUP, gw_device_id(device->dev),
				    "it is no PCI device: a KVM guest has a PCI bus");
	ret = gw_device_region_read(device->dev, GW_REGION_CONFIG, 0, own, device->config_bytes, &cause);
	if (ret != (ssize_t)device->config_bytes)
		return gw_error_set(e, ret < 0 ? (int)ret : -EIO, gw_device_id(device->dev),
				    "its configuration space cannot be read: %s",
				    cause.code ? cause.what : "it is cut off");
	if ((own[PCI_HEADER_TYPE] & PCI_HEADER_TYPE_MASK) != PCI_HEADER_TYPE_NORMAL)
		return gw_error_set(e, -ENOTSUP, gw_device_id(device->dev), "it is a PCI bridge, not a device");
	return 0;
}

static void hide_capability(struct pci_device *device, uint8_t *own, uint8_t id)
{
	uint32_t link, at;

	for (int i = 0; i < PCI_CONFIG_MAX_CAPABILITIES; i++) {
		at = pci_config_find(own, id, &link);
		if (!at)
			return;
		own[link] = own[at + PCI_CAP_LIST_NEXT];
		pci_config_own(&device->config, link, 1, 0xff, own[link], 0);
	}
}

static uint32_t word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* All of the capability is kept here: a device that says something else later does not move its table. */
static int open_msix(struct pci_device *device, const struct pci_device_config *config, uint8_t *own,
		     struct gw_error *e)
{
	struct msix_config of_msix = {
		.dev = config->dev,
		.routes = config->routes,
		.vm_fd = config->vm->vm_fd,
		.nr_failed = &device->nr_failed,
	};
	uint32_t link, at = pci_config_find(own, PCI_CAP_ID_MSIX, &link);
	int ret;

	if (at && at + MSIX_CAP_BYTES <= PCI_CONFIG_BYTES)
		of_msix.capability = own + at;
	ret = msix_open(&device->msix, &of_msix, e);
	if (ret || !device->msix.nr_vectors) {
		hide_capability(device, own, PCI_CAP_ID_MSIX);
		return ret;
	}
	device->msix_at = at;
	pci_config_own(&device->config, at, 4, ~0u, word(own + at) & ~((uint32_t)PCI_MSIX_BITS << 16),
		       (uint32_t)PCI_MSIX_BITS << 16);
	pci_config_own(&device->config, at + PCI_MSIX_TABLE, 4, ~0u, word(own + at + PCI_MSIX_TABLE), 0);
	pci_config_own(&device->config, at + PCI_MSIX_PBA, 4, ~0u, word(own + at + PCI_MSIX_PBA), 0);
	return 0;
}

static int open_intx(struct pci_device *device, const struct pci_device_config *config, struct gw_error *e)
{
	struct intx_config of_intx = {
		.dev = config->dev,
		.vm_fd = config->vm->vm_fd,
		.gsi = config->gsi,
		.nr_failed = &device->nr_failed,
	};
	int ret = intx_open(&device->intx, &of_intx, e);

	pci_config_own(&device->config, PCI_INTERRUPT_LINE, 1, 0xff, config->gsi, 0xff);
	pci_config_own(&device->config, PCI_INTERRUPT_PIN, 1, 0xff, device->intx.present, 0);
	return ret;
}

static int place_bar(struct pci_device *device, struct pci_bar *bar, uint32_t flags, struct pci_windows *windows,
		     struct gw_error *e)
{
	uint64_t base, writable = ~(bar->size_bytes - 1);
	uint32_t at = PCI_BAR_REGISTER(bar->index);

	if (pci_bar_place(bar, windows, &base))
		return gw_error_set(e, -ENOSPC, gw_device_id(device->dev),
				    "no address is left for its BAR %u of %llu bytes", bar->index,
				    (unsigned long long)bar->size_bytes);
	pci_config_own(&device->config, at, 4, ~0u, (uint32_t)base | flags, (uint32_t)writable);
	if (bar->kind == PCI_BAR_MEMORY64)
		pci_config_own(&device->config, at + 4, 4, ~0u, (uint32_t)(base >> 32), (uint32_t)(writable >> 32));
	return 0;
}

static uint32_t flags_of(const struct pci_bar *bar, uint32_t value)
{
	if (bar->kind == PCI_BAR_IO)
		return PCI_BASE_ADDRESS_SPACE_IO;
	return (value & PCI_BASE_ADDRESS_MEM_PREFETCH) |
	       (bar->kind == PCI_BAR_MEMORY64 ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0);
}

static int open_bars(struct pci_device *device, const struct pci_device_config *config, const uint8_t *own,
		     struct gw_error *e)
{
	struct pci_bar_config of_bar = {
		.dev = config->dev,
		.msix = &device->msix,
		.vm = config->vm,
		.ports = config->ports,
		.memory = config->memory,
		.nr_failed = &device->nr_failed,
	};
	int ret = 0;

	for (uint32_t i = 0; !ret && i < PCI_NR_BARS; i++) {
		struct pci_bar *bar = &device->bars[i];

		of_bar.index = i;
		of_bar.value = word(own + PCI_BAR_REGISTER(i));
		ret = pci_bar_open(bar, &of_bar, e);
		if (ret || bar->kind == PCI_BAR_NONE)
			continue;
		ret = place_bar(device, bar, flags_of(bar, of_bar.value), config->windows, e);
		if (bar->kind == PCI_BAR_MEMORY64)
			i++; /* the register after it is its upper half */
	}
	return ret;
}

static int lies_in_bar(const struct pci_device *device, const struct msix_place *place)
{
	const struct pci_bar *bar = place->bar < PCI_NR_BARS ? &device->bars[place->bar] : NULL;

	return bar && (bar->kind == PCI_BAR_MEMORY || bar->kind == PCI_BAR_MEMORY64) &&
	       place->offset + place->size_bytes <= bar->size_bytes;
}

/* Memory and ports are decoded where the device has such BARs; bus mastering is for the driver to switch on. */
static int start_decoding(struct pci_device *device, struct gw_error *e)
{
	uint32_t command = 0;
	uint8_t bytes[2];
	int ret;

	for (uint32_t i = 0; i < PCI_NR_BARS; i++) {
		if (device->bars[i].kind == PCI_BAR_IO)
			command |= PCI_COMMAND_IO;
		else if (device->bars[i].kind != PCI_BAR_NONE)
			command |= PCI_COMMAND_MEMORY;
	}
	memcpy(bytes, &command, sizeof(bytes));
	pci_config_write(&device->config, PCI_COMMAND, bytes, sizeof(bytes));
	ret = pci_device_write_command(device, e);
	return ret ? ret : pci_device_decode(device, e);
}

static int set_up(struct pci_device *device, const struct pci_device_config *config, struct gw_error *e)
{
	uint8_t own[PCI_CONFIG_BYTES];
	int ret = read_config(device, own, e);

	if (ret)
		return ret;
	pci_config_own(&device->config, PCI_COMMAND, 2, 0xffff, 0, PCI_COMMAND_BITS);
	pci_config_own(&device->config, PCI_HEADER_TYPE, 1, 0x80, 0, 0); /* it is one function */
	pci_config_own(&device->config, PCI_ROM_ADDRESS, 4, ~0u, 0, 0);
	for (uint32_t i = 0; i < PCI_NR_BARS; i++)
		pci_config_own(&device->config, PCI_BAR_REGISTER(i), 4, ~0u, 0, 0);
	/* MSI would take the device away from INTx or MSI-X, one of which every device with MSI has beside it. */
	hide_capability(device, own, PCI_CAP_ID_MSI);
	ret = open_msix(device, config, own, e);
	if (!ret)
		ret = open_intx(device, config, e);
	if (!ret)
		ret = open_bars(device, config, own, e);
	if (ret)
		return ret;
	if (device->msix.nr_vectors &&
	    !(lies_in_bar(device, &device->msix.table) && lies_in_bar(device, &device->msix.pba)))
		return gw_error_set(e, -EINVAL, gw_device_id(device->dev), "its MSI-X table does not lie in a BAR");
	ret = start_decoding(device, e);
	return ret ? ret : intx_set(&device->intx, 1, e);
}

int pci_device_open(struct pci_device *device, const struct pci_device_config *config, struct gw_error *e)
{
	int ret;

	memset(device, 0, sizeof(*device));
	device->dev = config->dev;
	device->number = config->number;
	ret = set_up(device, config, e);
	if (ret)
		pci_device_close(device);
	return ret;
}

void pci_device_close(struct pci_device *device)
{
	for (uint32_t i = 0; i < PCI_NR_BARS; i++)
		pci_bar_close(&device->bars[i]);
	intx_close(&device->intx);
	msix_close(&device->msix);
}
