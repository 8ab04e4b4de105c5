/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of commands, and those of them that are a few lines: information, region access, reset, data.
 */
#include "ref/device/command.h"

#include "ref/device/cursor.h"
#include "ref/device/device.h"
#include "ref/device/region.h"

#include <errno.h>
#include <linux/vfio.h>

#define REGION_INFO_BYTES   32
#define REGION_SPARSE_BYTES 32 /* the capability after it: header, count, one area */
#define REGION_ACCESS_BYTES 16
#define INFO_BYTES          16
#define DATA_HEAD_BYTES     8

static struct writer reply_writer(struct reply *reply, size_t size)
{
	uint8_t *body = ref_reply_reserve(reply, size);

	return writer_over(body, body ? size : 0);
}

static int written(const struct writer *w)
{
	return w->bad ? -ENOMEM : 0;
}

static int get_info(struct client *client, struct request *request, struct reply *reply)
{
	struct cursor c = cursor_over(request->body, request->size);
	uint32_t argsz = cursor_u32(&c);
	struct writer w;

	if (c.bad || argsz < INFO_BYTES)
		return -EINVAL;
	w = reply_writer(reply, INFO_BYTES);
	writer_u32(&w, INFO_BYTES);
	writer_u32(&w, VFIO_DEVICE_FLAGS_RESET | VFIO_DEVICE_FLAGS_PCI);
	writer_u32(&w, REGION_COUNT);
	writer_u32(&w, VFIO_PCI_NUM_IRQS);
	return written(&w);
}

/* VFIO_REGION_INFO_CAP_SPARSE_MMAP with one area, whose descriptor goes with the reply. */
static int put_mappable(struct client *client, uint32_t index, struct writer *w, struct reply *reply)
{
	uint64_t offset, size;
	int fd = ref_region_share(client->dev, index, &offset, &size);

	if (fd < 0)
		return fd;
	reply->fd = fd;
	writer_u16(w, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	writer_u16(w, 1);
	writer_u32(w, 0); /* no next one */
	writer_u32(w, 1);
	writer_u32(w, 0);
	writer_u64(w, offset);
	writer_u64(w, size);
	return 0;
}

static int get_region_info(struct client *client, struct request *request, struct reply *reply)
{
	struct cursor c = cursor_over(request->body, request->size);
	uint32_t argsz = cursor_u32(&c), index, flags, needs;
	bool caps;
	struct writer w;
	int ret = 0;

	cursor_u32(&c); /* flags */
	index = cursor_u32(&c);
	if (c.bad || argsz < REGION_INFO_BYTES || index >= REGION_COUNT)
		return -EINVAL;
	flags = ref_region_flags(index);
	needs = REGION_INFO_BYTES + (flags & VFIO_REGION_INFO_FLAG_CAPS ? REGION_SPARSE_BYTES : 0);
	caps = flags & VFIO_REGION_INFO_FLAG_CAPS && argsz >= needs; /* else argsz tells to ask again */
	w = reply_writer(reply, caps ? needs : REGION_INFO_BYTES);
	writer_u32(&w, needs);
	writer_u32(&w, flags);
	writer_u32(&w, index);
	writer_u32(&w, caps ? REGION_INFO_BYTES : 0);
	writer_u64(&w, ref_region_size(client->dev, index));
	writer_u64(&w, 0); /* offset: the file is the region */
	if (caps)
		ret = put_mappable(client, index, &w, reply);
	return ret ? ret : written(&w);
}

static int get_irq_info(struct client *client, struct request *request, struct reply *reply)
{
	struct cursor c = cursor_over(request->body, request->size);
	uint32_t argsz = cursor_u32(&c), index;
	bool is_msix;
	struct writer w;

	cursor_u32(&c); /* flags */
	index = cursor_u32(&c);
	if (c.bad || argsz < INFO_BYTES || index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	is_msix = index == VFIO_PCI_MSIX_IRQ_INDEX;
	w = reply_writer(reply, INFO_BYTES);
	writer_u32(&w, INFO_BYTES);
	writer_u32(&w, is_msix ? VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE : 0);
	writer_u32(&w, index);
	writer_u32(&w, is_msix ? REFDEV_NR_VECTORS : 0);
	return written(&w);
}

/* The head that reads and writes of regions share, and that their replies repeat. */
struct access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
};

static int decode_access(struct cursor *c, struct access *access)
{
	access->offset = cursor_u64(c);
	access->region = cursor_u32(c);
	access->count = cursor_u32(c);
	return c->bad || access->count > MESSAGE_MAX_DATA ? -EINVAL : 0;
}

static int encode_access(struct reply *reply, const struct access *access, size_t data)
{
	struct writer w = reply_writer(reply, REGION_ACCESS_BYTES + data);

	writer_u64(&w, access->offset);
	writer_u32(&w, access->region);
	writer_u32(&w, access->count);
	return written(&w);
}

static int region_read(struct client *client, struct request *request, struct reply *reply)
{
	struct cursor c = cursor_over(request->body, request->size);
	struct access access;
	int ret = decode_access(&c, &access);

	if (!ret)
		ret = encode_access(reply, &access, access.count);
	if (ret)
		return ret;
	return ref_region_read(client->dev, access.region, access.offset, reply->body + REGION_ACCESS_BYTES,
			       access.count);
}

static int region_write(struct client *client, struct request *request, struct reply *reply)
{
	struct cursor c = cursor_over(request->body, request->size);
	struct access access;
	int ret = decode_access(&c, &access);

	if (ret)
		return ret;
	if (access.count != c.left)
		return -EINVAL;
	ret = ref_region_write(client->dev, access.region, access.offset, c.at, access.count);
	return ret ? ret : encode_access(reply, &access, 0);
}

static int reset(struct client *client, struct request *request, struct reply *reply)
{
	return ref_device_reset_asked(client->dev);
}

/* The head of MIG_DATA_READ and WRITE: argsz counts head and data. */
static int decode_data_head(struct client *client, struct cursor *c, uint32_t *size)
{
	uint32_t argsz = cursor_u32(c);

	*size = cursor_u32(c);
	if (!ref_client_mig_caps(client))
		return -ENOTSUP;
	if (c->bad || *size > MESSAGE_MAX_DATA || argsz < DATA_HEAD_BYTES + *size)
		return -EINVAL;
	return 0;
}

static int data_read(struct client *client, struct request *request, struct reply *reply)
{
	struct cursor c = cursor_over(request->body, request->size);
	uint64_t done_ns = 0;
	struct writer w;
	uint32_t size;
	ssize_t n;
	int ret = decode_data_head(client, &c, &size);

	if (ret)
		return ret;
	w = reply_writer(reply, DATA_HEAD_BYTES + size);
	if (w.left < DATA_HEAD_BYTES)
		return -ENOMEM;
	n = ref_migration_read(client->dev, reply->body + DATA_HEAD_BYTES, size, &done_ns);
	if (n < 0)
		return (int)n;
	writer_u32(&w, (uint32_t)(DATA_HEAD_BYTES + n));
	writer_u32(&w, (uint32_t)n);
	reply->size = DATA_HEAD_BYTES + (size_t)n;
	ref_link_wait_until(request->from, done_ns);
	return 0;
}

static int data_write(struct client *client, struct request *request, struct reply *reply)
{
	struct cursor c = cursor_over(request->body, request->size);
	uint64_t done_ns = 0;
	uint32_t size;
	int ret = decode_data_head(client, &c, &size);

	if (ret)
		return ret;
	if (size != c.left)
		return -EINVAL;
	ret = ref_migration_write(client->dev, c.at, size, &done_ns);
	if (!ret)
		ref_link_wait_until(request->from, done_ns);
	return ret;
}

static const struct command {
	int (*run)(struct client *client, struct request *request, struct reply *reply);
	bool on_data_socket;
} commands[] = {
	[COMMAND_VERSION] = { ref_version },
	[COMMAND_DMA_MAP] = { ref_dma_map },
	[COMMAND_DMA_UNMAP] = { ref_dma_unmap },
	[COMMAND_DEVICE_GET_INFO] = { get_info },
	[COMMAND_GET_REGION_INFO] = { get_region_info },
	[COMMAND_GET_IRQ_INFO] = { get_irq_info },
	[COMMAND_SET_IRQS] = { ref_set_irqs },
	[COMMAND_REGION_READ] = { region_read },
	[COMMAND_REGION_WRITE] = { region_write },
	[COMMAND_DEVICE_RESET] = { reset },
	[COMMAND_DEVICE_FEATURE] = { ref_feature },
	[COMMAND_MIG_DATA_READ] = { data_read, .on_data_socket = true },
	[COMMAND_MIG_DATA_WRITE] = { data_write, .on_data_socket = true },
};

int ref_command_run(struct client *client, struct request *request, struct reply *reply)
{
	const struct command *command = &commands[0];

	if (request->command < sizeof(commands) / sizeof(commands[0]))
		command = &commands[request->command];
	if (client->greeted == (request->command == COMMAND_VERSION) || request->fds_lost)
		return -EINVAL;
	if (!command->run || (request->from == &client->data && !command->on_data_socket))
		return -ENOTSUP;
	return command->run(client, request, reply);
}
