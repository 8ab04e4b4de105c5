/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM's devices measured for an estimate, and the estimate: see outlook.h. */
#include "outlook.h"

#include "course.h"
#include "log_time.h"
#include "ticker.h"
#include "tool/now.h"
#include "tool/say.h"

#include <errno.h>
#include <godwit/godwit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_NS    2000000000ull
#define LEAST_ROUNDS 5
#define MOST_ROUNDS  100

/* A device of the VM, the one that takes its state, and what was measured of both. */
struct pair {
	struct subject here, there;
	struct measure_list measures, peer_measures;
	struct gw_estimate_device found;
	int log_ret; /* of reading its log, where it has one of its own */
};

struct outlook {
	const struct outlook_options *options;
	struct pair *pairs;
	struct course source, destination;
	struct course_pace pace;
	struct ticker ticker;
	int stop_fd;
};

static int open_subject(struct outlook *o, struct subject *s, struct device_access *access, const char *name,
			unsigned i, const char *uri, struct gw_error *e)
{
	struct gw_device *dev = NULL;
	char id[GW_DEVICE_ID_BYTES];
	int ret;

	snprintf(id, sizeof(id), "%s%u", name, i);
	ret = device_access_open(access, &dev, id, uri, 0, e);
	return ret ? ret : subject_init(s, dev, o->stop_fd, o->options->max_state_bytes, e);
}

static int open_pair(struct outlook *o, struct device_access *access, unsigned i, struct gw_error *e)
{
	struct pair *pair = &o->pairs[i];
	int ret = open_subject(o, &pair->here, access, "dev", i, o->options->devices[i], e);

	pair->here.into = &pair->measures;
	o->source.subjects[o->source.nr++] = &pair->here;
	if (ret || !o->options->peers.nr)
		return ret;
	ret = open_subject(o, &pair->there, access, "peer", i, o->options->peers.items[i], e);
	pair->there.into = &pair->peer_measures;
	pair->there.takes_only = true;
	pair->there.loads = &pair->here.image;
	o->destination.subjects[o->destination.nr++] = &pair->there;
	return ret;
}

static int outlook_init(struct outlook *o, const struct outlook_options *options, int stop_fd, struct gw_error *e)
{
	*o = (struct outlook){
		.options = options,
		.stop_fd = stop_fd,
		.source.large_only = true,
		.destination.large_only = true,
		.pace = { .rounds = options->rounds, .for_ns = ROUNDS_NS, .least = LEAST_ROUNDS, .most = MOST_ROUNDS },
	};
	ticker_begin(&o->ticker);
	o->pairs = calloc(options->nr_devices, sizeof(*o->pairs));
	if (!o->pairs)
		return gw_error_set(e, -ENOMEM, "", "out of memory");
	for (unsigned i = 0; i < options->nr_devices; i++)
		o->pairs[i].here = o->pairs[i].there = SUBJECT_NONE;
	return 0;
}

static void outlook_fini(struct outlook *o)
{
	for (unsigned i = 0; o->pairs && i < o->options->nr_devices; i++) {
		subject_fini(&o->pairs[i].there);
		subject_fini(&o->pairs[i].here);
		measure_fini(&o->pairs[i].measures);
		measure_fini(&o->pairs[i].peer_measures);
	}
	free(o->pairs);
}

static void measure_logs(struct outlook *o)
{
	for (unsigned i = 0; i < o->options->nr_devices; i++) {
		struct pair *pair = &o->pairs[i];

		if (pair->here.info.dirty_source == GW_DIRTY_DEVICE && o->options->memory_bytes)
			pair->log_ret = log_time_measure(pair->here.dev, o->options->memory_bytes, &pair->found.log_ns);
	}
}

static int measure_all(struct outlook *o, struct gw_error *e)
{
	int ret;

	o->pace.began_ns = now_ns();
	for (unsigned i = 0; i < o->source.nr; i++)
		o->source.subjects[i]->into = NULL;
	ret = course_save_images(&o->source, e);
	for (unsigned i = 0; i < o->source.nr; i++)
		o->source.subjects[i]->into = &o->pairs[i].measures;
	for (; !ret && course_goes_on(&o->pace); o->pace.done++) {
		ticker_show(&o->ticker, "measuring %u devices, round %llu", o->options->nr_devices,
			    (unsigned long long)o->pace.done + 1);
		ret = course_round(&o->source, e);
		if (!ret && o->destination.nr)
			ret = course_round(&o->destination, e);
	}
	if (!ret)
		measure_logs(o);
	return ret;
}

/* The median, 0 for what was not measured. */
static uint64_t median(const struct measure_list *list, const char *group, const char *name)
{
	const struct measure *m = measure_find(list, "device", group, name);

	return m ? (uint64_t)measure_quantile(m, 0.5) : 0;
}

static uint32_t state_named(const char *name, size_t length)
{
	for (uint32_t state = 0; state < GW_NR_STATES; state++) {
		const char *known = gw_device_state_name(state);

		if (strlen(known) == length && !strncmp(known, name, length))
			return state;
	}
	return GW_STATE_ERROR;
}

/* Every arc that was measured, by its median. */
static uint32_t arcs_of(const struct measure_list *list, struct gw_arc_time *arcs)
{
	uint32_t nr = 0;

	for (size_t i = 0; i < list->nr && nr < GW_MAX_ARCS; i++) {
		const struct measure *m = &list->items[i];
		const char *colon = strchr(m->name, ':');

		if (strcmp(m->group, "arc") || !colon)
			continue;
		arcs[nr++] = (struct gw_arc_time){
			.from = (uint8_t)state_named(m->name, (size_t)(colon - m->name)),
			.to = (uint8_t)state_named(colon + 1, strlen(colon + 1)),
			.ns = (uint64_t)(measure_quantile(m, 0.5) * 1000),
		};
	}
	return nr;
}

static void find(struct outlook *o, struct pair *pair)
{
	struct gw_estimate_device *found = &pair->found;
	const struct measure_list *there = o->destination.nr ? &pair->peer_measures : &pair->measures;
	uint32_t source = pair->here.info.dirty_source;

	measure_sort(&pair->measures);
	measure_sort(&pair->peer_measures);
	found->size = sizeof(*found);
	found->migration_flags = pair->here.info.migration_flags;
	found->nr_source_arcs = arcs_of(&pair->measures, found->source_arcs);
	found->nr_destination_arcs = arcs_of(there, found->destination_arcs);
	found->precopy_bytes = median(&pair->measures, "pre-copy", "bytes");
	found->stop_copy_bytes = median(&pair->measures, "stop-copy", "bytes");
	found->read_bytes_per_s = median(&pair->measures, "read", "1M");
	found->load_bytes_per_s = median(there, "load", "1M");
	/* Behind an IOMMU a type 1 container takes all that is mapped for written. */
	found->untracked = source == GW_DIRTY_NONE || source == GW_DIRTY_TYPE1;
}

static json_t *arcs_json(const struct gw_estimate_device *found)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < found->nr_source_arcs + found->nr_destination_arcs; i++) {
		bool here = i < found->nr_source_arcs;
		const struct gw_arc_time *arc =
			here ? &found->source_arcs[i] : &found->destination_arcs[i - found->nr_source_arcs];

		json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:f}", "side", here ? "source" : "destination",
						       "from", gw_device_state_name(arc->from), "to",
						       gw_device_state_name(arc->to), "us", (double)arc->ns / 1000));
	}
	return array;
}

static json_t *device_json(const struct outlook *o, unsigned i)
{
	const struct pair *pair = &o->pairs[i];
	const struct gw_estimate_device *found = &pair->found;
	json_t *device =
		json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:o}", "id", gw_device_id(pair->here.dev), "uri",
			  gw_device_uri(pair->here.dev), "backend", pair->here.info.backend, "precopy_bytes",
			  (json_int_t)found->precopy_bytes, "stop_copy_bytes", (json_int_t)found->stop_copy_bytes,
			  "untracked", (int)found->untracked, "transitions", arcs_json(found));

	if (o->destination.nr)
		json_object_set_new(device, "peer", json_string(gw_device_uri(pair->there.dev)));
	if (found->read_bytes_per_s)
		json_object_set_new(device, "read_bytes_per_s", json_integer((json_int_t)found->read_bytes_per_s));
	if (found->load_bytes_per_s)
		json_object_set_new(device, "load_bytes_per_s", json_integer((json_int_t)found->load_bytes_per_s));
	if (found->log_ns)
		json_object_set_new(device, "log_ms", json_real((double)found->log_ns / 1e6));
	return device;
}

static json_t *ms_json(uint64_t ns)
{
	return ns == UINT64_MAX ? json_null() : json_real((double)ns / 1e6);
}

static json_t *parts_json(const struct gw_downtime *d)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "pause_ms", ms_json(d->pause_ns), "quiesce_ms",
			 ms_json(d->quiesce_ns), "sync_ms", ms_json(d->sync_ns), "transfer_ms", ms_json(d->transfer_ns),
			 "load_ms", ms_json(d->load_ns), "commit_ms", ms_json(d->commit_ns), "resume_ms",
			 ms_json(d->resume_ns));
}

/* What the figures stand on and leave out; a stable word each. */
static json_t *assumes_json(const struct outlook *o)
{
	const struct outlook_options *options = o->options;
	json_t *array = json_array();
	bool log_unknown = false;

	for (unsigned i = 0; i < options->nr_devices; i++) {
		uint32_t source = o->pairs[i].here.info.dirty_source;

		log_unknown |= source == GW_DIRTY_IOMMUFD || (source == GW_DIRTY_DEVICE && o->pairs[i].log_ret);
	}
	json_array_append_new(array, json_string("precopy-through"));
	json_array_append_new(array, json_string("idle-devices"));
	json_array_append_new(array, json_string("no-vcpu-pause"));
	if (!options->peers.nr)
		json_array_append_new(array, json_string("same-destination"));
	if (!options->memory_bytes)
		json_array_append_new(array, json_string("no-ram"));
	if (!options->round_trip_ns)
		json_array_append_new(array, json_string("no-round-trip"));
	if (options->memory_bytes && log_unknown)
		json_array_append_new(array, json_string("no-log-time"));
	return array;
}

static json_t *document_of(const struct outlook *o, const struct gw_estimate *estimate, int within)
{
	const struct outlook_options *options = o->options;
	json_t *devices = json_array(), *document;

	for (unsigned i = 0; i < options->nr_devices; i++)
		json_array_append_new(devices, device_json(o, i));
	document = json_pack("{s:s, s:s, s:I, s:f, s:o, s:o, s:b, s:o, s:o}", "godwit", gw_version(), "document",
			     "estimate", "bandwidth_bytes_per_s", (json_int_t)options->bytes_per_s, "round_trip_ms",
			     (double)options->round_trip_ns / 1e6, "downtime_ms", ms_json(estimate->downtime.total_ns),
			     "downtime", parts_json(&estimate->downtime), "within_limit", within, "assumes",
			     assumes_json(o), "devices", devices);
	if (options->limit_ns)
		json_object_set_new(document, "downtime_limit_ms", json_real((double)options->limit_ns / 1e6));
	if (options->memory_bytes)
		json_object_set_new(
			document, "ram",
			json_pack("{s:I, s:I, s:I, s:I, s:f, s:b}", "total_bytes", (json_int_t)options->memory_bytes,
				  "dirty_bytes_per_s", (json_int_t)options->dirty_bytes_per_s, "left_bytes",
				  (json_int_t)estimate->ram_bytes, "rounds", (json_int_t)estimate->rounds, "precopy_ms",
				  (double)estimate->precopy_ns / 1e6, "converges", (int)estimate->converges));
	if (estimate->why.code)
		json_object_set_new(document, "why", json_string(estimate->why.what));
	return document;
}

static int make_document(struct outlook *o, json_t **document, int *within, struct gw_error *e)
{
	const struct outlook_options *options = o->options;
	struct gw_estimate_vm vm = {
		.size = sizeof(vm),
		.nr_devices = options->nr_devices,
		.bytes_per_s = options->bytes_per_s,
		.memory_bytes = options->memory_bytes,
		.dirty_bytes_per_s = options->dirty_bytes_per_s,
		.round_trip_ns = options->round_trip_ns,
		.downtime_limit_ns = options->limit_ns,
	};
	struct gw_estimate_device *devices = calloc(options->nr_devices, sizeof(*devices));
	struct gw_estimate estimate;
	int ret;

	if (!devices)
		return gw_error_set(e, -ENOMEM, "", "out of memory");
	for (unsigned i = 0; i < options->nr_devices; i++) {
		find(o, &o->pairs[i]);
		devices[i] = o->pairs[i].found;
	}
	vm.devices = devices;
	ret = gw_estimate_make(&vm, &estimate, e);
	free(devices);
	if (ret)
		return ret;
	*within = !options->limit_ns || estimate.downtime.total_ns <= options->limit_ns;
	*document = document_of(o, &estimate, *within);
	return 0;
}

/* As in bench.c: the first failure is told, and what could not be put back is said beside it. */
static int put_back(struct outlook *o, int ret, struct gw_error *e)
{
	struct gw_error why = GW_ERROR_NONE;
	int back = course_settle(&o->source, &why);

	if (course_settle(&o->destination, &why))
		back = -EIO;
	if (!back)
		return ret;
	if (ret)
		say_error(&why);
	else
		*e = why;
	return ret ? ret : back;
}

int outlook_run(json_t **document, int *within, const struct outlook_options *options, struct device_access *access,
		int stop_fd, struct gw_error *e)
{
	struct outlook o;
	int ret = outlook_init(&o, options, stop_fd, e);

	for (unsigned i = 0; i < options->nr_devices && !ret; i++)
		ret = open_pair(&o, access, i, e);
	if (!ret)
		ret = measure_all(&o, e);
	ticker_end(&o.ticker);
	ret = put_back(&o, ret, e);
	if (!ret)
		ret = make_document(&o, document, within, e);
	outlook_fini(&o);
	return ret;
}
