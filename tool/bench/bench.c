/* SPDX-License-Identifier: BSD-3-Clause */
/* The devices of a benchmark, its rounds and its document: see bench.h. */
#include "bench.h"

#include "ticker.h"
#include "tool/device_json.h"
#include "tool/now.h"
#include "tool/say.h"
#include "tool/units.h"

#include <errno.h>
#include <godwit/godwit.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define ROUNDS_NS    5000000000ull
#define LEAST_ROUNDS 10
#define MOST_ROUNDS  1000

/* Who takes part: the device, its peer, and those beside it, in crews of one, of one, and of all but the peer. */
struct bench {
	const struct bench_options *options;
	struct subject device, peer, also[CREW_MAX - 1];
	struct course alone, load, together;
	struct measure_list measures;
	struct course_pace pace;
	struct ticker ticker;
	int stop_fd;
};

static void bench_init(struct bench *b, const struct bench_options *options, int stop_fd)
{
	*b = (struct bench){
		.options = options,
		.stop_fd = stop_fd,
		.pace = { .rounds = options->rounds, .for_ns = ROUNDS_NS, .least = LEAST_ROUNDS, .most = MOST_ROUNDS },
	};
	b->device = b->peer = SUBJECT_NONE;
	for (unsigned i = 0; i < CREW_MAX - 1; i++)
		b->also[i] = SUBJECT_NONE;
	ticker_begin(&b->ticker);
}

static int open_subject(struct bench *b, struct subject *s, struct device_access *access, const char *id,
			const char *uri, struct gw_error *e)
{
	struct gw_device *dev = NULL;
	int ret = device_access_open(access, &dev, id, uri, 0, e);

	if (ret)
		return ret;
	ret = subject_init(s, dev, b->stop_fd, b->options->max_state_bytes, e);
	s->into = &b->measures;
	return ret;
}

static int open_all(struct bench *b, struct device_access *access, struct gw_error *e)
{
	const struct text_list *also = &b->options->also;
	int ret = open_subject(b, &b->device, access, "device", b->options->device, e);

	b->alone.subjects[b->alone.nr++] = b->together.subjects[b->together.nr++] = &b->device;
	if (!ret && b->options->peer) {
		ret = open_subject(b, &b->peer, access, "peer", b->options->peer, e);
		b->peer.on = "peer";
		b->peer.takes_only = true;
		b->peer.loads = &b->device.image;
		b->load.subjects[b->load.nr++] = &b->peer;
	}
	for (unsigned i = 0; i < also->nr && !ret; i++) {
		char id[GW_DEVICE_ID_BYTES];

		snprintf(id, sizeof(id), "also%u", i + 1);
		ret = open_subject(b, &b->also[i], access, id, also->items[i], e);
		b->also[i].into = NULL; /* it is in the sums */
		b->together.subjects[b->together.nr++] = &b->also[i];
	}
	b->together.together = &b->measures;
	return ret;
}

/* The device's own samples go under the name of the company that it was measured in. */
static int one_of_each(struct bench *b, struct gw_error *e)
{
	int ret = course_round(&b->alone, e);

	if (!ret && b->load.nr)
		ret = course_round(&b->load, e);
	if (ret || b->together.nr < 2)
		return ret;
	b->device.on = "together";
	ret = course_round(&b->together, e);
	b->device.on = "device";
	return ret;
}

static void tell(struct bench *b)
{
	uint64_t elapsed_ns = now_ns() - b->pace.began_ns;

	if (b->pace.rounds)
		ticker_show(&b->ticker, "round %llu of %llu, %s", (unsigned long long)b->pace.done + 1,
			    (unsigned long long)b->pace.rounds, units_duration(elapsed_ns).s);
	else
		ticker_show(&b->ticker, "round %llu, %s", (unsigned long long)b->pace.done + 1,
			    units_duration(elapsed_ns).s);
}

static int measure(struct bench *b, struct gw_error *e)
{
	int ret;

	ticker_show(&b->ticker, "saving the state that will be loaded");
	b->pace.began_ns = now_ns();
	b->device.into = NULL;
	ret = course_save_images(&b->together, e);
	b->device.into = &b->measures;
	for (; !ret && course_goes_on(&b->pace); b->pace.done++) {
		tell(b);
		ret = one_of_each(b, e);
	}
	return ret;
}

static json_t *host_json(void)
{
	struct utsname host;

	if (uname(&host))
		return json_object();
	return json_pack("{s:s, s:s, s:I}", "kernel", host.release, "machine", host.machine, "cpus",
			 (json_int_t)sysconf(_SC_NPROCESSORS_ONLN));
}

/* What a device tells may be any number; JSON's have 63 bits. */
static json_int_t told(uint64_t bytes)
{
	return bytes < INT64_MAX ? (json_int_t)bytes : INT64_MAX;
}

static json_t *curve_json(const struct curve *curve)
{
	json_t *points = json_array();

	for (unsigned i = 0; i < curve->nr; i++) {
		const struct curve_point *p = &curve->points[i];

		json_array_append_new(points, json_pack("{s:f, s:I, s:I, s:I}", "us", (double)p->ns / 1000,
							"read_bytes", told(p->read_bytes), "initial_bytes",
							told(p->initial_bytes), "dirty_bytes", told(p->dirty_bytes)));
	}
	return json_pack("{s:s, s:o}", "ended", curve->ended, "points", points);
}

/* What company costs: each series of the device alone that was measured together as well. */
static json_t *parallel_json(const struct bench *b)
{
	json_t *ratios = json_array(), *uris = json_array();

	for (size_t i = 0; i < b->measures.nr; i++) {
		const struct measure *alone = &b->measures.items[i];
		const struct measure *amid = measure_find(&b->measures, "together", alone->group, alone->name);
		const struct measure *all = measure_find(&b->measures, "all", alone->group, alone->name);
		double one = measure_quantile(alone, 0.5);
		json_t *ratio;

		if (strcmp(alone->on, "device") || !amid || one <= 0)
			continue;
		ratio = json_pack("{s:s, s:s, s:f}", "group", alone->group, "name", alone->name, "together",
				  measure_quantile(amid, 0.5) / one);
		if (all)
			json_object_set_new(ratio, "all", json_real(measure_quantile(all, 0.5) / one));
		json_array_append_new(ratios, ratio);
	}
	for (unsigned i = 0; i < b->options->also.nr; i++)
		json_array_append_new(uris, json_string(b->options->also.items[i]));
	return json_pack("{s:I, s:o, s:o}", "devices", (json_int_t)b->together.nr, "also", uris, "ratios", ratios);
}

static int add_device(json_t *document, const char *key, struct subject *s, struct gw_error *e)
{
	json_t *device = json_object();
	int ret = s->dev ? device_json_fill(device, s->dev, e) : 0;

	if (s->dev && !ret)
		json_object_set(document, key, device);
	json_decref(device);
	return ret;
}

static int make_document(struct bench *b, json_t **document, struct gw_error *e)
{
	json_t *new = json_pack("{s:s, s:s, s:o, s:I, s:f, s:I}", "godwit", gw_version(), "document", "bench", "host",
				host_json(), "rounds", (json_int_t)b->pace.done, "took_ms",
				(double)(now_ns() - b->pace.began_ns) / 1e6, "state_bytes",
				(json_int_t)b->device.image.size_bytes);
	int ret = add_device(new, "device", &b->device, e);

	if (!ret)
		ret = add_device(new, "peer", &b->peer, e);
	measure_sort(&b->measures);
	json_object_set_new(new, "measures", measure_to_json(&b->measures));
	if (b->device.curve.ended)
		json_object_set_new(new, "precopy_curve", curve_json(&b->device.curve));
	if (b->together.nr > 1)
		json_object_set_new(new, "parallel", parallel_json(b));
	if (ret)
		json_decref(new);
	else
		*document = new;
	return ret;
}

/* What failed first is told; what then could not be put right is said as well, for it is another matter. */
static int put_back(struct bench *b, int ret, struct gw_error *e)
{
	struct gw_error why = GW_ERROR_NONE;
	int back = course_settle(&b->together, &why);

	if (b->load.nr)
		back = course_settle(&b->load, &why) ? -EIO : back;
	if (!back)
		return ret;
	if (ret)
		say("%s%s%s", why.where, why.where[0] ? ": " : "", why.what);
	else
		*e = why;
	return ret ? ret : back;
}

int bench_run(json_t **document, const struct bench_options *options, struct device_access *access, int stop_fd,
	      struct gw_error *e)
{
	struct bench b;
	int ret;

	bench_init(&b, options, stop_fd);
	ret = open_all(&b, access, e);
	if (!ret)
		ret = measure(&b, e);
	ticker_end(&b.ticker);
	ret = put_back(&b, ret, e);
	if (!ret)
		ret = make_document(&b, document, e);
	for (unsigned i = 0; i < CREW_MAX - 1; i++)
		subject_fini(&b.also[i]);
	subject_fini(&b.peer);
	subject_fini(&b.device);
	measure_fini(&b.measures);
	return ret;
}
