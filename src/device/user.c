/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening and closing a vfio-user device. The order at open is for servers as they are: some keep a state that an
 * earlier client left, and answer nothing but state changes in it, so RUNNING comes before the first question.
 */
#include "device/user.h"

#include "base/err.h"
#include "base/fd.h"
#include "device/device.h"
#include "device/device_trace.h"
#include "device/pci_id.h"
#include "device/user_device.h"
#include "wire/cursor.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INFO_BYTES        16u
#define MAX_VERSION_BYTES (64 * 1024u)

int user_simple_call(struct user_device *dev, uint16_t command, const void *request, size_t request_bytes, void *reply,
		     size_t reply_bytes, struct gw_error *e)
{
	struct user_call call = {
		.command = command,
		.request = request,
		.request_bytes = request_bytes,
		.reply = reply,
		.reply_size = reply_bytes,
		.reply_min = reply_bytes,
	};

	return user_call(&dev->commands, &call, e);
}

static int take_info(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	struct user_device *dev = ctx;

	*info = dev->info;
	return 0;
}

static int reset(void *ctx, struct gw_error *e)
{
	struct user_device *dev = ctx;

	return user_simple_call(dev, USER_RESET, NULL, 0, NULL, 0, e);
}

static void close_device(void *ctx)
{
	struct user_device *dev = ctx;

	user_conn_close(&dev->data);
	user_conn_close(&dev->commands);
	device_trace_free(dev->trace);
	user_maps_fini(&dev->maps);
	pthread_mutex_destroy(&dev->log_lock);
	free(dev);
}

const struct gw_device_ops user_ops = {
	.size = sizeof(user_ops),
	.info = take_info,
	.state_set = user_state_set,
	.state_get = user_state_get,
	.reset = reset,
	.data_read = user_data_read,
	.data_write = user_data_write,
	.precopy_info = user_precopy_info,
	.stop_size = user_stop_size,
	.log_start = user_log_start,
	.log_stop = user_log_stop,
	.log_report = user_log_report,
	.dma_map = user_dma_map,
	.dma_unmap = user_dma_unmap,
	.region_info = user_region_info,
	.region_read = user_region_read,
	.region_write = user_region_write,
	.region_map = user_region_map,
	.raw = &user_raw_ops,
	.irq_info = user_irq_info,
	.irq_set = user_irq_set,
	.irq_mask = user_irq_mask,
	.close = close_device,
};

static int exchange_versions(struct user_device *dev, struct user_fds *fds, struct gw_error *e)
{
	struct user_call call = { .command = USER_VERSION, .reply_size = MAX_VERSION_BYTES, .fds_taken = fds };
	bool plain = dev->open_flags & GW_OPEN_PLAIN;
	void *offer = user_version_offer(plain ? 0 : USER_EXT_ALL, &call.request_bytes);
	int ret = -ENOMEM;

	call.request = offer;
	call.reply = malloc(MAX_VERSION_BYTES);
	if (offer && call.reply)
		ret = user_call(&dev->commands, &call, e);
	if (!ret)
		ret = user_version_read(call.reply, call.reply_bytes, dev->commands.name, &dev->server, e);
	if (plain)
		dev->server.extension = 0; /* what was not offered is not agreed on, whatever the answer */
	free(call.reply);
	free(offer);
	return ret == -ENOMEM ? err_set(e, ret, dev->commands.name, "no memory") : ret;
}

/* A server that agreed on a data socket and sent none is taken at what it did: state goes with the commands. */
static int agree(struct user_device *dev, struct gw_error *e)
{
	struct user_fds fds = { .nr = 0 };
	int ret, fd = -1;

	ret = exchange_versions(dev, &fds, e);
	if (!ret && dev->server.extension & USER_EXT_DATA_SOCKET)
		fd = user_fds_take(&fds, dev->server.data_fd_index);
	user_fds_close(&fds);
	if (fd < 0)
		return ret;
	ret = user_conn_start(&dev->data, dev->commands.name, fd, dev->trace, user_dma_serve, dev, e);
	if (!ret)
		dev->info.features |= GW_FEATURE_DATA_SOCKET;
	return ret;
}

static int ask_info(struct user_device *dev, struct gw_error *e)
{
	uint8_t request[INFO_BYTES] = { INFO_BYTES }, reply[INFO_BYTES];
	struct wire_in in;
	uint32_t flags;
	int ret;

	ret = user_simple_call(dev, USER_GET_INFO, request, sizeof(request), reply, sizeof(reply), e);
	if (ret)
		return ret;
	in = wire_in(reply, sizeof(reply));
	wire_get_u32(&in); /* argsz */
	flags = wire_get_u32(&in);
	if (flags & VFIO_DEVICE_FLAGS_RESET)
		dev->info.features |= GW_FEATURE_RESET;
	if (flags & VFIO_DEVICE_FLAGS_PCI)
		dev->info.features |= GW_FEATURE_PCI;
	dev->info.nr_regions = wire_get_u32(&in);
	dev->info.nr_irqs = wire_get_u32(&in);
	dev->info.max_dma_maps = dev->server.max_dma_maps;
	dev->info.dma_page_sizes = dev->server.page_sizes;
	snprintf(dev->info.backend, sizeof(dev->info.backend), "vfio-user");
	return 0;
}

/* A device that does not show a configuration space has no PCI identity; that is no failure. */
static void ask_identity(struct user_device *dev)
{
	uint8_t header[PCI_HEADER_BYTES];

	if (!(dev->info.features & GW_FEATURE_PCI) || dev->info.nr_regions <= GW_REGION_CONFIG)
		return;
	if (user_region_read(dev, GW_REGION_CONFIG, 0, header, sizeof(header), NULL) == sizeof(header))
		pci_id_read(header, &dev->info);
}

/* Of a device that was left as it was found, in a state in which its server may have nothing to say of it. */
static int ask_info_as_found(struct user_device *dev, struct gw_error *e)
{
	struct gw_error why = GW_ERROR_NONE;
	uint32_t state = GW_STATE_RUNNING;
	int ret = ask_info(dev, &why);

	if (!ret || ret == -EPIPE || ret == -ETIMEDOUT || ret == -EBADMSG || ret == -EPROTO ||
	    user_state_get(dev, &state, NULL) || state == GW_STATE_RUNNING) {
		err_first(e, &why);
		return ret;
	}
	return 0;
}

static int introduce(struct user_device *dev, struct gw_error *e)
{
	bool migrates;
	int ret = agree(dev, e);

	if (!ret)
		ret = user_feature_ask(dev, e);
	if (ret)
		return ret;
	migrates = dev->info.migration_flags & GW_MIGRATION_STOP_COPY;
	if (migrates && !(dev->open_flags & GW_OPEN_AS_FOUND))
		ret = device_settle(&user_ops, dev, dev->commands.name, e);
	if (!ret)
		ret = migrates && dev->open_flags & GW_OPEN_AS_FOUND ? ask_info_as_found(dev, e) : ask_info(dev, e);
	if (!ret)
		ask_identity(dev);
	return ret;
}

int user_open_fd(void **ctx, const char *id, int fd, const struct gw_open_options *options, struct gw_error *e)
{
	struct user_device *dev = calloc(1, sizeof(*dev));
	int ret;

	if (!dev) {
		fd_close(&fd);
		return err_set(e, -ENOMEM, id, "no memory");
	}
	dev->commands.fd = dev->data.fd = -1;
	dev->open_flags = options->flags;
	dev->state = GW_STATE_RUNNING;
	user_maps_init(&dev->maps);
	pthread_mutex_init(&dev->log_lock, NULL);
	ret = device_trace_new(&dev->trace, options->trace, id);
	if (ret) {
		fd_close(&fd);
		err_set(e, ret, id, "no memory");
	} else {
		ret = user_conn_start(&dev->commands, id, fd, dev->trace, user_dma_serve, dev, e);
	}
	if (!ret)
		ret = introduce(dev, e);
	if (ret)
		close_device(dev);
	else
		*ctx = dev;
	return ret;
}

int user_open(void **ctx, const char *id, const char *path, const struct gw_open_options *options, struct gw_error *e)
{
	int fd, ret = user_socket_connect(path, USER_TIMEOUT_NS, &fd);

	if (ret == -ETIMEDOUT)
		return err_set(e, ret, id,
			       "the vfio-user server at %s takes no connection; perhaps another client has the device",
			       path);
	if (ret)
		return err_set(e, ret, id, "cannot connect to the vfio-user server at %s: %s", path, strerror(-ret));
	return user_open_fd(ctx, id, fd, options, e);
}
