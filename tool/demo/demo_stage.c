/* SPDX-License-Identifier: BSD-3-Clause */
/* Setting the demo's stage: the same commands that a user would type, and waiting until they have done their work. */
#include "demo.h"
#include "ref/vm/ref_vm.h"
#include "tool/control_client.h"
#include "tool/json.h"
#include "tool/now.h"
#include "tool/say.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_WORDS       (2 * GW_MAX_DEVICES + 24)
#define WORD_BYTES      (DEMO_PATH_BYTES + 16)
#define WARM_UP_PAGES   20000      /* or what the dirty rate gives in half a second */
#define WARM_UP_NS      3000000000 /* as much of it as a guest does in this time, if it does anything */
#define PAGES_AT_WORK   100
#define STAMPS_A_DEVICE 100

static const char *const side_names[] = { [DEMO_SOURCE] = "source", [DEMO_DESTINATION] = "destination" };

/* A command line as it grows: words that were made, and pointers to them for execv. */
struct words_made {
	char text[MAX_WORDS][WORD_BYTES];
	const char *argv[MAX_WORDS + 1];
	unsigned int nr;
};

__attribute__((format(printf, 2, 3))) static void add(struct words_made *words, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(words->text[words->nr], WORD_BYTES, fmt, args);
	va_end(args);
	words->argv[words->nr] = words->text[words->nr];
	words->argv[++words->nr] = NULL;
}

/* A word of any length, which the caller keeps. */
static void add_kept(struct words_made *words, const char *text)
{
	words->argv[words->nr] = text;
	words->argv[++words->nr] = NULL;
}

static void device_name(enum demo_side side, uint64_t i, char name[DEMO_NAME_BYTES])
{
	snprintf(name, DEMO_NAME_BYTES, "%s-dev%" PRIu64, side_names[side], i);
}

static int start_device(struct demo *demo, enum demo_side side, uint64_t i, struct gw_error *e)
{
	const struct demo_args *args = demo->args;
	struct words_made words = { .nr = 0 };
	char name[DEMO_NAME_BYTES], path[DEMO_PATH_BYTES];

	device_name(side, i, name);
	demo_processes_path(&demo->processes, name, "sock", path);
	add(&words, "godwit");
	add(&words, "device");
	add(&words, "--state-size=%" PRIu64, args->state_bytes);
	add(&words, "--transition-latency=%" PRIu64 "ns", args->latency_ns);
	add(&words, "--serial=%" PRIu64, i + 1 + (side == DEMO_DESTINATION ? GW_MAX_DEVICES : 0));
	add(&words, "%s", path);
	return demo_processes_start(&demo->processes, name, words.argv, e);
}

static int start_vm(struct demo *demo, enum demo_side side, struct gw_error *e)
{
	const struct demo_args *args = demo->args;
	struct words_made words = { .nr = 0 };
	char name[DEMO_NAME_BYTES], path[DEMO_PATH_BYTES];

	demo_processes_path(&demo->processes, side_names[side], "sock", demo->control[side]);
	add(&words, "godwit");
	add(&words, "vm");
	add(&words, "--memory=%" PRIu64, args->memory_bytes);
	add(&words, "--vcpus=%" PRIu64, args->vcpus);
	add(&words, "--dirty-rate=%" PRIu64, args->dirty_rate);
	add(&words, "--seed=%" PRIu64, args->seed);
	add(&words, "--fill=%s", ref_vm_fill_names[args->fill]);
	add(&words, "--cpu=%s", ref_vm_cpu_names[args->cpu]);
	add(&words, "--control=%s", demo->control[side]);
	if (args->p2p)
		add(&words, "--p2p");
	for (uint64_t i = 0; i < args->devices; i++) {
		device_name(side, i, name);
		demo_processes_path(&demo->processes, name, "sock", path);
		add(&words, "--device=vfio-user:%s", path);
	}
	if (side == DEMO_SOURCE && args->access.trace_path) {
		add(&words, "--trace");
		add_kept(&words, args->access.trace_path);
	}
	if (side == DEMO_SOURCE && args->access.trace_json_path) {
		add(&words, "--trace-json");
		add_kept(&words, args->access.trace_json_path);
	}
	if (side == DEMO_DESTINATION && args->limits.arbiter) {
		add(&words, "--arbiter");
		add_kept(&words, args->limits.arbiter);
	}
	if (side == DEMO_DESTINATION) {
		demo_processes_path(&demo->processes, "migration", "sock", path);
		add(&words, args->transport == DEMO_UNIX ? "--incoming=unix:%s" : "--incoming=tcp:127.0.0.1:0", path);
	}
	return demo_processes_start(&demo->processes, side_names[side], words.argv, e);
}

/* A device is there when its socket takes a connection. */
static int device_listens(struct demo *demo, const void *arg, struct gw_error *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ret;

	if (fd < 0)
		return gw_error_set(e, -errno, "", "cannot make a socket: %s", strerror(errno));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", (const char *)arg);
	ret = connect(fd, (struct sockaddr *)&address, sizeof(address)) ? -EAGAIN : 0;
	close(fd);
	return ret;
}

static int vm_answers(struct demo *demo, const void *arg, struct gw_error *e)
{
	return demo_wait_status(demo, *(const enum demo_side *)arg, NULL) ? -EAGAIN : 0;
}

static int start_side(struct demo *demo, enum demo_side side, struct gw_error *e)
{
	char name[DEMO_NAME_BYTES], path[DEMO_PATH_BYTES];
	uint64_t i;
	int ret = 0;

	for (i = 0; i < demo->args->devices && !ret; i++)
		ret = start_device(demo, side, i, e);
	for (i = 0; i < demo->args->devices && !ret; i++) {
		device_name(side, i, name);
		demo_processes_path(&demo->processes, name, "sock", path);
		ret = demo_wait_until(demo, "a device to listen", device_listens, path, e);
	}
	return ret ? ret : start_vm(demo, side, e);
}

int demo_stage_set(struct demo *demo, struct gw_error *e)
{
	enum demo_side side;
	int ret = 0;

	for (side = DEMO_SOURCE; side < DEMO_NR_SIDES && !ret; side++)
		ret = start_side(demo, side, e);
	for (side = DEMO_SOURCE; side < DEMO_NR_SIDES && !ret; side++)
		ret = demo_wait_until(demo, "a VM to answer", vm_answers, &side, e);
	return ret;
}

/* At least pages written and an operation a device done since the counts in demo were taken. */
static int has_worked(struct demo *demo, enum demo_side side, uint64_t pages, struct gw_error *e)
{
	const json_t *guest;
	int ret = demo_wait_status(demo, side, e);

	if (ret)
		return ret;
	guest = json_object_get(demo->status, "guest");
	if (json_u64(guest, "errors"))
		return gw_error_set(e, -EIO, "guest", "it has found an integrity error: %s",
				    json_text(guest, "first_error"));
	if (json_u64(guest, "pages_written") < demo->pages_seen + pages ||
	    json_u64(guest, "operations") < demo->operations_seen + demo->args->devices)
		return -EAGAIN;
	return 0;
}

/* KVM that only emulates is slow: after a while its guest's work, of each kind some, counts as enough. */
static int warmed_up(struct demo *demo, const void *arg, struct gw_error *e)
{
	uint64_t pages = demo->args->dirty_rate / 2 / GW_PAGE_BYTES, stamps = STAMPS_A_DEVICE;
	int ret;

	pages = pages && pages < WARM_UP_PAGES ? pages : WARM_UP_PAGES;
	if (now_ns() > demo->warm_ns) {
		pages = pages < PAGES_AT_WORK ? pages : PAGES_AT_WORK;
		stamps = 1;
	}
	ret = has_worked(demo, DEMO_SOURCE, pages, e);
	if (!ret && json_u64(json_object_get(demo->status, "guest"), "stamps") < stamps * demo->args->devices)
		ret = -EAGAIN;
	return ret;
}

int demo_stage_warm_up(struct demo *demo, struct gw_error *e)
{
	int ret;

	demo->warm_ns = now_ns() + WARM_UP_NS;
	ret = demo_wait_until(demo, "the guest to work on its memory and devices", warmed_up, NULL, e);
	if (!ret)
		demo->before = json_incref(json_object_get(demo->status, "guest"));
	return ret;
}

static int at_work(struct demo *demo, const void *arg, struct gw_error *e)
{
	return has_worked(demo, DEMO_DESTINATION, PAGES_AT_WORK, e);
}

int demo_stage_arrived(struct demo *demo, struct gw_error *e)
{
	int ret = demo_wait_status(demo, DEMO_DESTINATION, e);

	if (ret)
		return ret;
	demo->pages_seen = json_u64(json_object_get(demo->status, "guest"), "pages_written");
	demo->operations_seen = json_u64(json_object_get(demo->status, "guest"), "operations");
	return demo_wait_until(demo, "the guest to work on at the destination", at_work, NULL, e);
}
