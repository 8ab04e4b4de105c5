/* SPDX-License-Identifier: BSD-3-Clause */
/* The VM's devices as each other's peers. */
#include "ref/guest/peers.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WINDOW_REGION (GW_REGION_BAR0 + 2)
#define WINDOWS_IOVA  (1ull << 45) /* beyond any RAM, and within 46 bits with the last device's */
#define IOVA_OF_EACH  (1ull << 40)

static int map_for_others(const struct peer_window *window, const struct gw_region_map *part,
			  struct gw_device *const *devices, uint32_t nr_devices, uint32_t owner, struct gw_error *e)
{
	struct gw_dma_map map = {
		.iova = window->iova,
		.size_bytes = window->size_bytes,
		.hva = window->hva,
		.fd = part->fd,
		.fd_offset = part->fd_offset,
		.prot = GW_DMA_READ | GW_DMA_WRITE,
	};

	for (uint32_t i = 0; i < nr_devices; i++) {
		struct gw_error cause = GW_ERROR_NONE;
		int ret = i == owner ? 0 : gw_device_dma_map(devices[i], &map, &cause);

		if (ret)
			return gw_error_set(e, ret, gw_device_id(devices[i]),
					    "the memory of %s cannot be mapped for it: %s", window->id,
					    cause.code ? cause.what : strerror(-ret));
	}
	return 0;
}

static int map_here(struct peer_window *window, const struct gw_region_map *part)
{
	void *hva;

	if (part->size_bytes > IOVA_OF_EACH || part->region_offset > IOVA_OF_EACH - part->size_bytes)
		return -EFBIG;
	hva = mmap(NULL, part->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, part->fd, (off_t)part->fd_offset);
	if (hva == MAP_FAILED)
		return -errno;
	window->hva = hva;
	window->size_bytes = part->size_bytes;
	return 0;
}

/* Of a window in several parts the first is used. */
static int open_window(struct peers *peers, struct gw_device *const *devices, uint32_t nr_devices, uint32_t owner,
		       struct gw_error *e)
{
	struct peer_window *window = &peers->windows[owner];
	struct gw_error cause = GW_ERROR_NONE;
	struct gw_region_map part;
	int ret = gw_device_region_map(devices[owner], WINDOW_REGION, 0, &part, &cause);

	window->id = gw_device_id(devices[owner]);
	if (ret)
		return gw_error_set(e, ret, window->id, "other devices cannot reach its memory: %s",
				    cause.code ? cause.what : strerror(-ret));
	ret = map_here(window, &part);
	if (ret) {
		gw_error_set(e, ret, window->id, "its memory cannot be mapped: %s", strerror(-ret));
	} else {
		window->iova = WINDOWS_IOVA + owner * IOVA_OF_EACH + part.region_offset;
		peers->nr = owner + 1;
		ret = map_for_others(window, &part, devices, nr_devices, owner, e);
	}
	close(part.fd);
	return ret;
}

int peers_open(struct peers *peers, struct gw_device *const *devices, uint32_t nr_devices, struct gw_error *e)
{
	int ret = 0;

	peers->nr = 0;
	if (nr_devices < 2)
		return gw_error_set(e, -EINVAL, "devices", "with --p2p there must be two at least");
	for (uint32_t i = 0; !ret && i < nr_devices; i++)
		ret = open_window(peers, devices, nr_devices, i, e);
	if (ret)
		peers_close(peers);
	return ret;
}

void peers_close(struct peers *peers)
{
	while (peers->nr) {
		struct peer_window *window = &peers->windows[--peers->nr];

		munmap(window->hva, window->size_bytes);
	}
}

const struct peer_window *peers_next(const struct peers *peers, uint32_t device)
{
	return peers && peers->nr ? &peers->windows[(device + 1) % peers->nr] : NULL;
}
