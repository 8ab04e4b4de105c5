/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts of a vfio-user device: eventfds given to the server, as many in a message as it can take, since a
 * binding message carries exactly as many as it names vectors; and masks, which carry none. Any thread.
 */
#include "base/bits.h"
#include "base/err.h"
#include "device/user_device.h"
#include "wire/cursor.h"

#include <errno.h>
#include <linux/vfio.h>

#define INFO_BYTES 16u
#define SET_BYTES  20u

int user_irq_info(void *ctx, uint32_t index, struct gw_irq_info *info, struct gw_error *e)
{
	struct user_device *dev = ctx;
	uint8_t request[INFO_BYTES], reply[INFO_BYTES];
	struct wire_out out = wire_out(request, sizeof(request));
	struct wire_in in = wire_in(reply, sizeof(reply));
	int ret;

	if (index >= dev->info.nr_irqs)
		return err_set(e, -EINVAL, dev->commands.name, "the device has no interrupt index %u", index);
	wire_put_u32(&out, sizeof(reply));
	wire_put_u32(&out, 0);
	wire_put_u32(&out, index);
	wire_put_u32(&out, 0);
	ret = user_simple_call(dev, USER_GET_IRQ_INFO, request, sizeof(request), reply, sizeof(reply), e);
	if (ret)
		return ret;
	wire_get_u32(&in); /* argsz */
	info->flags = wire_get_u32(&in);
	wire_get_u32(&in); /* index */
	info->index = index;
	info->count = wire_get_u32(&in);
	return 0;
}

static int set_irqs(struct user_device *dev, uint32_t flags, uint32_t index, uint32_t start, uint32_t count,
		    const int *eventfds, struct gw_error *e)
{
	uint8_t request[SET_BYTES];
	struct wire_out out = wire_out(request, sizeof(request));
	struct user_call call = {
		.command = USER_SET_IRQS,
		.request = request,
		.request_bytes = sizeof(request),
		.fds = eventfds,
		.nr_fds = eventfds ? count : 0,
	};

	wire_put_u32(&out, sizeof(request));
	wire_put_u32(&out, flags);
	wire_put_u32(&out, index);
	wire_put_u32(&out, start);
	wire_put_u32(&out, count);
	return user_call(&dev->commands, &call, e);
}

/* How many of the next eventfds are alike, there or not: a message binds its vectors, or unbinds them. */
static uint32_t alike(const int *eventfds, uint32_t count)
{
	uint32_t nr = 1;

	while (nr < count && (eventfds[nr] >= 0) == (eventfds[0] >= 0))
		nr++;
	return nr;
}

int user_irq_set(void *ctx, uint32_t index, uint32_t start, uint32_t count, const int *eventfds, struct gw_error *e)
{
	struct user_device *dev = ctx;
	uint32_t done = 0;

	if (!eventfds || !count)
		return set_irqs(dev, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 0, NULL, e);
	while (done < count) {
		const int *fds = eventfds + done;
		uint32_t nr = alike(fds, count - done);
		int ret;

		if (*fds < 0) {
			fds = NULL;
		} else if (!dev->server.max_msg_fds) {
			return err_set(e, -ENOTSUP, dev->commands.name, "the server takes no eventfds");
		} else {
			nr = (uint32_t)min_u64(nr, dev->server.max_msg_fds);
		}
		ret = set_irqs(dev, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, index, start + done, nr,
			       fds, e);
		if (ret)
			return ret;
		done += nr;
	}
	return 0;
}

int user_irq_mask(void *ctx, uint32_t index, uint32_t start, uint32_t count, int masked, struct gw_error *e)
{
	uint32_t action = masked ? VFIO_IRQ_SET_ACTION_MASK : VFIO_IRQ_SET_ACTION_UNMASK;

	return set_irqs(ctx, VFIO_IRQ_SET_DATA_NONE | action, index, start, count, NULL, e);
}
