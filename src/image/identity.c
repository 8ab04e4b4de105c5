/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's identity in an image, and the comparison with a device. The rules are those of a migration
 * (model/manifest.c), and the sizes of the BARs: a device with a larger memory is another model under the same ids.
 */
#include "image/identity.h"

#include "base/err.h"
#include "base/export.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TEXT_BYTES 96

static void add_bars(struct gw_device *dev, struct gw_image_head *head)
{
	struct gw_region_info region;

	for (uint32_t i = 0; i < GW_IMAGE_NR_BARS; i++) {
		if (gw_device_region_info(dev, GW_REGION_BAR0 + i, &region, NULL)) {
			memset(head->bar_bytes, 0, sizeof(head->bar_bytes));
			return;
		}
		head->bar_bytes[i] = region.size_bytes;
	}
	head->known |= GW_IMAGE_KNOWS_BARS;
}

void image_head_of_device(struct gw_device *dev, struct gw_image_head *head)
{
	struct gw_device_info info;
	time_t now = time(NULL);

	*head = (struct gw_image_head){ .known = GW_IMAGE_KNOWS_CAPABILITIES };
	gw_device_get_info(dev, &info, NULL);
	head->migration_flags = info.migration_flags;
	head->features = info.features;
	if (info.vendor_id) {
		head->known |= GW_IMAGE_KNOWS_PCI;
		head->vendor_id = info.vendor_id;
		head->device_id = info.device_id;
		head->subsystem_vendor_id = info.subsystem_vendor_id;
		head->subsystem_device_id = info.subsystem_device_id;
		head->class_revision = info.class_revision;
	}
	if (info.features & GW_FEATURE_PCI)
		add_bars(dev, head);
	if (!gw_device_stop_size(dev, &head->expected_bytes, NULL))
		head->known |= GW_IMAGE_KNOWS_SIZE;
	else
		head->expected_bytes = 0;
	if (now > 0) {
		head->known |= GW_IMAGE_KNOWS_TIME;
		head->created_s = (uint64_t)now;
	}
	snprintf(head->id, sizeof(head->id), "%s", gw_device_id(dev));
	snprintf(head->backend, sizeof(head->backend), "%s", info.backend);
	snprintf(head->driver, sizeof(head->driver), "%s", info.driver);
	snprintf(head->origin, sizeof(head->origin), "%.*s", GW_IMAGE_TEXT_BYTES - 1, gw_device_uri(dev));
}

/* 0 means that a side does not know. */
static bool differs(uint32_t a, uint32_t b)
{
	return a && b && a != b;
}

static bool is_another_model(const struct gw_image_head *a, const struct gw_image_head *b)
{
	return differs(a->vendor_id, b->vendor_id) || differs(a->device_id, b->device_id) ||
	       differs(a->subsystem_vendor_id, b->subsystem_vendor_id) ||
	       differs(a->subsystem_device_id, b->subsystem_device_id) ||
	       differs(a->class_revision >> 8, b->class_revision >> 8);
}

static const char *model_text(const struct gw_image_head *head, char text[TEXT_BYTES])
{
	snprintf(text, TEXT_BYTES, "%04x:%04x (subsystem %04x:%04x, class %06x)", head->vendor_id, head->device_id,
		 head->subsystem_vendor_id, head->subsystem_device_id, head->class_revision >> 8);
	return text;
}

static int compare_bars(const struct gw_image_head *head, const struct gw_image_head *own, const char *id,
			struct gw_error *e)
{
	if (!(head->known & own->known & GW_IMAGE_KNOWS_BARS))
		return 0;
	for (unsigned int i = 0; i < GW_IMAGE_NR_BARS; i++)
		if (head->bar_bytes[i] != own->bar_bytes[i])
			return err_set(e, -ENOTSUP, id,
				       "BAR %u has %llu bytes, and %llu in the device that the image is of: its state "
				       "fits only the same model",
				       i, (unsigned long long)own->bar_bytes[i],
				       (unsigned long long)head->bar_bytes[i]);
	return 0;
}

GW_EXPORT int gw_image_match(const struct gw_image_head *head, struct gw_device *dev, struct gw_error *e)
{
	char theirs[TEXT_BYTES], ours[TEXT_BYTES];
	const char *id = gw_device_id(dev);
	struct gw_image_head own;

	image_head_of_device(dev, &own);
	if (!own.migration_flags)
		return err_set(e, -ENOTSUP, id, "the device cannot migrate, so no state can be loaded into it");
	if (is_another_model(head, &own))
		return err_set(e, -ENOTSUP, id, "this is %s and the image is of %s: its state fits only the same model",
			       model_text(&own, ours), model_text(head, theirs));
	return compare_bars(head, &own, id, e);
}

int image_match_totals(const struct gw_image_totals *totals, struct gw_device *dev, struct gw_error *e)
{
	struct gw_device_info info;

	gw_device_get_info(dev, &info, NULL);
	if (!totals->precopy_bytes || info.migration_flags & GW_MIGRATION_PRE_COPY)
		return 0;
	return err_set(
		e, -ENOTSUP, gw_device_id(dev),
		"the image holds pre-copy data and the device has no PRE_COPY: save without it, or load with one "
		"that has");
}
