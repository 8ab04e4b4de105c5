/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules by which a migration is refused before it begins, each a sentence that says what is wrong, why it
 * matters and what to do. Every rule is asked of everything it applies to, so that one answer names all that is
 * to be mended. Sentences speak of "the source" and "the destination": they are read on both sides.
 *
 * The rules are doc/wire.md's list of blockers; STOP_COPY, P2P and PRE_COPY as linux/vfio.h defines them.
 */
#include "model/manifest.h"

#include "model/limits.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const code_names[NR_REASON_CODES] = {
	[REASON_NONE] = "none",
	[REASON_NO_MIGRATION] = "no-migration",
	[REASON_NO_STOP_COPY] = "no-stop-copy",
	[REASON_NO_P2P] = "no-p2p",
	[REASON_NO_PRECOPY_INFO] = "no-precopy-info",
	[REASON_RAM_MISSING] = "ram-missing",
	[REASON_RAM_DIFFERS] = "ram-differs",
	[REASON_DEVICE_MISSING] = "device-missing",
	[REASON_DEVICE_EXTRA] = "device-extra",
	[REASON_DEVICE_DIFFERS] = "device-differs",
	[REASON_DEVICE_CAPABILITY] = "device-capability",
	[REASON_PAGE_SIZE] = "page-size",
	[REASON_BUSY] = "busy",
	[REASON_DUPLICATE_ID] = "duplicate-id",
	[REASON_DEVICE_STATE] = "device-state",
	[REASON_OTHER] = "other",
	[REASON_ARBITER] = "arbiter",
	[REASON_HOST_LACKS] = "host-lacks",
};

const char *reason_code_name(uint32_t code)
{
	return code_names[code < NR_REASON_CODES ? code : REASON_OTHER];
}

void reasons_add(struct reasons *reasons, enum reason_code code, const char *where, const char *fmt, ...)
{
	struct reason *reason;
	va_list args;

	if (reasons->nr >= LIMIT_REASONS)
		return;
	reason = &reasons->list[reasons->nr++];
	reason->code = code;
	snprintf(reason->where, sizeof(reason->where), "%s", where ? where : "");
	va_start(args, fmt);
	vsnprintf(reason->what, sizeof(reason->what), fmt, args);
	va_end(args);
}

/* Who would have to offer migration, by back end, and what a person can do if it does not. */
static const struct backend {
	const char *name;
	const char *owner;   /* of a device's migration */
	const char *feature; /* what it lacks */
	const char *remedy;
	bool tells_precopy; /* its protocol has a pre-copy information call, so PRE_COPY without one is a fault */
} backends[] = {
	{ "vfio-user", "vfio-user server", "feature 1", "use a server that implements it", false },
	{ "kernel cdev", "kernel driver", "VFIO_DEVICE_FEATURE_MIGRATION", "bind a driver that implements it", true },
	{ "kernel group", "kernel driver", "VFIO_DEVICE_FEATURE_MIGRATION", "bind a driver that implements it", true },
	{ "fd", "kernel driver", "VFIO_DEVICE_FEATURE_MIGRATION", "bind a driver that implements it", true },
	{ "ops", "VMM's device code", "migration flags", "implement it there", true },
};

static const struct backend backend_unknown = { "", "back end", "migration flags", "use one that implements it", true };

static const struct backend *find_backend(const struct gw_device_info *info)
{
	for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
		if (!strcmp(backends[i].name, info->backend))
			return &backends[i];
	return &backend_unknown;
}

static void check_ram_ids(const struct manifest *m, const char *side, struct reasons *reasons)
{
	for (uint32_t i = 0; i < m->nr_ram; i++)
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(m->ram[i].id, m->ram[j].id))
				reasons_add(reasons, REASON_DUPLICATE_ID, m->ram[i].id,
					    "two RAM blocks of the %s have the id \"%s\": give each its own", side,
					    m->ram[i].id);
}

static void check_device_ids(const struct manifest *m, const char *side, struct reasons *reasons)
{
	for (uint32_t i = 0; i < m->nr_devices; i++)
		for (uint32_t j = 0; j < i; j++)
			if (!strcmp(m->devices[i].id, m->devices[j].id))
				reasons_add(reasons, REASON_DUPLICATE_ID, m->devices[i].id,
					    "two devices of the %s have the id \"%s\": give each its own", side,
					    m->devices[i].id);
}

#define TEXT_BYTES 80

static const char *ram_text(const struct manifest_ram *ram, char text[TEXT_BYTES])
{
	snprintf(text, TEXT_BYTES, "0x%" PRIx64 " bytes at 0x%" PRIx64, ram->size_bytes, ram->gpa);
	return text;
}

static void check_ram_block(const struct manifest_ram *ram, struct reasons *reasons)
{
	char text[TEXT_BYTES];

	if (is_aligned(ram->gpa | ram->size_bytes, GW_PAGE_BYTES) && range_is_sane(ram->gpa, ram->size_bytes) &&
	    ram->size_bytes <= LIMIT_RAM_BYTES)
		return;
	reasons_add(reasons, REASON_OTHER, ram->id,
		    "the source's RAM block \"%s\" (%s) is empty, too large, or not made of whole pages of %u bytes: "
		    "correct its RAM map",
		    ram->id, ram_text(ram, text), GW_PAGE_BYTES);
}

static void check_ram(const struct manifest *m, struct reasons *reasons)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < m->nr_ram; i++) {
		check_ram_block(&m->ram[i], reasons);
		bytes += min_u64(m->ram[i].size_bytes, LIMIT_RAM_BYTES + 1);
	}
	if (bytes > LIMIT_RAM_BYTES)
		reasons_add(reasons, REASON_OTHER, "", "the source has more RAM than the %llu TiB godwit can migrate",
			    LIMIT_RAM_BYTES >> 40);
}

static void check_device(const struct manifest_device *device, struct reasons *reasons)
{
	const struct gw_device_info *info = &device->info;
	const struct backend *backend = find_backend(info);

	if (!info->migration_flags)
		reasons_add(reasons, REASON_NO_MIGRATION, device->id,
			    "the %s of %s offers no migration (%s): its state would be lost; %s, or unplug the device",
			    backend->owner, device->id, backend->feature, backend->remedy);
	else if (!(info->migration_flags & GW_MIGRATION_STOP_COPY))
		reasons_add(reasons, REASON_NO_STOP_COPY, device->id,
			    "the %s of %s offers migration without STOP_COPY (flags 0x%x), which every device needs; "
			    "%s, or unplug the device",
			    backend->owner, device->id, info->migration_flags, backend->remedy);
	else if (info->migration_flags & GW_MIGRATION_PRE_COPY && !(info->features & GW_FEATURE_PRECOPY_INFO) &&
		 backend->tells_precopy)
		reasons_add(reasons, REASON_NO_PRECOPY_INFO, device->id,
			    "the %s of %s claims PRE_COPY but does not answer VFIO_MIG_GET_PRECOPY_INFO, which it "
			    "must; update it, or unplug the device",
			    backend->owner, device->id);
}

/* One that cannot migrate at all is another reason. */
static bool lacks_p2p(const struct manifest *m, uint32_t i)
{
	uint32_t flags = m->devices[i].info.migration_flags;

	return m->nr_devices > 1 && flags && !(flags & GW_MIGRATION_P2P);
}

bool manifest_lacks_p2p(const struct manifest *m)
{
	for (uint32_t i = 0; i < m->nr_devices; i++)
		if (lacks_p2p(m, i))
			return true;
	return false;
}

static void check_p2p(const struct manifest *m, struct reasons *reasons)
{
	for (uint32_t i = 0; i < m->nr_devices; i++) {
		const struct manifest_device *device = &m->devices[i];

		if (!lacks_p2p(m, i))
			continue;
		reasons_add(reasons, REASON_NO_P2P, device->id,
			    "%s has no P2P states, and %u devices migrate together: another device could write to it "
			    "after it has stopped; migrate it as the only device, or allow it (--allow-no-p2p, "
			    "GW_ALLOW_NO_P2P) if the devices never reach each other",
			    device->id, m->nr_devices);
	}
}

void manifest_check_source(const struct manifest *source, uint32_t flags, struct reasons *reasons)
{
	check_ram_ids(source, "source", reasons);
	check_device_ids(source, "source", reasons);
	check_ram(source, reasons);
	for (uint32_t i = 0; i < source->nr_devices; i++)
		check_device(&source->devices[i], reasons);
	if (!(flags & GW_ALLOW_NO_P2P))
		check_p2p(source, reasons);
}

static const struct manifest_ram *find_ram(const struct manifest *m, const char *id)
{
	for (uint32_t i = 0; i < m->nr_ram; i++)
		if (!strcmp(m->ram[i].id, id))
			return &m->ram[i];
	return NULL;
}

static const struct manifest_device *find_device(const struct manifest *m, const char *id)
{
	for (uint32_t i = 0; i < m->nr_devices; i++)
		if (!strcmp(m->devices[i].id, id))
			return &m->devices[i];
	return NULL;
}

static void compare_ram_block(const struct manifest_ram *theirs, const struct manifest_ram *ours,
			      struct reasons *reasons)
{
	char source_text[TEXT_BYTES], own_text[TEXT_BYTES];

	if (!ours)
		reasons_add(reasons, REASON_RAM_MISSING, theirs->id,
			    "the destination has no RAM block \"%s\" (%s): start it with the source's memory",
			    theirs->id, ram_text(theirs, source_text));
	else if (ours->gpa != theirs->gpa || ours->size_bytes != theirs->size_bytes)
		reasons_add(reasons, REASON_RAM_DIFFERS, theirs->id,
			    "RAM block \"%s\" is %s on the source and %s on the destination: start the destination "
			    "with the source's memory",
			    theirs->id, ram_text(theirs, source_text), ram_text(ours, own_text));
}

static void compare_ram(const struct manifest *source, const struct manifest *own, struct reasons *reasons)
{
	char text[TEXT_BYTES];

	for (uint32_t i = 0; i < source->nr_ram; i++)
		compare_ram_block(&source->ram[i], find_ram(own, source->ram[i].id), reasons);
	for (uint32_t i = 0; i < own->nr_ram; i++)
		if (!find_ram(source, own->ram[i].id))
			reasons_add(reasons, REASON_RAM_MISSING, own->ram[i].id,
				    "the source has no RAM block \"%s\" (%s), the destination has: start it without",
				    own->ram[i].id, ram_text(&own->ram[i], text));
}

/* 0 means that a side does not know. */
static bool id_differs(uint32_t a, uint32_t b)
{
	return a && b && a != b;
}

static bool is_another_model(const struct gw_device_info *a, const struct gw_device_info *b)
{
	return id_differs(a->vendor_id, b->vendor_id) || id_differs(a->device_id, b->device_id) ||
	       id_differs(a->subsystem_vendor_id, b->subsystem_vendor_id) ||
	       id_differs(a->subsystem_device_id, b->subsystem_device_id) ||
	       id_differs(a->class_revision >> 8, b->class_revision >> 8);
}

static const char *model_text(const struct gw_device_info *info, char text[TEXT_BYTES])
{
	snprintf(text, TEXT_BYTES, "%04x:%04x (subsystem %04x:%04x, class %06x)", info->vendor_id, info->device_id,
		 info->subsystem_vendor_id, info->subsystem_device_id, info->class_revision >> 8);
	return text;
}

static const struct capability {
	uint32_t flag;
	const char *name;
} capabilities[] = {
	{ GW_MIGRATION_STOP_COPY, " STOP_COPY" },
	{ GW_MIGRATION_P2P, " P2P" },
	{ GW_MIGRATION_PRE_COPY, " PRE_COPY" },
};

#define MIGRATION_FLAGS (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY)

static const char *capabilities_text(uint32_t flags, char text[TEXT_BYTES])
{
	text[0] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(capabilities); i++)
		if (flags & capabilities[i].flag)
			strcat(text, capabilities[i].name);
	return text;
}

/* The destination's device needs what the source's has, and STOP_COPY in any case. */
static void compare_capabilities(const struct manifest_device *theirs, const struct manifest_device *ours,
				 struct reasons *reasons)
{
	uint32_t needed = theirs->info.migration_flags | GW_MIGRATION_STOP_COPY;
	uint32_t missing = needed & ~ours->info.migration_flags & MIGRATION_FLAGS;
	char text[TEXT_BYTES];

	if (missing)
		reasons_add(reasons, REASON_DEVICE_CAPABILITY, theirs->id,
			    "the %s of %s on the destination lacks%s: %s there, as the source has",
			    find_backend(&ours->info)->owner, theirs->id, capabilities_text(missing, text),
			    find_backend(&ours->info)->remedy);
}

static void compare_device(const struct manifest_device *theirs, const struct manifest_device *ours,
			   struct reasons *reasons)
{
	char source_text[TEXT_BYTES], own_text[TEXT_BYTES];

	if (is_another_model(&theirs->info, &ours->info))
		reasons_add(reasons, REASON_DEVICE_DIFFERS, theirs->id,
			    "%s is %s on the source and %s on the destination: its state fits only the same model",
			    theirs->id, model_text(&theirs->info, source_text), model_text(&ours->info, own_text));
	compare_capabilities(theirs, ours, reasons);
}

static void compare_devices(const struct manifest *source, const struct manifest *own, struct reasons *reasons)
{
	for (uint32_t i = 0; i < source->nr_devices; i++) {
		const struct manifest_device *theirs = &source->devices[i];
		const struct manifest_device *ours = find_device(own, theirs->id);

		if (ours)
			compare_device(theirs, ours, reasons);
		else
			reasons_add(reasons, REASON_DEVICE_MISSING, theirs->id,
				    "the destination has no device %s: add one of the same model under this id, or "
				    "unplug it from the source",
				    theirs->id);
	}
	for (uint32_t i = 0; i < own->nr_devices; i++)
		if (!find_device(source, own->devices[i].id))
			reasons_add(reasons, REASON_DEVICE_EXTRA, own->devices[i].id,
				    "the source has no device %s, the destination has: start it without",
				    own->devices[i].id);
}

void manifest_compare(const struct manifest *source, const struct manifest *own, struct reasons *reasons)
{
	if (source->page_bytes != own->page_bytes)
		reasons_add(reasons, REASON_PAGE_SIZE, "",
			    "the source counts RAM in pages of %" PRIu64 " bytes, the destination in pages of %" PRIu64
			    ": use the same release of godwit on both",
			    source->page_bytes, own->page_bytes);
	check_ram_ids(source, "source", reasons);
	check_device_ids(source, "source", reasons);
	check_ram_ids(own, "destination", reasons);
	check_device_ids(own, "destination", reasons);
	compare_ram(source, own, reasons);
	compare_devices(source, own, reasons);
}
