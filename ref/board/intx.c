/* SPDX-License-Identifier: BSD-3-Clause */
/* INTx, passed on between a device and KVM (VFIO_DEVICE_SET_IRQS; KVM_IRQFD with KVM_IRQFD_FLAG_RESAMPLE). */
#include "ref/board/intx.h"
#include "ref/base/vm_thread.h"

#include <errno.h>
#include <linux/kvm.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int drain(int fd)
{
	eventfd_t count;

	return !eventfd_read(fd, &count);
}

static int arm(struct intx *intx, struct gw_error *e)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)intx->relay_fd,
		.gsi = intx->gsi,
		.flags = KVM_IRQFD_FLAG_RESAMPLE,
		.resamplefd = (uint32_t)intx->ended_fd,
	};

	if (!intx->armed && ioctl(intx->vm_fd, KVM_IRQFD, &irqfd))
		return gw_error_set(e, -errno, gw_device_id(intx->dev), "KVM_IRQFD for INTx: %s", strerror(errno));
	intx->armed = 1;
	return 0;
}

/* KVM takes the level down with it. */
static void disarm(struct intx *intx)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)intx->relay_fd,
		.gsi = intx->gsi,
		.flags = KVM_IRQFD_FLAG_DEASSIGN,
	};

	if (intx->armed && ioctl(intx->vm_fd, KVM_IRQFD, &irqfd))
		(*intx->nr_failed)++;
	intx->armed = 0;
}

static void unmask(struct intx *intx)
{
	if (intx->bound && gw_device_irq_mask(intx->dev, GW_IRQ_INTX, 0, 1, 0, NULL))
		(*intx->nr_failed)++;
}

static void take_ended(struct intx *intx)
{
	if (!drain(intx->ended_fd))
		return;
	intx->asserted = 0;
	unmask(intx);
}

/* What was ended comes first: the device does not raise it again before it was unmasked for that. */
static void pass_on(struct intx *intx)
{
	take_ended(intx);
	if (!drain(intx->device_fd))
		return;
	intx->asserted = 1;
	eventfd_write(intx->relay_fd, 1);
}

static void *intx_main(void *arg)
{
	struct intx *intx = arg;

	pthread_mutex_lock(&intx->lock);
	while (!intx->closing) {
		struct pollfd pfds[] = {
			{ .fd = intx->wake_fd, .events = POLLIN },
			{ .fd = intx->armed ? intx->device_fd : -1, .events = POLLIN },
			{ .fd = intx->armed ? intx->ended_fd : -1, .events = POLLIN },
		};

		pthread_mutex_unlock(&intx->lock);
		poll(pfds, sizeof(pfds) / sizeof(pfds[0]), -1);
		pthread_mutex_lock(&intx->lock);
		drain(intx->wake_fd);
		if (intx->armed)
			pass_on(intx);
	}
	pthread_mutex_unlock(&intx->lock);
	return NULL;
}

static void wake(struct intx *intx)
{
	eventfd_write(intx->wake_fd, 1);
}

static void forget(struct intx *intx)
{
	drain(intx->device_fd);
	drain(intx->relay_fd);
	drain(intx->ended_fd);
	intx->asserted = 0;
}

static int bind_device(struct intx *intx, struct gw_error *e)
{
	int ret = gw_device_irq_set(intx->dev, GW_IRQ_INTX, 0, 1, &intx->device_fd, e);

	if (ret)
		return ret;
	intx->bound = 1;
	return intx->held ? 0 : arm(intx, e);
}

static void unbind_device(struct intx *intx)
{
	disarm(intx);
	if (intx->bound && gw_device_irq_set(intx->dev, GW_IRQ_INTX, 0, 0, NULL, NULL))
		(*intx->nr_failed)++;
	intx->bound = 0;
	forget(intx);
}

int intx_set(struct intx *intx, int wanted, struct gw_error *e)
{
	int ret = 0;

	if (!intx->present)
		return 0;
	pthread_mutex_lock(&intx->lock);
	if (!wanted)
		unbind_device(intx);
	else if (!intx->bound)
		ret = bind_device(intx, e);
	wake(intx);
	pthread_mutex_unlock(&intx->lock);
	return ret;
}

/* An interrupt that was ended just before is ended, whether the thread has seen it or not. */
void intx_hold(struct intx *intx)
{
	if (!intx->present)
		return;
	pthread_mutex_lock(&intx->lock);
	intx->held = 1;
	disarm(intx);
	take_ended(intx);
	wake(intx);
	pthread_mutex_unlock(&intx->lock);
}

/*
 * What is asserted is raised once more: a level that the guest is serving already is merged with that by the IOAPIC,
 * and one that comes once too often a driver shrugs off; one that is lost leaves the device masked for ever.
 */
int intx_release(struct intx *intx, struct gw_error *e)
{
	int ret = 0;

	if (!intx->present)
		return 0;
	pthread_mutex_lock(&intx->lock);
	intx->held = 0;
	if (intx->bound && !intx->armed) {
		ret = arm(intx, e);
		if (!ret && intx->asserted)
			eventfd_write(intx->relay_fd, 1);
		if (!intx->asserted)
			unmask(intx);
	}
	wake(intx);
	pthread_mutex_unlock(&intx->lock);
	return ret;
}

static int is_signalled(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1 && pfd.revents & POLLIN;
}

void intx_save(struct intx *intx, struct blob_out *out)
{
	int asserted = 0;

	if (intx->present) {
		pthread_mutex_lock(&intx->lock);
		asserted = intx->bound && (intx->asserted || is_signalled(intx->device_fd));
		pthread_mutex_unlock(&intx->lock);
	}
	blob_put_u32(out, (uint32_t)asserted);
}

int intx_load(struct intx *intx, int wanted, struct blob_in *in, struct gw_error *e)
{
	uint32_t asserted = blob_get_u32(in);
	int ret;

	if (in->bad || asserted > (intx->present && wanted ? 1 : 0))
		return gw_error_set(e, -EBADMSG, gw_device_id(intx->dev), "its INTx is malformed");
	intx_hold(intx);
	intx_set(intx, 0, NULL);
	ret = intx_set(intx, wanted, e);
	if (!intx->present || ret)
		return ret;
	pthread_mutex_lock(&intx->lock);
	intx->asserted = asserted;
	pthread_mutex_unlock(&intx->lock);
	return 0;
}

static int open_fds(struct intx *intx, struct gw_error *e)
{
	int *const fds[] = { &intx->device_fd, &intx->relay_fd, &intx->ended_fd, &intx->wake_fd };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		*fds[i] = -1;
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		*fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (*fds[i] < 0)
			return gw_error_set(e, -errno, gw_device_id(intx->dev), "no eventfd for INTx: %s",
					    strerror(errno));
	}
	return 0;
}

static void close_fds(struct intx *intx)
{
	const int fds[] = { intx->device_fd, intx->relay_fd, intx->ended_fd, intx->wake_fd };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

int intx_open(struct intx *intx, const struct intx_config *config, struct gw_error *e)
{
	struct gw_irq_info info = { 0 };
	int ret;

	*intx = (struct intx){ .dev = config->dev, .vm_fd = config->vm_fd, .gsi = config->gsi };
	intx->nr_failed = config->nr_failed;
	if (gw_device_irq_info(config->dev, GW_IRQ_INTX, &info, NULL) || !info.count)
		return 0;
	ret = open_fds(intx, e);
	if (!ret) {
		pthread_mutex_init(&intx->lock, NULL);
		ret = vm_thread_start(&intx->thread, "vm-intx", intx_main, intx);
		if (ret)
			gw_error_set(e, ret, gw_device_id(intx->dev), "no thread for INTx: %s", strerror(-ret));
	}
	if (ret)
		close_fds(intx);
	else
		intx->present = 1;
	return ret;
}

void intx_close(struct intx *intx)
{
	if (!intx->present)
		return;
	pthread_mutex_lock(&intx->lock);
	unbind_device(intx);
	intx->closing = 1;
	wake(intx);
	pthread_mutex_unlock(&intx->lock);
	pthread_join(intx->thread, NULL);
	pthread_mutex_destroy(&intx->lock);
	close_fds(intx);
	*intx = (struct intx){ 0 };
}
