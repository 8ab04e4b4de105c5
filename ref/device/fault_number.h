/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands for a number in a fault: numbers, times, names of errors. Pure. All: 0 or -EINVAL. */
#ifndef REF_DEVICE_FAULT_NUMBER_H
#define REF_DEVICE_FAULT_NUMBER_H

#include <stdint.h>

/* 17, 0x11, 4K, 1M, 1G; -1 is the largest number there is, as a field on the wire would have it. */
int ref_fault_number(const char *text, uint64_t *number);
int ref_fault_time(const char *text, uint64_t *ns); /* 20ms; ns, us, ms, s */
int ref_fault_errno(const char *name, int *error);  /* EIO */

#endif
