/* SPDX-License-Identifier: BSD-3-Clause */
/* The board: its parts, put together, opened and closed in order, saved and loaded. */
#include "ref/board/board.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define DEBUG_PORT_READS 0xe9 /* how software finds out that there is one */

static void debug_read(void *ctx, uint64_t offset, void *data, uint32_t size_bytes)
{
	memset(data, DEBUG_PORT_READS, size_bytes);
}

/*
 * As the serial console: a reader that is slow or gone loses bytes, for a vCPU that waits for one cannot be paused. The
 * console's lock, because what it writes could fill the pipe between the two calls.
 */
static void debug_write(void *ctx, uint64_t offset, const void *data, uint32_t size_bytes)
{
	struct board *board = ctx;
	struct pollfd out = { .fd = board->console_fd, .events = POLLOUT };
	ssize_t ret = 0;

	pthread_mutex_lock(&board->serial.lock);
	if (board->console_fd >= 0 && poll(&out, 1, 0) == 1)
		do
			ret = write(board->console_fd, data, size_bytes);
		while (ret < 0 && errno == EINTR);
	pthread_mutex_unlock(&board->serial.lock);
}

static void pci_ports_read(void *ctx, uint64_t offset, void *data, uint32_t size_bytes)
{
	bus_read(ctx, BOARD_PCI_PORTS_BASE + offset, data, size_bytes);
}

static void pci_ports_write(void *ctx, uint64_t offset, const void *data, uint32_t size_bytes)
{
	bus_write(ctx, BOARD_PCI_PORTS_BASE + offset, data, size_bytes);
}

static const struct bus_ops debug_ops = { debug_read, debug_write };
static const struct bus_ops pci_ports_ops = { pci_ports_read, pci_ports_write };

static void open_chips(struct board *board, const struct board_config *config)
{
	bus_init(&board->ports);
	bus_init(&board->pci_ports);
	bus_init(&board->memory);
	serial_init(&board->serial, config->vm->vm_fd, BOARD_IRQ_SERIAL, config->console_fd);
	bus_add(&board->ports, BOARD_PORT_DEBUG, 1, &debug_ops, board);
	bus_add(&board->ports, BOARD_PORT_SERIAL, SERIAL_PORTS, &serial_bus_ops, &board->serial);
	bus_add(&board->ports, BOARD_PCI_PORTS_BASE, BOARD_PCI_PORTS_END - BOARD_PCI_PORTS_BASE, &pci_ports_ops,
		&board->pci_ports);
	pci_host_open(&board->host, &board->ports, board->devices, config->nr_devices);
	board->nr_devices = config->nr_devices;
	board->console_fd = config->console_fd;
	board->is_open = 1;
}

int board_open(struct board *board, const struct board_config *config, struct gw_error *e)
{
	struct pci_windows windows = { BOARD_FIRST_PCI_PORT, BOARD_PCI_BASE, BOARD_PCI64_BASE };
	int ret;

	memset(board, 0, sizeof(*board));
	if (config->nr_devices > BOARD_MAX_DEVICES)
		return gw_error_set(e, -EINVAL, "board", "%u devices do not fit behind its PCI bridge, %u do",
				    config->nr_devices, BOARD_MAX_DEVICES);
	open_chips(board, config);
	ret = routes_open(&board->routes, config->vm->vm_fd, e);
	for (uint32_t i = 0; !ret && i < config->nr_devices; i++) {
		struct pci_device_config of_device = {
			.dev = config->devices[i],
			.number = i + 1,
			.gsi = BOARD_INTX_GSI(i + 1),
			.vm = config->vm,
			.routes = &board->routes,
			.ports = &board->pci_ports,
			.memory = &board->memory,
			.windows = &windows,
		};

		ret = pci_device_open(&board->devices[i], &of_device, e);
	}
	if (ret)
		board_close(board);
	return ret;
}

void board_close(struct board *board)
{
	if (!board->is_open)
		return;
	for (uint32_t i = 0; i < board->nr_devices; i++)
		pci_device_close(&board->devices[i]);
	pci_host_close(&board->host, &board->ports);
	routes_close(&board->routes);
	serial_fini(&board->serial);
	bus_fini(&board->memory);
	bus_fini(&board->pci_ports);
	bus_fini(&board->ports);
	board->is_open = 0;
}

void board_hold_interrupts(struct board *board)
{
	for (uint32_t i = 0; i < board->nr_devices; i++)
		pci_device_hold(&board->devices[i]);
}

int board_release_interrupts(struct board *board, struct gw_error *e)
{
	int ret = 0;

	serial_resume(&board->serial);
	for (uint32_t i = 0; !ret && i < board->nr_devices; i++)
		ret = pci_device_release(&board->devices[i], e);
	return ret;
}

void board_save(struct board *board, struct blob_out *out)
{
	size_t part = blob_begin(out);

	pci_host_save(&board->host, out);
	blob_end(out, part);
	part = blob_begin(out);
	serial_save(&board->serial, out);
	blob_end(out, part);
	blob_put_u32(out, board->nr_devices);
	for (uint32_t i = 0; i < board->nr_devices; i++) {
		part = blob_begin(out);
		pci_device_save(&board->devices[i], out);
		blob_end(out, part);
	}
}

static int malformed(const char *what, struct gw_error *e)
{
	return gw_error_set(e, -EBADMSG, "board", "the state of %s is malformed", what);
}

static int load_device(struct pci_device *device, struct blob_in *in, struct gw_error *e)
{
	struct blob_in part = blob_get_part(in);
	int ret = pci_device_load(device, &part, e);

	return ret || blob_ended(&part) ? ret : malformed("a device", e);
}

int board_load(struct board *board, struct blob_in *in, struct gw_error *e)
{
	struct blob_in host = blob_get_part(in), serial = blob_get_part(in);
	int ret = 0;

	board_hold_interrupts(board);
	if (pci_host_load(&board->host, &host) || !blob_ended(&host))
		return malformed("the PCI bridge", e);
	if (serial_load(&board->serial, &serial) || !blob_ended(&serial))
		return malformed("the console", e);
	if (blob_get_u32(in) != board->nr_devices || in->bad)
		return gw_error_set(e, -EBADMSG, "board", "it comes with other devices than the %u of this VM",
				    board->nr_devices);
	for (uint32_t i = 0; !ret && i < board->nr_devices; i++)
		ret = load_device(&board->devices[i], in, e);
	/* Only now: the BARs of one device may lie where those of another were before the load. */
	for (uint32_t i = 0; i < board->nr_devices; i++)
		pci_device_decode(&board->devices[i], NULL);
	return ret;
}
