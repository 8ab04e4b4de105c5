/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the fake kernel device: states and sessions (fake_kernel_state.c), features and the log
 * (fake_kernel_feature.c). */
#ifndef TEST_CHECK_FAKE_KERNEL_DEVICE_H
#define TEST_CHECK_FAKE_KERNEL_DEVICE_H

#include "fake_kernel.h"
#include "fake_stream.h"
#include "ref/device/dma_log.h"
#include "ref/device/mig_state.h"

#include <godwit/raw.h>

/*
 * An open data fd. The device lets go of it when the session ends, the user by close; each alone leaves it to
 * the other.
 */
struct fake_file {
	struct fake_stream stream;
	bool of_device, of_user;
};

struct fake_kernel {
	uint32_t state;
	struct fake_file *file;    /* of the device's session; NULL: none */
	struct fake_file *held;    /* of the user; NULL: closed */
	struct fake_memory memory; /* what it is all about */
	int next_fd;
	unsigned nr_open;
	struct dma_log log;
	uint32_t caps; /* MIG_CAP_* */
	bool opted_in; /* MIG_PRECOPY_INFOv2 */
	bool spoiled;  /* the next save is not whole */
	char fault[64];
};

bool fake_kernel_is_faulty(const struct fake_kernel *kernel, const char *fault);

int fake_kernel_set(struct fake_kernel *kernel, uint32_t to, int32_t *data_fd);
void fake_kernel_reset(struct fake_kernel *kernel);
uint64_t fake_kernel_stop_bytes(const struct fake_kernel *kernel);

/* The calls of struct gw_raw_ops. */
int fake_kernel_raw_state_get(void *ctx, struct gw_raw_state *call);
int fake_kernel_raw_state_set(void *ctx, struct gw_raw_state *call);
int fake_kernel_raw_reset(void *ctx);
ssize_t fake_kernel_raw_read(void *ctx, void *buf, size_t size);
ssize_t fake_kernel_raw_write(void *ctx, const void *buf, size_t size);
int fake_kernel_raw_precopy_info(void *ctx, struct gw_raw_precopy *info);
int fake_kernel_raw_poll(void *ctx, short events, int timeout_ms);
int fake_kernel_raw_close(void *ctx);

int fake_kernel_raw_feature(void *ctx, struct gw_raw_feature *call);
int fake_kernel_raw_log_start(void *ctx, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size);
int fake_kernel_raw_log_stop(void *ctx);
int fake_kernel_raw_log_report(void *ctx, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap);

#endif
