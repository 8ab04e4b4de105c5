/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a device's name to its files, by sysfs: nothing is opened. root is "" but in tests, where it is the folder
 * that holds their sys and dev.
 */
#ifndef DEVICE_KERNEL_FIND_H
#define DEVICE_KERNEL_FIND_H

#include "device/uri.h"

#include <godwit/device.h>
#include <godwit/error.h>

#define PLACE_PATH_BYTES 320

struct kernel_place {
	char name[URI_NAME_BYTES];         /* as its group knows it: PCI address or UUID */
	char driver[GW_DEVICE_TEXT_BYTES]; /* the kernel driver it is bound to; "": none */
	char cdev[PLACE_PATH_BYTES];       /* /dev/vfio/devices/vfioN; "": it has none */
	char group[PLACE_PATH_BYTES];      /* /dev/vfio/N; "": it has none */
};

/* -ENODEV, with a sentence: there is no such device, or no vfio driver has it. */
int kernel_find(const char *root, const char *where, const struct uri *uri, struct kernel_place *place,
		struct gw_error *e);

#endif
