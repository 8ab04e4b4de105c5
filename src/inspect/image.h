/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A saved device state, looked through from end to end by the rules of image/reader, which refuses at the first thing
 * that is wrong; this goes on as far as the records hold together.
 */
#ifndef INSPECT_IMAGE_H
#define INSPECT_IMAGE_H

#include "inspect/reading.h"

int image_inspect(struct reading *r);

#endif
