/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration mechanism #1: an address at 0xcf8, and behind 0xcfc what is there. */
#include "ref/board/pci_host.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#define PORT_ADDRESS     0xcf8
#define NR_PORTS         8
#define DATA             4 /* from PORT_ADDRESS on */
#define ADDRESS_ENABLE   (1u << 31)
#define ADDRESS_WRITABLE 0x80fffffc
#define BRIDGE_ID        0x12378086 /* 440FX */
#define BRIDGE_CLASS     0x06000000

/* The number of a device on bus 0, function 0; -1: the address is of nobody. */
static int device_of(uint32_t address)
{
	if (!(address & ADDRESS_ENABLE) || address >> 16 & 0xff || address >> 8 & 7)
		return -1;
	return (int)(address >> 11 & 0x1f);
}

static void bridge_read(uint32_t at, uint8_t *data, uint32_t size_bytes)
{
	const uint32_t words[] = { [PCI_VENDOR_ID / 4] = BRIDGE_ID, [PCI_CLASS_REVISION / 4] = BRIDGE_CLASS };

	memset(data, 0, size_bytes);
	if (at + size_bytes <= sizeof(words))
		memcpy(data, (const uint8_t *)words + at, size_bytes);
}

/* What the address and the port together name. Lock held. */
static struct pci_device *device_at(struct pci_host *host, uint64_t offset, int *number, uint32_t *at)
{
	*number = device_of(host->address);
	*at = (host->address & 0xfc) + (uint32_t)(offset - DATA);
	return *number > 0 && (uint32_t)*number <= host->nr_devices ? &host->devices[*number - 1] : NULL;
}

static int is_data(uint64_t offset, uint32_t size_bytes)
{
	return offset >= DATA && offset + size_bytes <= NR_PORTS;
}

static int is_address(uint64_t offset, uint32_t size_bytes)
{
	return !offset && size_bytes == sizeof(uint32_t);
}

static void host_read(void *ctx, uint64_t offset, void *data, uint32_t size_bytes)
{
	struct pci_host *host = ctx;
	struct pci_device *device;
	uint32_t at;
	int number;

	memset(data, 0xff, size_bytes);
	pthread_mutex_lock(&host->lock);
	device = device_at(host, offset, &number, &at);
	if (is_address(offset, size_bytes))
		memcpy(data, &host->address, sizeof(host->address));
	else if (is_data(offset, size_bytes) && device)
		pci_device_config_read(device, at, data, size_bytes);
	else if (is_data(offset, size_bytes) && !number)
		bridge_read(at, data, size_bytes);
	pthread_mutex_unlock(&host->lock);
}

static void host_write(void *ctx, uint64_t offset, const void *data, uint32_t size_bytes)
{
	struct pci_host *host = ctx;
	struct pci_device *device;
	uint32_t at;
	int number;

	pthread_mutex_lock(&host->lock);
	device = device_at(host, offset, &number, &at);
	if (is_address(offset, size_bytes)) {
		memcpy(&host->address, data, sizeof(host->address));
		host->address &= ADDRESS_WRITABLE;
	} else if (is_data(offset, size_bytes) && device && pci_device_config_write(device, at, data, size_bytes)) {
		for (uint32_t i = 0; i < host->nr_devices; i++)
			pci_device_decode(&host->devices[i], NULL);
	}
	pthread_mutex_unlock(&host->lock);
}

static const struct bus_ops host_ops = { host_read, host_write };

int pci_host_open(struct pci_host *host, struct bus *ports, struct pci_device *devices, uint32_t nr_devices)
{
	*host = (struct pci_host){ .devices = devices, .nr_devices = nr_devices };
	pthread_mutex_init(&host->lock, NULL);
	return bus_add(ports, PORT_ADDRESS, NR_PORTS, &host_ops, host);
}

void pci_host_close(struct pci_host *host, struct bus *ports)
{
	bus_remove(ports, PORT_ADDRESS);
	pthread_mutex_destroy(&host->lock);
}

void pci_host_save(struct pci_host *host, struct blob_out *out)
{
	blob_put_u32(out, host->address);
}

int pci_host_load(struct pci_host *host, struct blob_in *in)
{
	uint32_t address = blob_get_u32(in);

	if (in->bad || address & ~ADDRESS_WRITABLE)
		return -EBADMSG;
	host->address = address;
	return 0;
}
