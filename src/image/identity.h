/* SPDX-License-Identifier: BSD-3-Clause */
/* What an image says of its device, and whether that fits another one. */
#ifndef IMAGE_IDENTITY_H
#define IMAGE_IDENTITY_H

#include <godwit/image.h>

/* A head for the state of this device, as it is now. */
void image_head_of_device(struct gw_device *dev, struct gw_image_head *head);

/*
 * Beside gw_image_match, once the whole image is known: pre-copy data is for a device that has pre-copy. Nothing in the
 * uAPI says that a driver without it reads what one with it has written.
 */
int image_match_totals(const struct gw_image_totals *totals, struct gw_device *dev, struct gw_error *e);

#endif
