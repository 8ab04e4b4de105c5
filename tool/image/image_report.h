/* SPDX-License-Identifier: BSD-3-Clause */
/* What was saved or loaded: as the JSON of doc/json.md, and for a person. */
#ifndef TOOL_IMAGE_REPORT_H
#define TOOL_IMAGE_REPORT_H

#include <godwit/image.h>
#include <jansson.h>
#include <stdio.h>

/* "head" and "totals" of an image. A new reference; what the image does not know is absent. */
json_t *image_head_json(const struct gw_image_head *head);
json_t *image_totals_json(const struct gw_image_totals *totals);

/* The whole document. ret and e: how the call ended. */
json_t *image_report_json(const char *uri, const char *file, const struct gw_image_result *result, int ret,
			  const struct gw_error *e);

/* Of a save or a load that went well. */
void image_report_show_saved(FILE *out, const json_t *report);
void image_report_show_loaded(FILE *out, const json_t *report);

/* The library calls it "image", a user knows it by its name. */
void image_report_name_file(struct gw_error *e, const char *file);

#endif
