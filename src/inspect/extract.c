/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's state out of a QEMU stream: the pieces that were found while it was read are copied into an image, those
 * of the main channel first, then those of multifd channels by their index. That is the order in which QEMU's own
 * destination gives them to the device.
 */
#include "base/err.h"
#include "base/export.h"
#include "image/watch.h"
#include "image/writer.h"
#include "inspect/bounds.h"
#include "inspect/inspector.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX "/vfio"

/* "0000:00:05.0/vfio", or without "/vfio"; "#2" behind it: of that instance only. */
static bool is_named(const struct gw_inspected_device *device, const char *name)
{
	size_t nr = strlen(device->id), suffix = strlen(SUFFIX);
	char instance[16];

	if (strncmp(device->id, name, nr)) {
		nr = nr > suffix ? nr - suffix : 0;
		if (!nr || strcmp(device->id + nr, SUFFIX) || strncmp(device->id, name, nr))
			return false;
	}
	snprintf(instance, sizeof(instance), "#%" PRIu32, device->instance);
	return !name[nr] || !strcmp(name + nr, instance);
}

static struct vfio_state *find(const struct inspector *inspector, const char *name, struct gw_error *e)
{
	struct vfio_state *found = NULL;

	for (struct vfio_state *state = inspector->states; state; state = state->next) {
		if (!is_named(state->device, name))
			continue;
		if (found) {
			err_set(e, -ENOENT, name, "several devices of this name: name one by its instance, \"%s#%u\"",
				name, state->device->instance);
			return NULL;
		}
		found = state;
	}
	if (!found)
		err_set(e, -ENOENT, name, "there is no such device in the stream");
	return found;
}

/* What is missing, if something is. */
static int check_complete(const struct inspector *inspector, struct vfio_state *state, struct gw_error *e)
{
	const struct gw_inspected_device *device = state->device;

	if (device->flags & GW_INSPECTED_COMPLETE)
		return 0;
	if (!(inspector->qemu->flags & GW_QEMU_HEADER))
		return err_set(e, -EBADMSG, device->id,
			       "the main channel is not among the files, and state may be in it");
	if (!state->ended)
		return err_set(e, -EBADMSG, device->id, "its state is not all there: the end of it is missing");
	if (!(device->flags & GW_INSPECTED_MULTIFD))
		return err_set(e, -EBADMSG, device->id,
			       "its state is not in the main channel, but in multifd channels: name "
			       "their files, too");
	if (!state->config_is_buffer)
		return err_set(e, -EBADMSG, device->id,
			       "its state is not all there: its last buffer, the PCI state, is missing");
	return err_set(e, -EBADMSG, device->id, "its state is not all there: buffer %u is missing, or came twice",
		       pieces_order(state));
}

static void make_head(const struct inspector *inspector, const struct gw_inspected_device *device,
		      struct gw_image_head *head)
{
	size_t nr = strlen(device->id), suffix = strlen(SUFFIX);

	*head = (struct gw_image_head){ 0 };
	if (nr > suffix && !strcmp(device->id + nr - suffix, SUFFIX))
		nr -= suffix;
	snprintf(head->id, sizeof(head->id), "%.*s", (int)nr, device->id);
	snprintf(head->origin, sizeof(head->origin), "QEMU stream%s%.64s", inspector->qemu->machine[0] ? " of " : "",
		 inspector->qemu->machine);
	if (!(device->flags & GW_INSPECTED_PCI))
		return;
	head->known = GW_IMAGE_KNOWS_PCI;
	head->vendor_id = device->vendor_id;
	head->device_id = device->device_id;
	head->subsystem_vendor_id = device->subsystem_vendor_id;
	head->subsystem_device_id = device->subsystem_device_id;
	head->class_revision = device->class_revision;
}

struct copy {
	const struct inspector *inspector;
	struct image_writer *writer;
	struct image_watch *watch;
};

static int copy_piece(const struct copy *copy, const struct piece *piece, uint8_t *buf, struct gw_error *e)
{
	const struct inspected_source *source = &copy->inspector->sources[piece->file];
	uint32_t flags = piece->is_stop_copy ? IMAGE_BLOCK_STOP_COPY : 0;

	for (uint64_t done = 0; done < piece->nr_bytes;) {
		size_t want = min_u64(piece->nr_bytes - done, GW_IMAGE_BLOCK_BYTES);
		ssize_t n = pread(source->fd, buf, want, (off_t)(source->start + piece->offset + done));
		int ret;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(e, n ? -errno : -EBADMSG, "", "the state could not be read again: %s",
				       n ? strerror(errno) : "the file has become shorter");
		done += (uint64_t)n;
		if (piece->initial_end && done == piece->nr_bytes)
			flags |= IMAGE_BLOCK_INITIAL_END;
		ret = image_writer_put(copy->writer, flags, buf, (size_t)n, e);
		copy->watch->progress.bytes += (uint64_t)n;
		if (!ret && image_watch_tick(copy->watch))
			ret = err_set(e, -ECANCELED, "", "stopped while the state was copied");
		if (ret)
			return ret;
	}
	return 0;
}

static int copy_pieces(const struct copy *copy, const struct pieces *pieces, uint8_t *buf, struct gw_error *e)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < pieces->nr; i++)
		ret = copy_piece(copy, &pieces->list[i], buf, e);
	return ret;
}

static int check_sources(const struct inspector *inspector, struct gw_error *e)
{
	for (uint32_t i = 0; i < inspector->nr_sources; i++)
		if (!inspector->sources[i].seekable)
			return err_set(e, -ESPIPE, "", "state can only be extracted from files, not from a pipe");
	return 0;
}

/* The image of a state of which all pieces are known. */
static int write_image(const struct inspector *inspector, const struct vfio_state *state, int out_fd,
		       struct image_watch *watch, struct gw_image_totals *totals, struct gw_error *e)
{
	struct image_io io = image_io(out_fd, image_watch_tick, watch);
	struct copy copy = { .inspector = inspector, .watch = watch };
	uint8_t *buf = malloc(GW_IMAGE_BLOCK_BYTES);
	struct gw_image_head head;
	int ret = buf ? 0 : err_set(e, -ENOMEM, "", "no memory");

	make_head(inspector, state->device, &head);
	if (!ret)
		ret = image_writer_open(&copy.writer, &io, &head, e);
	if (!ret)
		ret = copy_pieces(&copy, &state->main, buf, e);
	if (!ret)
		ret = copy_pieces(&copy, &state->channels, buf, e);
	if (!ret)
		ret = image_writer_finish(copy.writer, 0, totals, e);
	image_writer_close(copy.writer);
	free(buf);
	return ret;
}

GW_EXPORT int gw_inspect_extract(const struct gw_inspection *inspection, const char *device, int out_fd,
				 const struct gw_image_options *options, struct gw_image_totals *totals,
				 struct gw_error *e)
{
	const struct inspector *inspector = (const struct inspector *)inspection;
	struct image_watch watch;
	struct vfio_state *state;
	int ret = image_watch_init(&watch, options, e);

	if (ret)
		return ret;
	if (!inspector->qemu)
		return err_set(e, -EINVAL, device, "devices are extracted from QEMU streams only");
	state = find(inspector, device, e);
	if (!state)
		return -ENOENT;
	ret = check_complete(inspector, state, e);
	if (!ret)
		ret = check_sources(inspector, e);
	if (ret)
		return ret;
	watch.progress.phase = GW_IMAGE_CHECKING;
	watch.progress.expected_bytes = state->device->precopy_bytes + state->device->stop_copy_bytes;
	return write_image(inspector, state, out_fd, &watch, totals, e);
}
