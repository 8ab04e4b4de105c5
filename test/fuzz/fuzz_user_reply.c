/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes what a vfio-user client takes from its server. The input is a list of bursts (flags u8, bytes u16, then as
 * many bytes); the server, a thread, sends one for each request that comes, and hangs up after the last. Bit 0 of the
 * flags puts the number, the command and the burst's size into its first message, so that it is an answer; without
 * it the bytes go out as they are. The client makes every call of its table once; most end with the connection.
 */
#include "device/device.h"
#include "device/user.h"
#include "test/fuzz/fuzz.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER_BYTES 16u
#define GUEST_BYTES  4096u
#define GUEST_IOVA   0x10000u
#define PATIENCE_MS  10 /* a burst that is no whole answer gets no next request */

struct server {
	int fd;
	const uint8_t *at;
	size_t left;
};

/* Reads a request off the socket. -1: none came. */
static int take_request(int fd, uint8_t header[HEADER_BYTES])
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	uint8_t nowhere[4096];
	uint32_t size;

	if (poll(&poller, 1, PATIENCE_MS) <= 0 || recv(fd, header, HEADER_BYTES, MSG_WAITALL) != HEADER_BYTES)
		return -1;
	memcpy(&size, header + 4, sizeof(size));
	for (size -= HEADER_BYTES; size;) {
		ssize_t n = recv(fd, nowhere, size < sizeof(nowhere) ? size : sizeof(nowhere), 0);

		if (n <= 0)
			return -1;
		size -= (uint32_t)n;
	}
	return 0;
}

static void send_burst(struct server *s, uint8_t flags, const uint8_t *bytes, uint16_t nr, const uint8_t *request)
{
	uint8_t *burst = malloc(nr + 1u);
	uint32_t size = nr;

	memcpy(burst, bytes, nr);
	if (flags & 1 && nr >= HEADER_BYTES) {
		memcpy(burst, request, 4);
		memcpy(burst + 4, &size, sizeof(size));
	}
	send(s->fd, burst, nr, MSG_NOSIGNAL | MSG_DONTWAIT);
	free(burst);
}

static void *serve(void *arg)
{
	struct server *s = arg;
	uint8_t request[HEADER_BYTES] = { 0 };

	while (s->left >= 3) {
		uint8_t flags = s->at[0];
		uint16_t nr = (uint16_t)(s->at[1] | s->at[2] << 8);

		nr = nr < s->left - 3 ? nr : (uint16_t)(s->left - 3);
		take_request(s->fd, request);
		send_burst(s, flags, s->at + 3, nr, request);
		s->at += 3 + nr;
		s->left -= 3u + nr;
	}
	while (!take_request(s->fd, request))
		continue;
	shutdown(s->fd, SHUT_RDWR);
	return NULL;
}

static void use_migration(struct gw_device *dev)
{
	static const struct gw_iova_range range = { GUEST_IOVA, GUEST_BYTES };
	struct gw_precopy_info precopy;
	uint64_t bits = 0, size;
	uint8_t *buf = malloc(100);
	ssize_t n;

	device_log_start(dev, &range, 1, 4096, NULL);
	device_walk(dev, GW_STATE_PRE_COPY, NULL, NULL);
	gw_device_precopy_info(dev, &precopy, NULL);
	gw_device_stop_size(dev, &size, NULL);
	n = gw_device_data_read(dev, buf, 100, NULL);
	fuzz_check(n <= 100);
	device_walk(dev, GW_STATE_STOP_COPY, NULL, NULL);
	n = gw_device_data_read(dev, buf, 100, NULL);
	fuzz_check(n <= 100);
	device_log_report(dev, GUEST_IOVA, GUEST_BYTES, 4096, &bits, NULL);
	fuzz_check(bits <= 1);
	n = gw_device_data_write(dev, buf, 100, NULL);
	fuzz_check(n <= 100);
	fuzz_check(device_state(dev) < GW_NR_STATES);
	free(buf);
}

static void use(struct gw_device *dev)
{
	uint8_t *guest = calloc(1, GUEST_BYTES);
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct gw_dma_map map = { .iova = GUEST_IOVA, .size_bytes = GUEST_BYTES, .hva = guest, .fd = fd, .prot = 3 };
	struct gw_region_info region;
	struct gw_irq_info irq;
	uint8_t *buf = malloc(64);

	gw_device_dma_map(dev, &map, NULL);
	gw_device_region_info(dev, 0, &region, NULL);
	gw_device_irq_info(dev, 0, &irq, NULL);
	gw_device_irq_set(dev, 0, 0, 1, &fd, NULL);
	fuzz_check(gw_device_region_read(dev, 0, 0, buf, 64, NULL) <= 64);
	fuzz_check(gw_device_region_write(dev, 0, 0, buf, 64, NULL) <= 64);
	use_migration(dev);
	gw_device_dma_unmap(dev, GUEST_IOVA, GUEST_BYTES, NULL);
	gw_device_reset(dev, NULL);
	gw_device_close(dev);
	if (fd >= 0)
		close(fd);
	free(buf);
	free(guest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct server s = { .at = data, .left = size };
	struct gw_device *dev;
	pthread_t thread;
	void *ctx;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return 0;
	s.fd = ends[0];
	if (pthread_create(&thread, NULL, serve, &s)) {
		close(ends[0]);
		close(ends[1]);
		return 0;
	}
	if (!user_open_fd(&ctx, "fuzz", ends[1], &(struct gw_open_options){ 0 }, NULL)) {
		if (device_new(&dev, "fuzz", "", &user_ops, ctx, NULL))
			user_ops.close(ctx);
		else
			use(dev);
	}
	pthread_join(thread, NULL);
	close(ends[0]);
	return 0;
}
