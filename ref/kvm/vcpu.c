/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vCPUs' threads. What they are to do is one order for all, under one lock; it is read without it on the way back
 * into KVM_RUN, so that accesses of several vCPUs do not wait for each other.
 *
 * The kick: order first, signal second. The signal is blocked in the thread and let through by KVM_RUN only, so one
 * that comes just before KVM_RUN waits for it and ends it at once. Nobody's handler ever sees it.
 */
#include "ref/kvm/vcpu.h"

#include "ref/base/vm_thread.h"
#include "ref/kvm/vcpu_exit.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id /* glibc before 2.38 */
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define KICK            SIGRTMIN
#define KICK_MASK_BYTES 8 /* of the kernel's sigset_t */

#define THROTTLE_PERIOD_NS    (10 * NS_PER_MS)
#define THROTTLE_MAX_STAND_NS NS_PER_S
#define THROTTLE_MAX          99

enum order { PAUSE, RUN, END };

struct vcpu {
	struct vcpus *all;
	struct vcpu_exit exit;
	pthread_t thread;
	int started;
	int standing; /* lock held: it is out of KVM_RUN with nothing half done, and waits */
	int failed;   /* these are the thread's own */
	int has_timer;
	timer_t timer;           /* kicks it when its share is over */
	uint64_t share_begin_ns; /* 0: not throttled */
	uint64_t share_end_ns;
};

struct vcpus {
	struct vcpus_config config;
	pthread_mutex_t lock;
	pthread_cond_t ordered; /* the vCPUs wait for it */
	pthread_cond_t stood;
	_Atomic int order; /* enum order; written with the lock */
	uint32_t nr_standing;
	struct gw_error failure; /* code 0: none */
	_Atomic uint32_t throttle_percent;
	_Atomic int broken; /* vcpus_break */
	int *fds;
	struct vcpu vcpus[];
};

static sigset_t kick_set(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, KICK);
	return set;
}

/* What has come and was not, or has already been, the end of a KVM_RUN would end another one for nothing. */
static void take_kicks(void)
{
	const struct timespec at_once = { 0 };
	sigset_t set = kick_set();

	while (sigtimedwait(&set, NULL, &at_once) == KICK)
		;
}

/* Lock held. Out of KVM_RUN, to look what is ordered; who stands does so before it runs. */
static void kick_all(struct vcpus *all)
{
	for (uint32_t i = 0; i < all->config.nr; i++)
		if (all->vcpus[i].started && !all->vcpus[i].standing)
			pthread_kill(all->vcpus[i].thread, KICK);
}

/* Lock held. */
static void give_order(struct vcpus *all, enum order order)
{
	all->order = order;
	pthread_cond_broadcast(&all->ordered);
	if (order != RUN)
		kick_all(all);
}

/* The guest has come to its end: the first reason is the one. */
static void fail(struct vcpu *v, const struct gw_error *why)
{
	struct vcpus *all = v->all;

	v->failed = 1;
	pthread_mutex_lock(&all->lock);
	if (!all->failure.code)
		all->failure = *why;
	if (all->order == RUN)
		give_order(all, PAUSE);
	pthread_mutex_unlock(&all->lock);
}

/* Once through KVM_RUN and what it came out for. 0, or -EINTR: it was kicked, and nothing is half done. */
static int run_once(struct vcpu *v)
{
	struct gw_error why = GW_ERROR_NONE;
	int ret = -EFAULT;

	if (v->exit.index || !atomic_exchange(&v->all->broken, 0))
		ret = ioctl(v->exit.fd, KVM_RUN, 0) ? -errno : 0;
	if (ret == -EINTR || ret == -EAGAIN) { /* EAGAIN: it waits to be started by another, and was woken up */
		take_kicks();
		return -EINTR;
	}
	ret = ret ? vcpu_exit_refused(&v->exit, ret, &why) : vcpu_exit_handle(&v->exit, &why);
	if (ret)
		fail(v, &why);
	return ret;
}

/*
 * KVM hands an access out and finishes it, registers and rip, when KVM_RUN is entered again; one that runs over pages
 * or a rep is handed out in pieces. With immediate_exit it does no more than that.
 */
static void settle(struct vcpu *v)
{
	v->exit.run->immediate_exit = 1;
	while (!v->failed && !run_once(v))
		;
	v->exit.run->immediate_exit = 0;
}

/* Until ordered otherwise, throttled otherwise, or the deadline. */
static void wait_while_running(struct vcpus *all, uint32_t percent, uint64_t deadline_ns)
{
	pthread_mutex_lock(&all->lock);
	while (all->order == RUN && all->throttle_percent == percent && vm_thread_now_ns() < deadline_ns)
		vm_thread_cond_wait_until(&all->ordered, &all->lock, deadline_ns);
	pthread_mutex_unlock(&all->lock);
}

static void begin_share(struct vcpu *v, uint64_t now_ns, uint32_t percent)
{
	uint64_t end_ns = now_ns + THROTTLE_PERIOD_NS * (100 - percent) / 100;
	struct itimerspec at = { .it_value = { .tv_sec = (time_t)(end_ns / NS_PER_S),
					       .tv_nsec = (long)(end_ns % NS_PER_S) } };

	v->share_begin_ns = now_ns;
	v->share_end_ns = end_ns;
	timer_settime(v->timer, TIMER_ABSTIME, &at, NULL);
}

/* Throttled, it runs for a share of each period and stands for as much as makes up for what it really ran. */
static void keep_share(struct vcpu *v)
{
	uint32_t percent = v->all->throttle_percent;
	uint64_t now_ns, stand_ns;

	if (!percent) {
		v->share_begin_ns = 0;
		return;
	}
	now_ns = vm_thread_now_ns();
	if (v->share_begin_ns && now_ns < v->share_end_ns)
		return;
	if (v->share_begin_ns) {
		stand_ns = (now_ns - v->share_begin_ns) * percent / (100 - percent);
		wait_while_running(v->all, percent,
				   now_ns + (stand_ns < THROTTLE_MAX_STAND_NS ? stand_ns : THROTTLE_MAX_STAND_NS));
		now_ns = vm_thread_now_ns();
	}
	begin_share(v, now_ns, percent);
}

/* Waits until there is something else to do than to stand still. */
static enum order stand(struct vcpu *v)
{
	struct vcpus *all = v->all;
	enum order order;

	take_kicks();
	pthread_mutex_lock(&all->lock);
	v->standing = 1;
	if (++all->nr_standing == all->config.nr)
		pthread_cond_broadcast(&all->stood);
	while (all->order == PAUSE)
		pthread_cond_wait(&all->ordered, &all->lock);
	order = all->order;
	all->nr_standing--;
	v->standing = 0;
	pthread_mutex_unlock(&all->lock);
	return order;
}

static void *vcpu_main(void *arg)
{
	struct vcpu *v = arg;
	struct sigevent kick = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = KICK };
	struct gw_error why = GW_ERROR_NONE;

	kick.sigev_notify_thread_id = gettid();
	v->has_timer = !timer_create(CLOCK_MONOTONIC, &kick, &v->timer);
	if (!v->has_timer) {
		gw_error_set(&why, -errno, "vCPUs", "no timer for vCPU %u: %s", v->exit.index, strerror(errno));
		fail(v, &why);
	}
	while (stand(v) == RUN) {
		v->share_begin_ns = 0;
		while (v->all->order == RUN) {
			keep_share(v);
			if (v->all->order == RUN)
				run_once(v);
		}
		settle(v);
	}
	if (v->has_timer)
		timer_delete(v->timer);
	return NULL;
}

/* In KVM_RUN all signals of the thread are blocked, as outside, but the kick. */
static int let_kick_through(int fd)
{
	_Alignas(struct kvm_signal_mask) uint8_t buf[sizeof(struct kvm_signal_mask) + KICK_MASK_BYTES];
	struct kvm_signal_mask *mask = (struct kvm_signal_mask *)buf;
	sigset_t blocked;

	sigfillset(&blocked);
	sigdelset(&blocked, KICK);
	mask->len = KICK_MASK_BYTES;
	memcpy(mask->sigset, &blocked, KICK_MASK_BYTES);
	return ioctl(fd, KVM_SET_SIGNAL_MASK, mask) ? -errno : 0;
}

static int vcpu_open(struct vcpu *v, struct vcpus *all, uint32_t index, struct gw_error *e)
{
	const struct kvm_vm *vm = all->config.vm;
	char name[16];
	void *run;
	int ret;

	v->all = all;
	v->exit = (struct vcpu_exit){ .config = &all->config, .index = index, .fd = -1 };
	all->fds[index] = v->exit.fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, index);
	if (v->exit.fd < 0)
		return gw_error_set(e, -errno, "vCPUs", "KVM makes no vCPU %u: %s", index, strerror(errno));
	run = mmap(NULL, vm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, v->exit.fd, 0);
	if (run == MAP_FAILED)
		return gw_error_set(e, -errno, "vCPUs", "the page of vCPU %u: %s", index, strerror(errno));
	v->exit.run = run;
	ret = let_kick_through(v->exit.fd);
	if (ret)
		return gw_error_set(e, ret, "vCPUs", "vCPU %u could not be given a signal: %s", index, strerror(-ret));
	snprintf(name, sizeof(name), "vcpu%u", index);
	ret = vm_thread_start(&v->thread, name, vcpu_main, v);
	v->started = !ret;
	return ret ? gw_error_set(e, ret, "vCPUs", "no thread for vCPU %u: %s", index, strerror(-ret)) : 0;
}

int vcpus_open(struct vcpus **vcpus, const struct vcpus_config *config, struct gw_error *e)
{
	struct vcpus *all = calloc(1, sizeof(*all) + config->nr * (sizeof(all->vcpus[0]) + sizeof(int)));
	int ret = 0;

	if (!all)
		return gw_error_set(e, -ENOMEM, "vCPUs", "no memory for %u of them", config->nr);
	all->config = *config;
	all->fds = (int *)&all->vcpus[config->nr];
	pthread_mutex_init(&all->lock, NULL);
	vm_thread_cond_init(&all->ordered);
	pthread_cond_init(&all->stood, NULL);
	for (uint32_t i = 0; !ret && i < config->nr; i++)
		ret = vcpu_open(&all->vcpus[i], all, i, e);
	if (!ret)
		ret = vcpus_pause(all, e); /* they stand, and have all they need */
	if (ret)
		vcpus_close(all);
	else
		*vcpus = all;
	return ret;
}

static void vcpu_close(struct vcpu *v)
{
	if (v->started)
		pthread_join(v->thread, NULL);
	if (v->exit.run)
		munmap(v->exit.run, v->all->config.vm->run_bytes);
	if (v->all && v->exit.fd >= 0)
		close(v->exit.fd);
}

void vcpus_close(struct vcpus *vcpus)
{
	if (!vcpus)
		return;
	pthread_mutex_lock(&vcpus->lock);
	give_order(vcpus, END);
	pthread_mutex_unlock(&vcpus->lock);
	for (uint32_t i = 0; i < vcpus->config.nr; i++)
		vcpu_close(&vcpus->vcpus[i]);
	pthread_cond_destroy(&vcpus->stood);
	pthread_cond_destroy(&vcpus->ordered);
	pthread_mutex_destroy(&vcpus->lock);
	free(vcpus);
}

const int *vcpus_fds(const struct vcpus *vcpus)
{
	return vcpus->fds;
}

uint32_t vcpus_nr(const struct vcpus *vcpus)
{
	return vcpus->config.nr;
}

/* Lock held. */
static int tell_failure(const struct vcpus *vcpus, struct gw_error *e)
{
	const struct gw_error *failure = &vcpus->failure;

	return failure->code ? gw_error_set(e, failure->code, failure->where, "%s", failure->what) : 0;
}

int vcpus_pause(struct vcpus *vcpus, struct gw_error *e)
{
	int ret;

	pthread_mutex_lock(&vcpus->lock);
	give_order(vcpus, PAUSE);
	while (vcpus->nr_standing < vcpus->config.nr)
		pthread_cond_wait(&vcpus->stood, &vcpus->lock);
	ret = tell_failure(vcpus, e);
	pthread_mutex_unlock(&vcpus->lock);
	return ret;
}

int vcpus_resume(struct vcpus *vcpus, struct gw_error *e)
{
	int ret;

	pthread_mutex_lock(&vcpus->lock);
	ret = tell_failure(vcpus, e);
	if (!ret)
		give_order(vcpus, RUN);
	pthread_mutex_unlock(&vcpus->lock);
	return ret;
}

int vcpus_running(const struct vcpus *vcpus)
{
	return vcpus->order == RUN;
}

/* Who is in KVM_RUN comes out, to begin its share; who stands for the last one does so no longer. */
void vcpus_throttle(struct vcpus *vcpus, uint32_t percent)
{
	pthread_mutex_lock(&vcpus->lock);
	vcpus->throttle_percent = percent < THROTTLE_MAX ? percent : THROTTLE_MAX;
	pthread_cond_broadcast(&vcpus->ordered);
	kick_all(vcpus);
	pthread_mutex_unlock(&vcpus->lock);
}

int vcpus_failure(struct vcpus *vcpus, struct gw_error *e)
{
	int ret;

	pthread_mutex_lock(&vcpus->lock);
	ret = tell_failure(vcpus, e);
	pthread_mutex_unlock(&vcpus->lock);
	return ret;
}

void vcpus_break(struct vcpus *vcpus)
{
	pthread_mutex_lock(&vcpus->lock);
	vcpus->broken = 1;
	kick_all(vcpus);
	pthread_mutex_unlock(&vcpus->lock);
}
