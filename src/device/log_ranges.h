/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of ranges that a device is told to log, made to fit what a device takes. It may only grow by that: what is
 * logged and was not asked for does no harm, what is not logged is lost.
 */
#ifndef DEVICE_LOG_RANGES_H
#define DEVICE_LOG_RANGES_H

#include <godwit/device.h>
#include <stdint.h>

/*
 * In place: rounded out to whole pages, ascending, apart from each other, and at most max of them, for which those
 * with the smallest gaps are joined. *nr and max are not 0. -EOVERFLOW: they make up the whole 64-bit space, which a
 * size cannot say.
 */
int log_ranges_fit(struct gw_iova_range *ranges, uint32_t *nr, uint64_t page_size, uint32_t max);

#endif
