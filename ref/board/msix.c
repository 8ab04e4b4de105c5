/* SPDX-License-Identifier: BSD-3-Clause */
/* MSI-X (PCI Local Bus Specification 3.0, 6.8.2) on eventfds and irqfds. */
#include "ref/board/msix.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

static uint32_t word(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t address_of(const struct msix_vector *vector)
{
	return word(vector->entry + PCI_MSIX_ENTRY_LOWER_ADDR) |
	       (uint64_t)word(vector->entry + PCI_MSIX_ENTRY_UPPER_ADDR) << 32;
}

static int is_masked(const struct msix_vector *vector)
{
	return vector->entry[PCI_MSIX_ENTRY_VECTOR_CTRL] & PCI_MSIX_ENTRY_CTRL_MASKBIT;
}

static int is_signalled(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return fd >= 0 && poll(&pfd, 1, 0) == 1 && pfd.revents & POLLIN;
}

static int irqfd(const struct msix *msix, const struct msix_vector *vector, uint32_t flags)
{
	struct kvm_irqfd irqfd = { .fd = (uint32_t)vector->fd, .gsi = vector->gsi, .flags = flags };

	return ioctl(msix->vm_fd, KVM_IRQFD, &irqfd) ? -errno : 0;
}

static int set_route(struct msix *msix, struct msix_vector *vector, struct gw_error *e)
{
	int ret = vector->gsi ? 0 : routes_take(msix->routes, &vector->gsi);

	if (ret)
		return gw_error_set(e, ret, gw_device_id(msix->dev), "no GSI is left for a vector");
	return routes_set(msix->routes, vector->gsi, address_of(vector), word(vector->entry + PCI_MSIX_ENTRY_DATA), e);
}

static int arm(struct msix *msix, struct msix_vector *vector, struct gw_error *e)
{
	int ret = set_route(msix, vector, e);

	if (ret)
		return ret;
	ret = irqfd(msix, vector, 0);
	if (ret)
		return gw_error_set(e, ret, gw_device_id(msix->dev), "KVM_IRQFD: %s", strerror(-ret));
	vector->armed = 1;
	return 0;
}

static void disarm(struct msix *msix, struct msix_vector *vector)
{
	if (vector->armed)
		irqfd(msix, vector, KVM_IRQFD_FLAG_DEASSIGN);
	vector->armed = 0;
}

static int is_let_through(const struct msix *msix, const struct msix_vector *vector)
{
	return vector->fd >= 0 && msix->control & PCI_MSIX_FLAGS_ENABLE && !(msix->control & PCI_MSIX_FLAGS_MASKALL) &&
	       !is_masked(vector);
}

static int settle(struct msix *msix, struct msix_vector *vector, struct gw_error *e)
{
	if (!msix->held && is_let_through(msix, vector))
		return vector->armed ? set_route(msix, vector, e) : arm(msix, vector, e);
	disarm(msix, vector);
	return 0;
}

static int settle_all(struct msix *msix, struct gw_error *e)
{
	int ret = 0;

	for (uint32_t v = 0; v < msix->nr_vectors; v++) {
		int failed = settle(msix, &msix->vectors[v], e);

		ret = ret ? ret : failed;
	}
	return ret;
}

static void unbind(struct msix *msix)
{
	for (uint32_t v = 0; v < msix->nr_vectors; v++)
		disarm(msix, &msix->vectors[v]);
	if (msix->bound && gw_device_irq_set(msix->dev, GW_IRQ_MSIX, 0, 0, NULL, NULL))
		(*msix->nr_failed)++;
	msix->bound = 0;
	for (uint32_t v = 0; v < msix->nr_vectors; v++) {
		if (msix->vectors[v].fd >= 0)
			close(msix->vectors[v].fd);
		msix->vectors[v].fd = -1;
	}
}

/* All at once: that is how the kernel's VFIO wants vectors. */
static int bind_all(struct msix *msix, struct gw_error *e)
{
	int *fds = calloc(msix->nr_bindable, sizeof(*fds)), ret = 0;

	if (!fds)
		return gw_error_set(e, -ENOMEM, gw_device_id(msix->dev), "no memory for its vectors");
	for (uint32_t v = 0; !ret && v < msix->nr_bindable; v++) {
		fds[v] = msix->vectors[v].fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (fds[v] < 0)
			ret = gw_error_set(e, -errno, gw_device_id(msix->dev), "no eventfd for a vector: %s",
					   strerror(errno));
	}
	if (!ret)
		ret = gw_device_irq_set(msix->dev, GW_IRQ_MSIX, 0, msix->nr_bindable, fds, e);
	free(fds);
	msix->bound = !ret;
	if (ret)
		unbind(msix);
	return ret;
}

void msix_set_control(struct msix *msix, uint32_t control)
{
	int ret = 0;

	if (!msix->nr_vectors)
		return;
	pthread_mutex_lock(&msix->lock);
	msix->control = control & (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	if (!(control & PCI_MSIX_FLAGS_ENABLE))
		unbind(msix);
	else if (!msix->bound)
		ret = bind_all(msix, NULL);
	if (ret || settle_all(msix, NULL))
		(*msix->nr_failed)++;
	pthread_mutex_unlock(&msix->lock);
}

static int overlaps(const struct msix_place *place, uint32_t bar, uint64_t offset, uint64_t size_bytes)
{
	return place->size_bytes && place->bar == bar && offset < place->offset + place->size_bytes &&
	       place->offset < offset + size_bytes;
}

static int covers(const struct msix_place *place, uint32_t bar, uint64_t offset, uint64_t size_bytes)
{
	return place->bar == bar && offset >= place->offset && size_bytes <= place->size_bytes &&
	       offset - place->offset <= place->size_bytes - size_bytes;
}

int msix_touches(const struct msix *msix, uint32_t bar, uint64_t offset, uint64_t size_bytes)
{
	return overlaps(&msix->table, bar, offset, size_bytes) || overlaps(&msix->pba, bar, offset, size_bytes);
}

/* A vector that is armed has nothing that waits: what its eventfd shows KVM has taken or is about to take. */
static uint8_t pending_byte(const struct msix *msix, uint64_t at)
{
	uint8_t byte = 0;

	for (uint64_t v = at * 8; v < at * 8 + 8 && v < msix->nr_vectors; v++)
		if (!msix->vectors[v].armed && is_signalled(msix->vectors[v].fd))
			byte |= (uint8_t)(1u << v % 8);
	return byte;
}

/* Drivers use aligned words; what lies half in the table and half elsewhere reads as ones, and a write of it is lost.
 */
void msix_read(struct msix *msix, uint32_t bar, uint64_t offset, void *data, uint32_t size_bytes)
{
	uint8_t *bytes = data;

	memset(data, 0xff, size_bytes);
	pthread_mutex_lock(&msix->lock);
	for (uint32_t i = 0; i < size_bytes; i++) {
		uint64_t entry = offset + i - msix->table.offset;

		if (covers(&msix->table, bar, offset, size_bytes))
			bytes[i] = msix->vectors[entry / MSIX_ENTRY_BYTES].entry[entry % MSIX_ENTRY_BYTES];
		else if (covers(&msix->pba, bar, offset, size_bytes))
			bytes[i] = pending_byte(msix, offset + i - msix->pba.offset);
	}
	pthread_mutex_unlock(&msix->lock);
}

void msix_write(struct msix *msix, uint32_t bar, uint64_t offset, const void *data, uint32_t size_bytes)
{
	uint64_t at = offset - msix->table.offset;
	struct msix_vector *vector;

	/* No write reaches two entries: with them aligned that takes more than 8 bytes. */
	if (!covers(&msix->table, bar, offset, size_bytes) || at % MSIX_ENTRY_BYTES + size_bytes > MSIX_ENTRY_BYTES)
		return;
	vector = &msix->vectors[at / MSIX_ENTRY_BYTES];
	pthread_mutex_lock(&msix->lock);
	memcpy(vector->entry + at % MSIX_ENTRY_BYTES, data, size_bytes);
	if (settle(msix, vector, NULL))
		(*msix->nr_failed)++;
	pthread_mutex_unlock(&msix->lock);
}

void msix_hold(struct msix *msix)
{
	if (!msix->nr_vectors)
		return;
	pthread_mutex_lock(&msix->lock);
	msix->held = 1;
	settle_all(msix, NULL);
	pthread_mutex_unlock(&msix->lock);
}

/* KVM gets the table of routes once, not once a vector: this is in the downtime. */
int msix_release(struct msix *msix, struct gw_error *e)
{
	int ret = 0, told;

	if (!msix->nr_vectors)
		return 0;
	pthread_mutex_lock(&msix->lock);
	routes_begin(msix->routes);
	for (uint32_t v = 0; !ret && v < msix->nr_vectors; v++)
		if (is_let_through(msix, &msix->vectors[v]))
			ret = set_route(msix, &msix->vectors[v], e);
	told = routes_end(msix->routes, e);
	ret = ret ? ret : told;
	if (!ret) {
		msix->held = 0;
		ret = settle_all(msix, e);
	}
	pthread_mutex_unlock(&msix->lock);
	return ret;
}

void msix_save(struct msix *msix, struct blob_out *out)
{
	blob_put_u32(out, msix->nr_vectors);
	for (uint32_t v = 0; v < msix->nr_vectors; v++) {
		const struct msix_vector *vector = &msix->vectors[v];

		for (uint32_t i = 0; i < MSIX_ENTRY_BYTES; i += sizeof(uint32_t))
			blob_put_u32(out, word(vector->entry + i));
		blob_put_u32(out, (uint32_t)is_signalled(vector->fd));
	}
}

struct saved_vector {
	uint32_t words[MSIX_ENTRY_BYTES / sizeof(uint32_t)];
	uint32_t pending;
};

/* Only at a vector that is bound something can wait. */
static int decode(const struct msix *msix, struct saved_vector *saved, uint32_t control, struct blob_in *in)
{
	uint32_t nr_bound = control & PCI_MSIX_FLAGS_ENABLE ? msix->nr_bindable : 0;
	int sane = blob_get_u32(in) == msix->nr_vectors;

	for (uint32_t v = 0; sane && v < msix->nr_vectors; v++) {
		for (size_t i = 0; i < sizeof(saved->words) / sizeof(saved->words[0]); i++)
			saved[v].words[i] = blob_get_u32(in);
		saved[v].pending = blob_get_u32(in);
		sane = !in->bad && saved[v].pending <= (v < nr_bound ? 1 : 0);
	}
	return sane && !in->bad ? 0 : -EBADMSG;
}

static int adopt(struct msix *msix, const struct saved_vector *saved, uint32_t control, struct gw_error *e)
{
	int ret = 0;

	msix->held = 1;
	unbind(msix);
	msix->control = control & (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	for (uint32_t v = 0; v < msix->nr_vectors; v++)
		memcpy(msix->vectors[v].entry, saved[v].words, MSIX_ENTRY_BYTES);
	if (msix->control & PCI_MSIX_FLAGS_ENABLE)
		ret = bind_all(msix, e);
	for (uint32_t v = 0; !ret && v < msix->nr_bindable; v++)
		if (saved[v].pending)
			eventfd_write(msix->vectors[v].fd, 1);
	return ret;
}

int msix_load(struct msix *msix, uint32_t control, struct blob_in *in, struct gw_error *e)
{
	struct saved_vector *saved = calloc(msix->nr_vectors + 1, sizeof(*saved));
	int ret;

	if (!saved)
		return gw_error_set(e, -ENOMEM, gw_device_id(msix->dev), "no memory for its vectors");
	ret = decode(msix, saved, control, in);
	if (ret)
		gw_error_set(e, ret, gw_device_id(msix->dev), "its MSI-X vectors are malformed");
	if (!ret && msix->nr_vectors) {
		pthread_mutex_lock(&msix->lock);
		ret = adopt(msix, saved, control, e);
		pthread_mutex_unlock(&msix->lock);
	}
	free(saved);
	return ret;
}

static struct msix_place place(const uint8_t *field, uint64_t size_bytes)
{
	uint32_t value = word(field);

	return (struct msix_place){ value & PCI_MSIX_TABLE_BIR, value & PCI_MSIX_TABLE_OFFSET, size_bytes };
}

int msix_open(struct msix *msix, const struct msix_config *config, struct gw_error *e)
{
	struct gw_irq_info info = { 0 };
	uint32_t nr;

	*msix = (struct msix){ .dev = config->dev, .routes = config->routes, .vm_fd = config->vm_fd };
	msix->nr_failed = config->nr_failed;
	if (!config->capability || gw_device_irq_info(config->dev, GW_IRQ_MSIX, &info, NULL) || !info.count)
		return 0;
	nr = (word(config->capability) >> 16 & PCI_MSIX_FLAGS_QSIZE) + 1;
	msix->vectors = calloc(nr, sizeof(*msix->vectors));
	if (!msix->vectors)
		return gw_error_set(e, -ENOMEM, gw_device_id(config->dev), "no memory for its vectors");
	for (uint32_t v = 0; v < nr; v++) {
		msix->vectors[v].fd = -1;
		msix->vectors[v].entry[PCI_MSIX_ENTRY_VECTOR_CTRL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
	}
	msix->table = place(config->capability + PCI_MSIX_TABLE, (uint64_t)nr * MSIX_ENTRY_BYTES);
	msix->pba = place(config->capability + PCI_MSIX_PBA, (uint64_t)(nr + 63) / 64 * 8);
	msix->nr_bindable = info.count < nr ? info.count : nr;
	msix->nr_vectors = nr;
	pthread_mutex_init(&msix->lock, NULL);
	return 0;
}

void msix_close(struct msix *msix)
{
	if (!msix->nr_vectors)
		return;
	unbind(msix);
	for (uint32_t v = 0; v < msix->nr_vectors; v++)
		if (msix->vectors[v].gsi)
			routes_release(msix->routes, msix->vectors[v].gsi);
	pthread_mutex_destroy(&msix->lock);
	free(msix->vectors);
	*msix = (struct msix){ 0 };
}
