/* SPDX-License-Identifier: BSD-3-Clause */
/* What a call did, as it is collected and as the caller gets it; and what became of the device after an error. */
#ifndef IMAGE_RESULT_H
#define IMAGE_RESULT_H

#include "device/device.h"

#include <godwit/image.h>

struct image_result {
	struct gw_image_result r;
	struct arc_log arcs;
};

/* Fills the caller's struct as far as its size reaches. dev may be NULL (no state, no arcs), to may be NULL. */
void image_result_give(struct image_result *result, const struct gw_device *dev, struct gw_image_result *to);

/* Adds "; ..." to the sentence that is in *e already, as far as there is room. */
__attribute__((format(printf, 2, 3))) void image_error_add(struct gw_error *e, const char *fmt, ...);

#endif
