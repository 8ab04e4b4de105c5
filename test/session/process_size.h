/* SPDX-License-Identifier: BSD-3-Clause */
/* How much of the machine this process has: what a hostile peer must not be able to grow, or to leave behind. */
#ifndef TEST_PROCESS_SIZE_H
#define TEST_PROCESS_SIZE_H

#include <stdint.h>

struct process_size {
	unsigned nr_fds, nr_threads;
	uint64_t resident_bytes;
};

void process_size_get(struct process_size *size);

/* From now on the peak counts; then: the most there has been since. UINT64_MAX: cannot be told here. */
void process_size_restart_peak(void);
uint64_t process_size_peak_bytes(void);

#endif
