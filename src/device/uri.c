/* SPDX-License-Identifier: BSD-3-Clause */
/* Device URIs: a scheme, then a name whose shape tells its kind. */
#include "device/uri.h"

#include "base/bits.h"
#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#define CDEV_FOLDER  "/dev/vfio/devices/"
#define GROUP_FOLDER "/dev/vfio/"

/* In a shape "x" stands for a hexadecimal digit, "o" for an octal one, all else for itself. */
static bool fits(char c, char shape)
{
	switch (shape) {
	case 'x':
		return isxdigit((unsigned char)c);
	case 'o':
		return c >= '0' && c <= '7';
	default:
		return c == shape;
	}
}

static bool has_shape(const char *text, const char *shape)
{
	while (*shape && fits(*text, *shape)) {
		text++;
		shape++;
	}
	return !*text && !*shape;
}

static const struct shape {
	const char *shape;
	const char *before; /* put before the name */
	enum uri_kind kind;
} shapes[] = {
	{ "xxxx:xx:xx.o", "", URI_VFIO_PCI },
	{ "xx:xx.o", "0000:", URI_VFIO_PCI },
	{ "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "", URI_VFIO_MDEV },
};

static int parse_vfio_user(const char *text, const char *name, struct uri *uri, struct gw_error *e)
{
	if (!*name)
		return err_set(e, -EINVAL, text, "names no socket; write vfio-user:PATH");
	if (strlen(name) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return err_set(e, -EINVAL, text, "the socket's path is longer than a Unix socket's may be");
	uri->kind = URI_VFIO_USER;
	snprintf(uri->name, sizeof(uri->name), "%s", name);
	return 0;
}

static int parse_vfio_path(const char *text, struct uri *uri, struct gw_error *e)
{
	if (!strncmp(uri->name, CDEV_FOLDER, strlen(CDEV_FOLDER)) && uri->name[strlen(CDEV_FOLDER)] &&
	    !strchr(uri->name + strlen(CDEV_FOLDER), '/')) {
		uri->kind = URI_VFIO_CDEV;
		return 0;
	}
	if (!strncmp(uri->name, GROUP_FOLDER, strlen(GROUP_FOLDER)))
		return err_set(e, -EINVAL, text,
			       "a group may hold several devices; name the device: vfio:0000:3b:00.2,group");
	return err_set(e, -EINVAL, text, "is no VFIO device node; they are " CDEV_FOLDER "vfioN");
}

static int parse_vfio(const char *text, const char *name, struct uri *uri, struct gw_error *e)
{
	const char *comma = strchr(name, ',');
	size_t length = comma ? (size_t)(comma - name) : strlen(name);

	if (comma && strcmp(comma, ",group"))
		return err_set(e, -EINVAL, text, "the only option is \",group\"");
	if (length >= sizeof(uri->name) - sizeof("0000:"))
		return err_set(e, -EINVAL, text, "the name is too long");
	uri->way = comma ? URI_GROUP_WAY : URI_ANY_WAY;
	snprintf(uri->name, sizeof(uri->name), "%.*s", (int)length, name);
	if (uri->name[0] == '/')
		return parse_vfio_path(text, uri, e);
	for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++) {
		if (!has_shape(uri->name, shapes[i].shape))
			continue;
		snprintf(uri->name, sizeof(uri->name), "%s%.*s", shapes[i].before, (int)length, name);
		for (char *c = uri->name; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		uri->kind = shapes[i].kind;
		return 0;
	}
	return err_set(e, -EINVAL, text,
		       "is no device; write vfio:0000:3b:00.2, vfio:UUID or vfio:" CDEV_FOLDER "vfioN");
}

static const struct scheme {
	const char *prefix;
	int (*parse)(const char *text, const char *name, struct uri *uri, struct gw_error *e);
} schemes[] = {
	{ "vfio-user:", parse_vfio_user },
	{ "vfio:", parse_vfio },
};

int uri_parse(const char *text, struct uri *uri, struct gw_error *e)
{
	*uri = (struct uri){ .kind = URI_VFIO_USER };
	for (unsigned i = 0; i < ARRAY_SIZE(schemes); i++) {
		size_t length = strlen(schemes[i].prefix);

		if (!strncmp(text, schemes[i].prefix, length))
			return schemes[i].parse(text, text + length, uri, e);
	}
	return err_set(e, -EINVAL, text, "is no device URI; it begins with vfio-user: or vfio:");
}
