/* SPDX-License-Identifier: BSD-3-Clause */
/* Inspecting files: recognises each by its first bytes, has it read, and puts together what they tell. */
#include "base/err.h"
#include "base/export.h"
#include "image/watch.h"
#include "inspect/image.h"
#include "inspect/inspector.h"
#include "inspect/qemu.h"
#include "inspect/record.h"
#include "wire/frame.h"
#include "wire/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
static const struct file_kind {
	uint32_t magic; /* as its first bytes are, big-endian */
	uint32_t kind;
	int (*read)(struct reading *r);
} kinds[] = {
	{ 0x47445749, GW_FILE_IMAGE, image_inspect },   /* "GDWI" */
	{ 0x47445754, GW_FILE_RECORD, record_inspect }, /* "GDWT" */
	{ QEMU_MAGIC, GW_FILE_QEMU, qemu_stream_read },
	{ QEMU_MULTIFD_MAGIC, GW_FILE_QEMU_CHANNEL, qemu_multifd_read },
};

static const struct file_kind *recognise(struct input *in)
{
	const uint8_t *bytes;

	if (input_look(in, 4, &bytes) < 4)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (input_be32(bytes) == kinds[i].magic)
			return &kinds[i];
	return NULL;
}

/* Which files may stand together, and in which order. */
static bool may_follow(const struct inspector *inspector, uint32_t kind)
{
	const struct gw_inspection *result = &inspector->result;

	if (!result->files)
		return true;
	if (kind == GW_FILE_RECORD)
		return result->record;
	return kind == GW_FILE_QEMU_CHANNEL && result->qemu;
}

/* The part of the tree that a file of this kind goes into. */
static int make_root(struct inspector *inspector, uint32_t kind)
{
	struct gw_inspection *result = &inspector->result;

	if (result->files)
		return 0;
	if (kind == GW_FILE_IMAGE)
		result->image = inspector->image = arena_zalloc(&inspector->arena, sizeof(*inspector->image));
	else if (kind == GW_FILE_RECORD)
		result->record = inspector->record = arena_zalloc(&inspector->arena, sizeof(*inspector->record));
	else
		result->qemu = inspector->qemu = arena_zalloc(&inspector->arena, sizeof(*inspector->qemu));
	return result->image || result->record || result->qemu ? 0 : -ENOMEM;
}

static int read_file(struct inspector *inspector, struct input *in, const char *name, uint32_t number,
		     struct gw_error *e)
{
	const struct file_kind *kind = recognise(in);
	struct reading r = { .inspector = inspector, .arena = &inspector->arena, .in = in, .file_number = number };
	int ret;

	if (in->error)
		return in->error;
	if (!kind)
		return err_set(e, -EPROTONOSUPPORT, name,
			       "is neither a saved device state, nor a recorded godwit migration, "
			       "nor a QEMU migration stream");
	if (!may_follow(inspector, kind->kind))
		return err_set(e, -EINVAL, name, "does not belong to the file before it");
	if (make_root(inspector, kind->kind))
		return -ENOMEM;
	r.file = arena_append(r.arena, struct gw_inspected_file, &inspector->result.files, GW_INSPECT_MAX_FILES);
	if (!r.file)
		return -ENOMEM;
	r.file->name = arena_text(r.arena, name);
	r.file->kind = kind->kind;
	if (!r.file->name)
		return -ENOMEM;
	ret = kind->read(&r);
	r.file->bytes = in->offset;
	if (in->error)
		return in->error;
	r.file->whole = !r.file->trouble.code;
	return r.file->trouble.code && ret != -ENOMEM ? 0 : ret;
}

static int read_input(struct inspector *inspector, const struct gw_inspect_input *input, uint32_t number,
		      struct image_watch *watch, struct gw_error *e)
{
	const char *name = input->name ? input->name : "";
	struct input in;
	int ret = input_open(&in, input->fd, watch);

	if (!ret)
		ret = read_file(inspector, &in, name, number, e);
	inspector->sources[number] =
		(struct inspected_source){ .fd = input->fd, .seekable = in.seekable, .start = in.start };
	watch->progress.bytes = in.before + in.offset;
	input_close(&in);
	if (ret == -ECANCELED)
		return err_set(e, ret, name, "stopped while it was read");
	return ret ? err_set(e, ret, name, "cannot be read: %s", strerror(-ret)) : 0;
}

/* The state of each QEMU device: is it all there? Without the main channel nobody knows what came before. */
static void judge_devices(struct inspector *inspector)
{
	for (struct vfio_state *state = inspector->states; state; state = state->next) {
		struct gw_inspected_device *device = state->device;
		bool complete = state->ended;

		if (device->flags & GW_INSPECTED_MULTIFD)
			complete &= state->config_is_buffer && pieces_order(state) == UINT32_MAX;
		else
			complete &= device->stop_copy_bytes || state->has_config;
		device->flags |= complete ? GW_INSPECTED_COMPLETE : 0;
	}
}

/* Of all files together; 0 if one is none. */
static uint64_t files_bytes(const struct gw_inspect_input *inputs, uint32_t nr)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < nr; i++) {
		struct stat st;

		if (fstat(inputs[i].fd, &st) || !S_ISREG(st.st_mode))
			return 0;
		sum += (uint64_t)st.st_size;
	}
	return sum;
}

GW_EXPORT int gw_inspect_read(const struct gw_inspection **inspection, const struct gw_inspect_input *inputs,
			      uint32_t nr_inputs, const struct gw_image_options *options, struct gw_error *e)
{
	struct inspector *inspector;
	struct image_watch watch;
	int ret;

	*inspection = NULL;
	if (!nr_inputs || nr_inputs > GW_INSPECT_MAX_FILES)
		return err_set(e, -EINVAL, "", "between 1 and %u files can be inspected together",
			       GW_INSPECT_MAX_FILES);
	ret = image_watch_init(&watch, options, e);
	if (ret)
		return ret;
	watch.progress.phase = GW_IMAGE_CHECKING;
	watch.progress.expected_bytes = files_bytes(inputs, nr_inputs);
	inspector = calloc(1, sizeof(*inspector));
	if (inspector)
		inspector->sources = calloc(nr_inputs, sizeof(*inspector->sources));
	if (!inspector || !inspector->sources) {
		free(inspector);
		return err_set(e, -ENOMEM, "", "no memory");
	}
	inspector->nr_sources = nr_inputs;
	for (uint32_t i = 0; !ret && i < nr_inputs; i++)
		ret = read_input(inspector, &inputs[i], i, &watch, e);
	if (ret) {
		gw_inspection_free(&inspector->result);
		return ret;
	}
	judge_devices(inspector);
	*inspection = &inspector->result;
	return 0;
}

GW_EXPORT void gw_inspection_free(const struct gw_inspection *inspection)
{
	struct inspector *inspector = (struct inspector *)inspection;

	if (!inspector)
		return;
	vfio_states_free(inspector->states);
	arena_free(&inspector->arena);
	free(inspector->sources);
	free(inspector);
}
