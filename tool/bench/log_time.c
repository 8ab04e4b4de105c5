/* SPDX-License-Identifier: BSD-3-Clause */
/* The time of a dirty log: see log_time.h. */
#include "log_time.h"

#include "subject.h"
#include "tool/now.h"

#include <errno.h>
#include <godwit/raw.h>
#include <godwit/vm.h>
#include <stdlib.h>

#define TIMES            3            /* the quickest counts: a busy host makes things slower, never quicker */
#define MAX_MEMORY_BYTES (1ull << 42) /* the bitmap of more is larger than what is worth it here */

static int report(struct gw_device *dev, uint64_t memory_bytes, uint64_t *ns)
{
	uint64_t nr_words = memory_bytes / GW_PAGE_BYTES / 64 + 1;
	uint64_t *bitmap = calloc(nr_words, sizeof(*bitmap));
	int ret = bitmap ? 0 : -ENOMEM;

	*ns = UINT64_MAX;
	for (unsigned i = 0; i < TIMES && !ret; i++) {
		uint64_t began_ns = now_ns(), took_ns;

		ret = gw_raw_log_report(dev, 0, memory_bytes, GW_PAGE_BYTES, bitmap);
		took_ns = now_ns() - began_ns;
		*ns = took_ns < *ns ? took_ns : *ns;
	}
	free(bitmap);
	return ret;
}

int log_time_measure(struct gw_device *dev, uint64_t memory_bytes, uint64_t *ns)
{
	uint64_t size_bytes = memory_bytes / GW_PAGE_BYTES * GW_PAGE_BYTES;
	struct gw_iova_range range = { .iova = 0, .size_bytes = size_bytes };
	uint32_t state;
	int ret;

	*ns = 0;
	if (!size_bytes || size_bytes > MAX_MEMORY_BYTES)
		return -ERANGE;
	ret = gw_raw_log_start(dev, &range, 1, GW_PAGE_BYTES);
	if (!ret) {
		ret = report(dev, size_bytes, ns);
		gw_raw_log_stop(dev);
	}
	gw_device_state_get(dev, &state, NULL); /* the end of the raw part */
	*ns = ret ? 0 : *ns;
	return ret;
}
