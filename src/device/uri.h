/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device URIs, as include/godwit/device.h documents them: text in, struct out; nothing is opened or looked up.
 */
#ifndef DEVICE_URI_H
#define DEVICE_URI_H

#include <godwit/error.h>

#define URI_NAME_BYTES 256

enum uri_kind {
	URI_VFIO_USER, /* name: the socket's path */
	URI_VFIO_CDEV, /* name: /dev/vfio/devices/vfioN */
	URI_VFIO_PCI,  /* name: 0000:3b:00.2, domain filled in, lower case */
	URI_VFIO_MDEV, /* name: the UUID, lower case */
};

enum uri_way { URI_ANY_WAY, URI_GROUP_WAY };

struct uri {
	enum uri_kind kind;
	enum uri_way way;
	char name[URI_NAME_BYTES];
};

/* 0, or -EINVAL with a sentence that says what a URI looks like. */
int uri_parse(const char *text, struct uri *uri, struct gw_error *e);

#endif
