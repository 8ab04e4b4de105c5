/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VM made of two RAM blocks, one thread that writes pages while it "runs", and fake devices. Its own counters are
 * the VM state; its log is kept by the writer itself.
 */
#ifndef TEST_FAKE_VM_H
#define TEST_FAKE_VM_H

#include "fake_device.h"

#include <godwit/vm.h>
#include <stdbool.h>

#define FAKE_DEVICES 2
#define FAKE_BLOCKS  2
#define FAKE_PAGES   1024 /* a block */

struct fake_vm {
	struct gw_vm vm;
	struct gw_ram_block ram[FAKE_BLOCKS];
	struct fake_device devices[FAKE_DEVICES];
	struct gw_device *list[FAKE_DEVICES];
	pthread_t writer;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool running, quit;
	bool logging; /* between dirty_start and dirty_stop: the library's calls, one at a time */
	uint32_t throttle_percent, most_throttled;
	uint32_t pace_ns, burst; /* how long between its writes, and how many at a time */
	uint64_t writes;         /* the state: how many writes so far; also the seed of the next */
	uint64_t log[FAKE_BLOCKS][FAKE_PAGES / 64];
	int *countdown;   /* as in struct fake_device, for the VM's callbacks */
	int resume_fails; /* so many times */
	int *running_vms; /* shared: how many VMs run now */
	int *most_running;
};

void fake_vm_open(struct fake_vm *vm, uint32_t flags, uint64_t device_bytes, unsigned seed, int *countdown,
		  int *running_vms, int *most_running);
void fake_vm_run(struct fake_vm *vm);
bool fake_vm_running(struct fake_vm *vm);
/* RAM holds what as many writes as are counted have made of zeroed memory, to the last byte. */
bool fake_vm_memory_is_right(struct fake_vm *vm);
uint64_t fake_vm_writes(struct fake_vm *vm);
void fake_vm_close(struct fake_vm *vm);

#endif
