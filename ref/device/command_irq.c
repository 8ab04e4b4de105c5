/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SET_IRQS for the one interrupt kind there is, MSI-X. EVENTFD binds (an fd a vector) or unbinds (no fds), NONE and
 * BOOL fire, NONE with count 0 disables all. A client may bind a few vectors a message, as its max_msg_fds wants.
 */
#include "ref/device/command.h"
#include "ref/device/cursor.h"
#include "ref/device/device.h"

#include <errno.h>
#include <linux/vfio.h>

#define SET_IRQS_BYTES 20

struct set_irqs {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t start;
	uint32_t count;
	const uint8_t *bools;
	size_t nr_bools;
};

static int bind_eventfds(struct ref_device *dev, const struct set_irqs *set, struct request *request)
{
	if (request->nr_fds && request->nr_fds != set->count)
		return -EINVAL;
	for (uint32_t i = 0; i < set->count; i++) {
		int ret = ref_irq_bind(&dev->irqs, set->start + i, request->nr_fds ? request->fds[i] : -1);

		if (ret)
			return ret;
		if (request->nr_fds)
			request->fds[i] = -1;
	}
	return 0;
}

static int fire_all(struct ref_device *dev, const struct set_irqs *set, struct request *request)
{
	for (uint32_t i = 0; i < set->count; i++)
		ref_irq_raise(&dev->irqs, set->start + i);
	if (!set->count)
		ref_irqs_fini(&dev->irqs);
	return 0;
}

static int fire_some(struct ref_device *dev, const struct set_irqs *set, struct request *request)
{
	if (set->nr_bools < set->count)
		return -EINVAL;
	for (uint32_t i = 0; i < set->count; i++)
		if (set->bools[i])
			ref_irq_raise(&dev->irqs, set->start + i);
	return 0;
}

static const struct set_irqs_kind {
	uint32_t flags;
	int (*run)(struct ref_device *dev, const struct set_irqs *set, struct request *request);
} kinds[] = {
	{ VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, bind_eventfds },
	{ VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, fire_all },
	{ VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER, fire_some },
};

static int decode(struct request *request, struct set_irqs *set)
{
	struct cursor c = cursor_over(request->body, request->size);
	uint32_t nr;

	set->argsz = cursor_u32(&c);
	set->flags = cursor_u32(&c);
	set->index = cursor_u32(&c);
	set->start = cursor_u32(&c);
	set->count = cursor_u32(&c);
	if (c.bad || set->argsz < SET_IRQS_BYTES || set->index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	set->bools = c.at;
	set->nr_bools = c.left;
	nr = set->index == VFIO_PCI_MSIX_IRQ_INDEX ? REFDEV_NR_VECTORS : 0;
	return set->start > nr || set->count > nr - set->start ? -EINVAL : 0;
}

int ref_set_irqs(struct client *client, struct request *request, struct reply *reply)
{
	struct ref_device *dev = client->dev;
	struct set_irqs set;
	int ret = decode(request, &set);

	if (ret || set.index != VFIO_PCI_MSIX_IRQ_INDEX)
		return ret;
	ret = -EINVAL;
	pthread_mutex_lock(&dev->lock);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].flags == set.flags)
			ret = kinds[i].run(dev, &set, request);
	ref_engine_wake(dev);
	pthread_mutex_unlock(&dev->lock);
	return ret;
}
