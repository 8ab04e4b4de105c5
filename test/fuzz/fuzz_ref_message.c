/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the reference device's commands, without sockets: the input is a list of messages (command u8, flags u8, body
 * bytes u16, body) that one client sends to one device. Bit 0 of flags hands a memfd with the message, bit 1 an
 * eventfd; the first byte says whether VERSION was agreed already, and with which parts of the extension.
 */
#include "ref/device/command.h"
#include "ref/device/cursor.h"
#include "ref/device/device.h"
#include "test/fuzz/fuzz.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_BYTES ((uint64_t)64 << 10)
#define GUEST_BYTES  ((off_t)64 << 10)

static void add_fd(struct request *request, int fd)
{
	if (fd >= 0)
		request->fds[request->nr_fds++] = fd;
}

static int new_guest(void)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, GUEST_BYTES)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* false: the input has ended. */
static bool next_request(struct cursor *c, struct request *request)
{
	const uint8_t *head = cursor_take(c, 2);
	uint16_t bytes = cursor_u16(c);
	const uint8_t *body = cursor_take(c, bytes);

	if (!body)
		return false;
	request->command = head[0];
	request->body = malloc(bytes); /* of its own, so that a read past its end is seen */
	request->size = bytes;
	if (bytes && request->body)
		memcpy(request->body, body, bytes);
	if (head[1] & 1)
		add_fd(request, new_guest());
	if (head[1] & 2)
		add_fd(request, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	return request->body || !bytes;
}

static void run_messages(struct client *client, struct cursor *c)
{
	struct request request = { .from = &client->commands };
	struct reply reply = { .fd = -1 };

	while (next_request(c, &request)) {
		reply.size = 0;
		ref_command_run(client, &request, &reply);
		if (reply.fd >= 0)
			close(reply.fd);
		reply.fd = -1;
		ref_request_fini(&request);
		request.from = &client->commands;
	}
	ref_request_fini(&request);
	ref_reply_fini(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ref_device_options options;
	struct ref_device dev;
	struct client client;
	struct cursor c = cursor_over(data, size);
	const uint8_t *first = cursor_take(&c, 1);

	if (!first)
		return 0;
	ref_device_options_init(&options);
	options.state_bytes = MEMORY_BYTES;
	options.rearms = options.rearms_p2p = 2;
	if (ref_device_init(&dev, &options, -1))
		return 0;
	ref_client_init(&client, &dev, -1);
	client.greeted = *first & 1;
	client.extension = *first >> 1 & 0x17; /* all but the data socket */
	if (client.extension & CLIENT_REINIT)
		ref_migration_opt_in(&dev);
	run_messages(&client, &c);
	ref_client_fini(&client);
	ref_device_fini(&dev);
	return 0;
}
