/* SPDX-License-Identifier: BSD-3-Clause */
/* What follows from what the guest writes to a device's configuration space; the device's state. */
#include "ref/board/pci_device.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

static uint32_t command_of(const struct pci_device *device)
{
	return pci_config_get(&device->config, PCI_COMMAND, 2);
}

static uint32_t msix_control_of(const struct pci_device *device)
{
	return device->msix_at ? pci_config_get(&device->config, device->msix_at + PCI_MSIX_FLAGS, 2) : 0;
}

static int wants_intx(const struct pci_device *device)
{
	return !(command_of(device) & PCI_COMMAND_INTX_DISABLE) && !(msix_control_of(device) & PCI_MSIX_FLAGS_ENABLE);
}

static uint64_t address_of(const struct pci_device *device, const struct pci_bar *bar)
{
	uint64_t low = pci_config_get(&device->config, PCI_BAR_REGISTER(bar->index), 4), high = 0;

	if (bar->kind == PCI_BAR_IO)
		return low & PCI_BASE_ADDRESS_IO_MASK;
	if (bar->kind == PCI_BAR_MEMORY64)
		high = pci_config_get(&device->config, PCI_BAR_REGISTER(bar->index + 1), 4);
	return (high << 32 | low) & PCI_BASE_ADDRESS_MEM_MASK;
}

static int wants_bar(const struct pci_device *device, const struct pci_bar *bar)
{
	uint32_t enable = bar->kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;

	return bar->kind != PCI_BAR_NONE && command_of(device) & enable;
}

static void hide_moved(struct pci_device *device)
{
	for (uint32_t i = 0; i < PCI_NR_BARS; i++) {
		struct pci_bar *bar = &device->bars[i];

		if (bar->shown && (!wants_bar(device, bar) || address_of(device, bar) != bar->base))
			pci_bar_hide(bar);
	}
}

/* All that can be seen are, whatever comes of one of them. */
int pci_device_decode(struct pci_device *device, struct gw_error *e)
{
	int ret = 0;

	for (uint32_t i = 0; i < PCI_NR_BARS; i++) {
		struct pci_bar *bar = &device->bars[i];
		int failed = 0;

		if (!bar->shown && wants_bar(device, bar))
			failed = pci_bar_show(bar, address_of(device, bar), e);
		ret = ret ? ret : failed;
	}
	return ret;
}

static int write_device(struct pci_device *device, uint32_t at, const void *data, uint32_t size_bytes,
			struct gw_error *e)
{
	struct gw_error cause = GW_ERROR_NONE;
	ssize_t ret;

	if (at + size_bytes > device->config_bytes)
		return 0;
	ret = gw_device_region_write(device->dev, GW_REGION_CONFIG, at, data, size_bytes, &cause);
	if (ret == (ssize_t)size_bytes)
		return 0;
	return gw_error_set(e, ret < 0 ? (int)ret : -EIO, gw_device_id(device->dev),
			    "its configuration space cannot be written: %s", cause.code ? cause.what : "it takes less");
}

int pci_device_write_command(struct pci_device *device, struct gw_error *e)
{
	return write_device(device, PCI_COMMAND, device->config.value + PCI_COMMAND, 2, e);
}

void pci_device_config_read(struct pci_device *device, uint32_t at, void *data, uint32_t size_bytes)
{
	memset(data, 0xff, size_bytes);
	if (at + size_bytes <= device->config_bytes &&
	    gw_device_region_read(device->dev, GW_REGION_CONFIG, at, data, size_bytes, NULL) != (ssize_t)size_bytes) {
		memset(data, 0xff, size_bytes);
		device->nr_failed++;
	}
	pci_config_overlay(&device->config, at, data, size_bytes);
}

static int is_command(uint32_t at)
{
	return at == PCI_COMMAND || at == PCI_COMMAND + 1;
}

/* Bytes that are the VM's stop here, but the command register: a kernel device has to know that it is switched on. */
static void pass_on(struct pci_device *device, uint32_t at, const uint8_t *data, uint32_t size_bytes)
{
	uint8_t bytes[4];
	uint32_t passing = 0;
	int ret = 0;

	for (uint32_t i = 0; i < size_bytes; i++) {
		bytes[i] = is_command(at + i) ? device->config.value[at + i] : data[i];
		if (is_command(at + i) || !device->config.ours[at + i])
			passing |= 1u << i;
	}
	if (passing == (1u << size_bytes) - 1)
		ret = write_device(device, at, bytes, size_bytes, NULL);
	else
		for (uint32_t i = 0; i < size_bytes; i++)
			if (passing & 1u << i)
				ret |= write_device(device, at + i, bytes + i, 1, NULL);
	if (ret)
		device->nr_failed++;
}

/* Of a kernel device one kind of interrupt can be bound at a time: the one that goes goes first. */
static void settle_interrupts(struct pci_device *device)
{
	int intx = wants_intx(device), ret = 0;

	if (!intx)
		intx_set(&device->intx, 0, NULL);
	msix_set_control(&device->msix, msix_control_of(device));
	if (intx)
		ret = intx_set(&device->intx, 1, NULL);
	if (ret)
		device->nr_failed++;
}

static int touches(uint32_t at, uint32_t size_bytes, uint32_t from, uint32_t to)
{
	return at < to && from < at + size_bytes;
}

int pci_device_config_write(struct pci_device *device, uint32_t at, const void *data, uint32_t size_bytes)
{
	uint32_t command = command_of(device), control = msix_control_of(device);

	pci_config_write(&device->config, at, data, size_bytes);
	hide_moved(device); /* a kernel device must not be reached where it has been switched off */
	pass_on(device, at, data, size_bytes);
	if (((command ^ command_of(device)) & PCI_COMMAND_INTX_DISABLE) || control != msix_control_of(device))
		settle_interrupts(device);
	return touches(at, size_bytes, PCI_COMMAND, PCI_COMMAND + 2) ||
	       touches(at, size_bytes, PCI_BAR_REGISTER(0), PCI_BAR_REGISTER(PCI_NR_BARS));
}

void pci_device_hold(struct pci_device *device)
{
	msix_hold(&device->msix);
	intx_hold(&device->intx);
}

int pci_device_release(struct pci_device *device, struct gw_error *e)
{
	int ret = msix_release(&device->msix, e);

	return ret ? ret : intx_release(&device->intx, e);
}

void pci_device_save(struct pci_device *device, struct blob_out *out)
{
	blob_put_u32(out, command_of(device));
	for (uint32_t i = 0; i < PCI_NR_BARS; i++)
		blob_put_u32(out, pci_config_get(&device->config, PCI_BAR_REGISTER(i), 4));
	blob_put_u32(out, pci_config_get(&device->config, PCI_INTERRUPT_LINE, 1));
	blob_put_u32(out, msix_control_of(device) & PCI_MSIX_BITS);
	msix_save(&device->msix, out);
	intx_save(&device->intx, out);
}

struct saved_config {
	uint32_t command;
	uint32_t bars[PCI_NR_BARS];
	uint32_t line;
	uint32_t msix_control;
};

/* A BAR's bits that the guest cannot write are its size and kind: those of this device. */
static int decode(const struct pci_device *device, struct saved_config *saved, struct blob_in *in)
{
	int sane;

	saved->command = blob_get_u32(in);
	sane = !(saved->command & ~PCI_COMMAND_BITS);
	for (uint32_t i = 0; i < PCI_NR_BARS; i++) {
		uint32_t writable = 0;

		memcpy(&writable, device->config.writable + PCI_BAR_REGISTER(i), sizeof(writable));
		saved->bars[i] = blob_get_u32(in);
		sane &= !((saved->bars[i] ^ pci_config_get(&device->config, PCI_BAR_REGISTER(i), 4)) & ~writable);
	}
	saved->line = blob_get_u32(in);
	saved->msix_control = blob_get_u32(in);
	sane &= saved->line <= UINT8_MAX && !(saved->msix_control & ~(device->msix_at ? PCI_MSIX_BITS : 0));
	return sane && !in->bad ? 0 : -EBADMSG;
}

static int adopt(struct pci_device *device, const struct saved_config *saved, struct gw_error *e)
{
	uint8_t control[2] = { (uint8_t)saved->msix_control, (uint8_t)(saved->msix_control >> 8) };

	for (uint32_t i = 0; i < PCI_NR_BARS; i++) {
		pci_bar_hide(&device->bars[i]);
		pci_config_set(&device->config, PCI_BAR_REGISTER(i), 4, saved->bars[i]);
	}
	pci_config_set(&device->config, PCI_COMMAND, 2, saved->command);
	pci_config_set(&device->config, PCI_INTERRUPT_LINE, 1, saved->line);
	if (device->msix_at)
		pci_config_write(&device->config, device->msix_at + PCI_MSIX_FLAGS, control, sizeof(control));
	return pci_device_write_command(device, e);
}

int pci_device_load(struct pci_device *device, struct blob_in *in, struct gw_error *e)
{
	struct saved_config saved;
	int ret = decode(device, &saved, in);

	if (ret)
		return gw_error_set(e, ret, gw_device_id(device->dev), "its PCI state is malformed");
	pci_device_hold(device);
	intx_set(&device->intx, 0, NULL);
	ret = adopt(device, &saved, e);
	if (!ret)
		ret = msix_load(&device->msix, saved.msix_control, in, e);
	if (!ret)
		ret = intx_load(&device->intx, wants_intx(device), in, e);
	return ret;
}
