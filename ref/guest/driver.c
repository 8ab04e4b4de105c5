/* SPDX-License-Identifier: BSD-3-Clause */
/* The drivers the guest has. */
#include "ref/guest/driver.h"

static const struct driver_ops *const drivers[] = {
	&driver_ref_ops,
	&driver_mtty_ops,
};

const struct driver_ops *driver_find(const struct gw_device_info *info)
{
	for (uint32_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (drivers[i]->vendor_id == info->vendor_id && drivers[i]->device_id == info->device_id)
			return drivers[i];
	return NULL;
}
