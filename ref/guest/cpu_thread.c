/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vCPUs that are threads. A vCPU holds its lock while it executes and lets go of it between two pages and while it
 * waits for its pace: who has the lock and has said `paused` knows that it does not execute and will not. What it
 * is to do is an atomic beside the lock, because a vCPU that never waits would seldom give a mutex away.
 */
#include "ref/guest/cpu.h"

#include "ref/base/vm_thread.h"
#include "ref/guest/pace.h"
#include "ref/guest/work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_NS (NS_PER_MS / 2)

enum vcpu_order { VCPU_PAUSE, VCPU_RUN, VCPU_END };

struct vcpus;

struct vcpu {
	struct vcpus *all;
	uint32_t index;
	int started;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t ordered;
	_Atomic int order;     /* enum vcpu_order; written without the lock, waited for with it */
	uint64_t next_tick_ns; /* these under the lock */
	uint32_t turn;
	struct pace pace;
	struct work work;
};

struct vcpus {
	struct cpu_config config;
	_Atomic uint32_t throttle_percent;
	struct vcpu cpus[];
};

/* Lock held. Waits while paused; VCPU_RUN or VCPU_END. */
static enum vcpu_order await_order(struct vcpu *v)
{
	if (v->order != VCPU_PAUSE)
		return v->order;
	while (v->order == VCPU_PAUSE)
		pthread_cond_wait(&v->ordered, &v->lock);
	v->next_tick_ns = vm_thread_now_ns();
	pace_begin(&v->pace, v->next_tick_ns);
	return v->order;
}

/* Lock held. */
static void tick(struct vcpu *v, uint64_t now_ns)
{
	const struct cpu_config *config = &v->all->config;
	uint32_t nr_turns = config->nr_turns ? config->nr_turns : 1;

	config->tick(config->tick_ctx, v->index, v->turn, now_ns);
	v->turn = (v->turn + 1) % nr_turns;
	v->next_tick_ns = now_ns + TICK_NS / nr_turns;
}

/* Lock held. One page, or a wait until there is something to do, or to be done again. */
static void execute(struct vcpu *v)
{
	uint64_t now_ns = vm_thread_now_ns(), run_ns, due_ns;

	pace_throttle(&v->pace, v->all->throttle_percent);
	run_ns = pace_run_ns(&v->pace, now_ns);
	if (run_ns > now_ns) {
		vm_thread_cond_wait_until(&v->ordered, &v->lock, run_ns);
		return;
	}
	due_ns = pace_due_ns(&v->pace, now_ns);
	if (now_ns >= v->next_tick_ns) {
		tick(v, now_ns);
	}
	if (now_ns >= due_ns)
		pace_spend(&v->pace, work_step(&v->work));
	else
		vm_thread_cond_wait_until(&v->ordered, &v->lock, due_ns < v->next_tick_ns ? due_ns : v->next_tick_ns);
}

static void *vcpu_main(void *arg)
{
	struct vcpu *v = arg;

	pthread_mutex_lock(&v->lock);
	while (await_order(v) == VCPU_RUN) {
		execute(v);
		pthread_mutex_unlock(&v->lock);
		pthread_mutex_lock(&v->lock);
	}
	pthread_mutex_unlock(&v->lock);
	return NULL;
}

static void give_order(struct vcpu *v, enum vcpu_order order)
{
	v->order = order; /* before the lock: a busy vCPU sees it after the page at hand, and waits or ends */
	pthread_mutex_lock(&v->lock);
	pthread_cond_signal(&v->ordered);
	pthread_mutex_unlock(&v->lock);
}

static void threads_pause(void *ctx)
{
	struct vcpus *all = ctx;

	for (uint32_t i = 0; i < all->config.nr; i++)
		all->cpus[i].order = VCPU_PAUSE;
	for (uint32_t i = 0; i < all->config.nr; i++)
		give_order(&all->cpus[i], VCPU_PAUSE);
}

static void threads_resume(void *ctx)
{
	struct vcpus *all = ctx;

	for (uint32_t i = 0; i < all->config.nr; i++)
		give_order(&all->cpus[i], VCPU_RUN);
}

static void threads_throttle(void *ctx, uint32_t percent)
{
	struct vcpus *all = ctx;

	all->throttle_percent = percent;
}

static void threads_stop(void *ctx)
{
	struct vcpus *all = ctx;

	for (uint32_t i = 0; all && i < all->config.nr; i++) {
		struct vcpu *v = &all->cpus[i];

		if (!v->started)
			break;
		give_order(v, VCPU_END);
		pthread_join(v->thread, NULL);
		pthread_cond_destroy(&v->ordered);
		pthread_mutex_destroy(&v->lock);
	}
	free(all);
}

/* The rate is shared out in whole bytes; less than one a second each is one. */
static uint64_t pace_of(const struct cpu_config *config)
{
	uint64_t each = config->dirty_bytes_per_s / config->nr;

	return config->dirty_bytes_per_s && !each ? 1 : each;
}

static struct work_slice slice_of(const struct cpu_config *config, uint32_t index)
{
	return work_slice_of(config->nr_pages, config->nr_reserved_pages, config->fill, config->nr, index);
}

static int vcpu_start(struct vcpu *v, struct vcpus *all, uint32_t index)
{
	const struct cpu_config *config = &all->config;
	struct work_slice slice = slice_of(config, index);
	char name[16];
	int ret;

	v->all = all;
	v->index = index;
	work_init(&v->work, config->ram, &slice, config->seed, config->integrity);
	pace_init(&v->pace, pace_of(config));
	pthread_mutex_init(&v->lock, NULL);
	vm_thread_cond_init(&v->ordered);
	snprintf(name, sizeof(name), "vcpu%u", index);
	ret = vm_thread_start(&v->thread, name, vcpu_main, v);
	v->started = !ret;
	return ret;
}

static int threads_start(void **ctx, const struct cpu_config *config, struct gw_error *e)
{
	struct vcpus *all = calloc(1, sizeof(*all) + config->nr * sizeof(all->cpus[0]));
	int ret = 0;

	if (!all)
		return gw_error_set(e, -ENOMEM, "guest", "no memory for %u vCPUs", config->nr);
	all->config = *config;
	for (uint32_t i = 0; !ret && i < config->nr; i++)
		ret = vcpu_start(&all->cpus[i], all, i);
	if (ret) {
		threads_stop(all);
		return gw_error_set(e, ret, "guest", "a vCPU's thread could not be started: %s", strerror(-ret));
	}
	*ctx = all;
	return 0;
}

static void threads_boot(void *ctx)
{
	struct vcpus *all = ctx;

	for (uint32_t i = 0; i < all->config.nr; i++)
		work_fill(&all->cpus[i].work);
}

static void threads_check(void *ctx)
{
	struct vcpus *all = ctx;

	for (uint32_t i = 0; i < all->config.nr; i++)
		work_check(&all->cpus[i].work);
}

static void threads_save(void *ctx, struct blob_out *out)
{
	struct vcpus *all = ctx;

	blob_put_u32(out, all->config.nr);
	blob_put_u64(out, all->config.seed);
	blob_put_u64(out, all->config.dirty_bytes_per_s);
	blob_put_u32(out, all->config.fill);
	for (uint32_t i = 0; i < all->config.nr; i++)
		work_save(&all->cpus[i].work, out);
}

static int threads_load(void *ctx, struct blob_in *in, struct gw_error *e)
{
	struct vcpus *all = ctx;
	uint32_t nr = blob_get_u32(in), fill;
	int ret = 0;

	if (!in->bad && nr != all->config.nr)
		return gw_error_set(e, -EBADMSG, "guest", "the guest has %u vCPUs, this VM was started with %u", nr,
				    all->config.nr);
	all->config.seed = blob_get_u64(in);
	all->config.dirty_bytes_per_s = blob_get_u64(in);
	fill = blob_get_u32(in);
	if (fill >= REF_VM_NR_FILLS)
		ret = -EBADMSG;
	else
		all->config.fill = fill;
	for (uint32_t i = 0; !ret && i < nr; i++) {
		pace_init(&all->cpus[i].pace, pace_of(&all->config));
		all->cpus[i].work.slice = slice_of(&all->config, i);
		ret = work_load(&all->cpus[i].work, in, all->config.seed);
	}
	if (ret || in->bad)
		return gw_error_set(e, -EBADMSG, "guest", "the state of the vCPUs makes no sense");
	return 0;
}

static void threads_counters(void *ctx, struct cpu_counters *counters)
{
	struct vcpus *all = ctx;

	*counters = (struct cpu_counters){ 0 };
	for (uint32_t i = 0; i < all->config.nr; i++) {
		struct work *work = &all->cpus[i].work;

		counters->pages_written += atomic_load_explicit(&work->pages_written, memory_order_relaxed);
		counters->pages_checked += atomic_load_explicit(&work->pages_checked, memory_order_relaxed);
	}
}

const struct cpu_ops cpu_thread_ops = {
	.name = "threads",
	.start = threads_start,
	.stop = threads_stop,
	.boot = threads_boot,
	.pause = threads_pause,
	.resume = threads_resume,
	.throttle = threads_throttle,
	.check = threads_check,
	.save = threads_save,
	.load = threads_load,
	.counters = threads_counters,
};
