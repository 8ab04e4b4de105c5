/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pace of a vCPU's writes: so many bytes a second of the time it runs. It says when the next write is due;
 * the vCPU waits. Time is handed in.
 */
#ifndef REF_VM_PACE_H
#define REF_VM_PACE_H

#include <stdint.h>

struct pace {
	uint64_t bytes_per_s; /* 0: no pace, always due */
	uint64_t begin_ns;
	uint64_t spent_bytes; /* since begin_ns */
};

void pace_init(struct pace *pace, uint64_t bytes_per_s);

/* The vCPU starts to run: the time it stood still is not made up for. */
void pace_begin(struct pace *pace, uint64_t now_ns);

/* When the next write is due; not after now_ns: at once. A vCPU that fell far behind is forgiven the rest. */
uint64_t pace_due_ns(struct pace *pace, uint64_t now_ns);

void pace_spend(struct pace *pace, uint64_t bytes);

#endif
