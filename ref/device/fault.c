/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of faults, and the one question that is asked of it. */
#include "ref/device/fault.h"

#include "ref/device/device.h"
#include "ref/device/fault_spec.h"
#include "ref/device/pace.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

int ref_faults_init(struct faults *faults, const char *const *specs, unsigned nr, char *error, size_t error_bytes)
{
	int ret = 0;

	pthread_mutex_init(&faults->lock, NULL);
	faults->nr = 0;
	faults->nr_stalled = 0;
	faults->link = FAULT_LINK_SOUND;
	faults->clear_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (faults->clear_fd < 0) {
		snprintf(error, error_bytes, "no descriptor for its faults");
		return -errno;
	}
	for (unsigned i = 0; i < nr && !ret; i++)
		ret = ref_faults_add(faults, specs[i], error, error_bytes);
	return ret;
}

void ref_faults_fini(struct faults *faults)
{
	if (faults->clear_fd >= 0)
		close(faults->clear_fd);
	pthread_mutex_destroy(&faults->lock);
}

int ref_faults_add(struct faults *faults, const char *spec, char *error, size_t error_bytes)
{
	struct fault fault;
	int ret = ref_fault_spec_parse(spec, &fault, error, error_bytes);

	if (ret)
		return ret;
	pthread_mutex_lock(&faults->lock);
	if (faults->nr == REF_DEVICE_MAX_FAULTS) {
		snprintf(error, error_bytes, "there are %d faults already, and no more can be", REF_DEVICE_MAX_FAULTS);
		ret = -ENOSPC;
	} else {
		faults->items[faults->nr] = fault;
		__atomic_store_n(&faults->nr, faults->nr + 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&faults->lock);
	return ret;
}

void ref_faults_clear(struct faults *faults)
{
	pthread_mutex_lock(&faults->lock);
	__atomic_store_n(&faults->nr, 0, __ATOMIC_RELAXED);
	if (faults->nr_stalled)
		eventfd_write(faults->clear_fd, 1);
	pthread_mutex_unlock(&faults->lock);
}

bool ref_faults_get(struct faults *faults, unsigned n, struct fault *fault)
{
	bool is;

	pthread_mutex_lock(&faults->lock);
	is = n < faults->nr;
	if (is)
		*fault = faults->items[n];
	pthread_mutex_unlock(&faults->lock);
	return is;
}

/* A question: where the device is, and what it is about to do. */
struct question {
	enum fault_point point;
	uint64_t args[FAULT_NR_ARGS];
	uint64_t position, size;
};

static bool matches_arg(const struct fault *fault, const struct question *q, unsigned n)
{
	const struct fault_arg *arg = &fault->args[n];

	if (arg->any)
		return true;
	return ref_fault_spec_is_word(fault->point, n) ? q->args[n] < 64 && arg->value >> q->args[n] & 1
						       : arg->value == q->args[n];
}

/* `at` is a byte of the stream: it is in the request, or for what goes on from there, before its end. */
static bool matches_bytes(const struct fault *fault, const struct question *q)
{
	if (fault->size != FAULT_NO_LIMIT && fault->size != q->size)
		return false;
	if (fault->at == FAULT_ANYWHERE)
		return true;
	if (ref_fault_spec_is_spot(fault->action) && fault->at < q->position)
		return false;
	return fault->at <= q->position || fault->at - q->position < q->size;
}

static bool matches(const struct fault *fault, const struct question *q)
{
	return fault->point == q->point && matches_arg(fault, q, 0) && matches_arg(fault, q, 1) &&
	       matches_bytes(fault, q);
}

static struct strike strike_of(const struct fault *fault, const struct question *q)
{
	struct strike strike = { .action = fault->action, .value = fault->value, .nr = fault->struck };

	if (fault->at != FAULT_ANYWHERE && fault->at > q->position)
		strike.at = fault->at - q->position;
	strike.ret = -fault->error;
	return strike;
}

static struct strike find(struct faults *faults, const struct question *q)
{
	struct strike strike = { .action = FAULT_NONE };

	pthread_mutex_lock(&faults->lock);
	for (unsigned i = 0; i < faults->nr; i++) {
		struct fault *fault = &faults->items[i];

		if (!matches(fault, q))
			continue;
		fault->matched++;
		if (fault->matched < fault->after || fault->struck >= fault->times)
			continue;
		fault->struck++;
		strike = strike_of(fault, q);
		break;
	}
	pthread_mutex_unlock(&faults->lock);
	return strike;
}

/* Until then, until the faults are cleared, or until the program is to end. */
static void stall(struct ref_device *dev, uint64_t deadline_ns)
{
	struct faults *faults = &dev->faults;
	struct pollfd pfds[] = {
		{ .fd = dev->stop_fd, .events = POLLIN },
		{ .fd = faults->clear_fd, .events = POLLIN },
	};
	uint64_t now_ns;
	eventfd_t n;

	pthread_mutex_lock(&faults->lock);
	faults->nr_stalled++;
	pthread_mutex_unlock(&faults->lock);
	while ((now_ns = pace_now()) < deadline_ns) {
		struct timespec left = pace_timespec(deadline_ns - now_ns);

		if (ppoll(pfds, 2, &left, NULL) > 0)
			break;
	}
	pthread_mutex_lock(&faults->lock);
	if (!--faults->nr_stalled)
		(void)!eventfd_read(faults->clear_fd, &n);
	pthread_mutex_unlock(&faults->lock);
}

static void cut_link(struct faults *faults, enum fault_link link)
{
	pthread_mutex_lock(&faults->lock);
	if (link > faults->link)
		__atomic_store_n(&faults->link, link, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&faults->lock);
}

struct strike ref_fault_at(struct ref_device *dev, enum fault_point point, uint64_t a, uint64_t b, uint64_t position,
			   uint64_t size)
{
	struct question q = { .point = point, .args = { a, b }, .position = position, .size = size };
	struct strike strike = { .action = FAULT_NONE };

	if (!__atomic_load_n(&dev->faults.nr, __ATOMIC_RELAXED))
		return strike;
	strike = find(&dev->faults, &q);
	if (strike.action == FAULT_STALL)
		stall(dev, pace_add(pace_now(), strike.value));
	else if (strike.action == FAULT_RESET_ITSELF)
		ref_device_reset_itself(dev);
	else if (strike.action == FAULT_HANG_UP || strike.action == FAULT_DIE)
		cut_link(&dev->faults, strike.action == FAULT_DIE ? FAULT_LINK_DEAD : FAULT_LINK_CUT);
	return strike;
}

struct strike ref_fault(struct ref_device *dev, enum fault_point point, uint64_t a, uint64_t b)
{
	return ref_fault_at(dev, point, a, b, 0, 0);
}

int ref_fault_refuse(struct ref_device *dev, enum fault_point point, uint64_t a, uint64_t b, uint64_t size, int ret)
{
	struct strike strike = ref_fault_at(dev, point, a, b, 0, size);

	if (strike.action == FAULT_ACCEPT)
		return 0;
	return strike.ret ? strike.ret : ret;
}

enum fault_link ref_fault_link(struct ref_device *dev)
{
	return __atomic_load_n(&dev->faults.link, __ATOMIC_RELAXED);
}

void ref_fault_link_opened(struct ref_device *dev)
{
	pthread_mutex_lock(&dev->faults.lock);
	if (dev->faults.link == FAULT_LINK_CUT)
		__atomic_store_n(&dev->faults.link, FAULT_LINK_SOUND, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&dev->faults.lock);
}
