/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM made of two RAM blocks and one writing thread. */
#include "fake_vm.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static int fail(struct gw_error *e, const char *what)
{
	if (e && !e->code) {
		e->code = -EIO;
		snprintf(e->what, sizeof(e->what), "%s", what);
	}
	return -EIO;
}

static int fails(struct fake_vm *vm, struct gw_error *e)
{
	if (!vm->countdown || __atomic_sub_fetch(vm->countdown, 1, __ATOMIC_RELAXED) != 0)
		return 0;
	return fail(e, "failed on purpose");
}

/*
 * The n-th write of the guest: which page and what follows from n alone. Channels read the memory meanwhile, that is
 * what live migration is; so the thread sanitizer is not to look.
 */
__attribute__((no_sanitize("thread"))) static void write_page(char *const memory[FAKE_BLOCKS], uint64_t n,
							      unsigned *block, unsigned *page)
{
	uint64_t *at;

	n *= 0x9e3779b97f4a7c15ull;
	*block = n >> 63;
	*page = (n >> 40) % FAKE_PAGES;
	at = (uint64_t *)(memory[*block] + *page * GW_PAGE_BYTES);
	for (unsigned i = 0; i < GW_PAGE_BYTES / 8; i += 16)
		at[i] = n + i;
}

static void write_next(struct fake_vm *vm)
{
	char *memory[FAKE_BLOCKS] = { vm->ram[0].hva, vm->ram[1].hva };
	unsigned block, page;

	write_page(memory, vm->writes++, &block, &page);
	vm->log[block][page / 64] |= 1ull << (page % 64);
}

bool fake_vm_memory_is_right(struct fake_vm *vm)
{
	char *expected[FAKE_BLOCKS];
	unsigned block, page;
	bool right = true;

	for (unsigned i = 0; i < FAKE_BLOCKS; i++)
		expected[i] = calloc(FAKE_PAGES, GW_PAGE_BYTES);
	pthread_mutex_lock(&vm->lock); /* the writer waits */
	for (uint64_t n = 0; n < vm->writes; n++)
		write_page(expected, n, &block, &page);
	for (unsigned i = 0; i < FAKE_BLOCKS; i++)
		right &= !memcmp(vm->ram[i].hva, expected[i], FAKE_PAGES * GW_PAGE_BYTES);
	pthread_mutex_unlock(&vm->lock);
	for (unsigned i = 0; i < FAKE_BLOCKS; i++)
		free(expected[i]);
	return right;
}

static void *run(void *arg)
{
	struct fake_vm *vm = arg;
	struct timespec pause = { 0 }; /* the guest's own pace, not a synchronization */

	pthread_mutex_lock(&vm->lock);
	while (!vm->quit) {
		if (!vm->running) {
			pthread_cond_wait(&vm->changed, &vm->lock);
			continue;
		}
		for (uint32_t i = 0; i < vm->burst; i++)
			write_next(vm);
		pause.tv_nsec = (long)vm->pace_ns * 100 / (100 - (long)vm->throttle_percent);
		pthread_mutex_unlock(&vm->lock);
		nanosleep(&pause, NULL);
		pthread_mutex_lock(&vm->lock);
	}
	pthread_mutex_unlock(&vm->lock);
	return NULL;
}

static void set_running(struct fake_vm *vm, bool running)
{
	int now;

	pthread_mutex_lock(&vm->lock);
	if (vm->running != running) {
		now = __atomic_add_fetch(vm->running_vms, running ? 1 : -1, __ATOMIC_SEQ_CST);
		if (now > __atomic_load_n(vm->most_running, __ATOMIC_SEQ_CST))
			__atomic_store_n(vm->most_running, now, __ATOMIC_SEQ_CST);
	}
	vm->running = running;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

static int vm_pause(void *ctx, struct gw_error *e)
{
	if (fails(ctx, e))
		return -EIO;
	set_running(ctx, false);
	return 0;
}

static int vm_resume(void *ctx, struct gw_error *e)
{
	struct fake_vm *vm = ctx;

	if (vm->resume_fails && vm->resume_fails--)
		return fail(e, "no vCPU wakes up");
	set_running(ctx, true);
	return 0;
}

static int throttle(void *ctx, uint32_t percent, struct gw_error *e)
{
	struct fake_vm *vm = ctx;

	(void)e;
	pthread_mutex_lock(&vm->lock);
	vm->throttle_percent = percent;
	if (percent > vm->most_throttled)
		vm->most_throttled = percent;
	pthread_mutex_unlock(&vm->lock);
	return 0;
}

static int dirty_start(void *ctx, struct gw_error *e)
{
	struct fake_vm *vm = ctx;

	if (fails(vm, e))
		return -EIO;
	pthread_mutex_lock(&vm->lock);
	memset(vm->log, 0, sizeof(vm->log));
	pthread_mutex_unlock(&vm->lock);
	assert(!vm->logging);
	vm->logging = true;
	return 0;
}

static int dirty_sync(void *ctx, uint32_t block, uint64_t *bitmap, struct gw_error *e)
{
	struct fake_vm *vm = ctx;

	if (fails(vm, e))
		return -EIO;
	pthread_mutex_lock(&vm->lock);
	for (unsigned i = 0; i < FAKE_PAGES / 64; i++)
		bitmap[i] |= vm->log[block][i];
	memset(vm->log[block], 0, sizeof(vm->log[block]));
	pthread_mutex_unlock(&vm->lock);
	return 0;
}

static void dirty_stop(void *ctx)
{
	struct fake_vm *vm = ctx;

	assert(vm->logging);
	vm->logging = false;
}

static ssize_t state_save(void *ctx, void *buf, size_t size, struct gw_error *e)
{
	struct fake_vm *vm = ctx;

	if (fails(vm, e))
		return -EIO;
	if (size >= sizeof(vm->writes))
		memcpy(buf, &vm->writes, sizeof(vm->writes));
	return sizeof(vm->writes);
}

static int state_load(void *ctx, const void *buf, size_t size, struct gw_error *e)
{
	struct fake_vm *vm = ctx;

	if (fails(vm, e))
		return -EIO;
	if (size != sizeof(vm->writes))
		return -EINVAL;
	memcpy(&vm->writes, buf, size);
	return 0;
}

static const struct gw_vm_ops ops = {
	.size = sizeof(ops),
	.pause = vm_pause,
	.resume = vm_resume,
	.dirty_start = dirty_start,
	.dirty_sync = dirty_sync,
	.dirty_stop = dirty_stop,
	.state_save = state_save,
	.state_load = state_load,
	.throttle = throttle,
};

void fake_vm_open(struct fake_vm *vm, uint32_t flags, uint64_t device_bytes, unsigned seed, int *countdown,
		  int *running_vms, int *most_running)
{
	*vm = (struct fake_vm){ .countdown = countdown, .running_vms = running_vms, .most_running = most_running };
	vm->pace_ns = 20000;
	vm->burst = 1;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_cond_init(&vm->changed, NULL);
	for (unsigned i = 0; i < FAKE_BLOCKS; i++) {
		snprintf(vm->ram[i].id, sizeof(vm->ram[i].id), "ram%u", i);
		vm->ram[i].gpa = i * 0x100000000ull;
		vm->ram[i].size_bytes = FAKE_PAGES * GW_PAGE_BYTES;
		vm->ram[i].hva =
			mmap(NULL, vm->ram[i].size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	for (unsigned i = 0; i < FAKE_DEVICES; i++) {
		char id[16];

		snprintf(id, sizeof(id), "dev%u", i);
		fake_device_open(&vm->devices[i], id, flags, device_bytes, seed + i);
		vm->devices[i].countdown = countdown;
		vm->list[i] = vm->devices[i].dev;
	}
	vm->vm = (struct gw_vm){
		.size = sizeof(vm->vm),
		.name = "fake",
		.ops = &ops,
		.ctx = vm,
		.ram = vm->ram,
		.nr_ram = FAKE_BLOCKS,
		.devices = vm->list,
		.nr_devices = FAKE_DEVICES,
	};
	pthread_create(&vm->writer, NULL, run, vm);
}

void fake_vm_run(struct fake_vm *vm)
{
	set_running(vm, true);
}

bool fake_vm_running(struct fake_vm *vm)
{
	bool running;

	pthread_mutex_lock(&vm->lock);
	running = vm->running;
	pthread_mutex_unlock(&vm->lock);
	return running;
}

uint64_t fake_vm_writes(struct fake_vm *vm)
{
	uint64_t writes;

	pthread_mutex_lock(&vm->lock);
	writes = vm->writes;
	pthread_mutex_unlock(&vm->lock);
	return writes;
}

void fake_vm_close(struct fake_vm *vm)
{
	pthread_mutex_lock(&vm->lock);
	vm->quit = true;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
	pthread_join(vm->writer, NULL);
	assert(!vm->logging); /* whatever came of the migration */
	for (unsigned i = 0; i < FAKE_DEVICES; i++)
		fake_device_close(&vm->devices[i]);
	for (unsigned i = 0; i < FAKE_BLOCKS; i++)
		munmap(vm->ram[i].hva, vm->ram[i].size_bytes);
}
