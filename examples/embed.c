/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The smallest VMM that migrates with libgodwit: 8 MiB of guest RAM, one vCPU that is a thread, and a VFIO device if
 * one is given. The guest checks itself. doc/embedding.md walks through it. In two terminals:
 *	embed incoming unix:/tmp/embed.sock [vfio-user:/tmp/dev1.sock]
 *	embed run unix:/tmp/embed.sock [vfio-user:/tmp/dev0.sock]
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <godwit/godwit.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM_BYTES (8u << 20)
#define NR_PAGES  (RAM_BYTES / GW_PAGE_BYTES)

struct machine {
	pthread_mutex_t lock; /* held by the vCPU while it executes */
	int running;
	uint64_t steps; /* the vCPU's only register: how many pages it has written */
	struct gw_ram_block ram;
	struct gw_process_log *log;
	struct gw_device *device;
};

/* Any NR_PAGES steps in a row go to different pages: the factor is odd, their number a power of two. */
static uint64_t *page_of(const struct machine *m, uint64_t step)
{
	return (uint64_t *)m->ram.hva + step * 977 % NR_PAGES * (GW_PAGE_BYTES / sizeof(uint64_t));
}

/* Every page holds the step that wrote it last; one that was lost on the way holds an older one. */
static unsigned lost_pages(const struct machine *m)
{
	unsigned lost = 0;

	for (uint64_t step = m->steps - NR_PAGES; step != m->steps; step++)
		lost += *page_of(m, step) != step + 1;
	return lost;
}

static void guest_step(struct machine *m)
{
	*page_of(m, m->steps) = m->steps + 1;
	if (++m->steps % NR_PAGES == 0)
		warnx("the guest is at step %llu, %u pages lost", (unsigned long long)m->steps, lost_pages(m));
}

static void *run_vcpu(void *ctx)
{
	struct machine *m = ctx;

	for (;; usleep(20)) {
		pthread_mutex_lock(&m->lock);
		if (m->running)
			guest_step(m);
		pthread_mutex_unlock(&m->lock);
	}
	return NULL;
}

static int set_running(struct machine *m, int running)
{
	pthread_mutex_lock(&m->lock);
	m->running = running;
	pthread_mutex_unlock(&m->lock);
	return 0;
}

static int pause_guest(void *ctx, struct gw_error *e)
{
	return set_running(ctx, 0);
}

static int resume_guest(void *ctx, struct gw_error *e)
{
	return set_running(ctx, 1);
}

static int start_log(void *ctx, struct gw_error *e)
{
	return gw_process_log_start(((struct machine *)ctx)->log, e);
}

static int sync_log(void *ctx, uint32_t block, uint64_t *bitmap, struct gw_error *e)
{
	return gw_process_log_sync(((struct machine *)ctx)->log, block, bitmap, e);
}

static void stop_log(void *ctx)
{
	gw_process_log_stop(((struct machine *)ctx)->log);
}

static ssize_t save_state(void *ctx, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct machine *m = ctx;

	if (size_bytes >= sizeof(m->steps))
		memcpy(buf, &m->steps, sizeof(m->steps));
	return sizeof(m->steps);
}

/* All of RAM is here: the last moment to refuse the guest, which then runs on at the source. */
static int load_state(void *ctx, const void *buf, size_t size_bytes, struct gw_error *e)
{
	struct machine *m = ctx;

	if (size_bytes == sizeof(m->steps))
		memcpy(&m->steps, buf, sizeof(m->steps));
	if (size_bytes == sizeof(m->steps) && !lost_pages(m))
		return 0;
	return gw_error_set(e, -EBADMSG, "guest", "%zu bytes of state, %u pages lost", size_bytes, lost_pages(m));
}

static const struct gw_vm_ops vm_ops = {
	.size = sizeof(vm_ops),
	.pause = pause_guest,
	.resume = resume_guest,
	.dirty_start = start_log,
	.dirty_sync = sync_log,
	.dirty_stop = stop_log,
	.state_save = save_state,
	.state_load = load_state,
};

static void must(int ret, const char *what, const struct gw_error *e)
{
	if (ret)
		errx(1, "%s: %s", what, e->code ? e->what : strerror(-ret));
}

static void open_machine(struct machine *m, const char *device_uri, struct gw_error *e)
{
	struct gw_dma_map map = { .size_bytes = RAM_BYTES, .prot = GW_DMA_READ | GW_DMA_WRITE };
	pthread_t vcpu;

	map.fd = memfd_create("guest-ram", MFD_CLOEXEC);
	map.hva = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, map.fd, 0);
	must(map.hva == MAP_FAILED || ftruncate(map.fd, RAM_BYTES) ? -errno : 0, "RAM", e);
	m->ram = (struct gw_ram_block){ .id = "ram", .size_bytes = RAM_BYTES, .hva = map.hva };
	must(gw_process_log_new(&m->log, &m->ram, 1, GW_PROCESS_LOG_AUTO, e), "dirty log", e);
	if (device_uri) {
		must(gw_device_open(&m->device, "dev0", device_uri, e), device_uri, e);
		must(gw_device_dma_map(m->device, &map, e), device_uri, e);
	}
	must(-pthread_create(&vcpu, NULL, run_vcpu, m), "vCPU", e);
}

static void stay(const struct gw_report *report, enum gw_outcome guest_is_away)
{
	warnx("%s: %s", gw_outcome_name(report->outcome), report->error.code ? report->error.what : "nothing failed");
	if (report->downtime.total_ns)
		warnx("downtime %.1f ms%s", report->downtime.total_ns / 1e6, report->verified ? ", verified" : "");
	while (report->outcome != guest_is_away)
		pause(); /* it runs here; or, if OWNER_UNKNOWN, it is held here for someone to decide */
}

int main(int argc, char **argv)
{
	static struct machine m = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct gw_vm vm = { .size = sizeof(vm), .ops = &vm_ops, .ctx = &m, .ram = &m.ram, .nr_ram = 1 };
	struct gw_limits limits = { .size = sizeof(limits), .flags = GW_VERIFY, .downtime_ns = 100000000 };
	struct gw_error e = GW_ERROR_NONE;
	struct gw_destination *destination;
	struct gw_source *source;

	if (argc < 3 || argc > 4 || (strcmp(argv[1], "run") && strcmp(argv[1], "incoming")))
		errx(2, "usage: embed run|incoming URI [DEVICE_URI]");
	open_machine(&m, argv[3], &e);
	vm.devices = &m.device;
	vm.nr_devices = argc > 3;
	if (!strcmp(argv[1], "incoming")) {
		must(gw_destination_new(&destination, &vm, NULL, &e), "destination", &e);
		must(gw_destination_start(destination, argv[2], &e), argv[2], &e);
		warnx("waiting at %s", gw_destination_uri(destination));
		gw_destination_wait(destination, -1);
		stay(gw_destination_report(destination), GW_ROLLED_BACK);
		gw_destination_free(destination);
		return 1;
	}
	while (m.steps < NR_PAGES)
		guest_step(&m);
	set_running(&m, 1);
	must(gw_source_new(&source, &vm, &limits, &e), "source", &e);
	must(gw_source_start(source, argv[2], &e), argv[2], &e);
	gw_source_wait(source, -1);
	stay(gw_source_report(source), GW_COMPLETED);
	gw_source_free(source);
	return 0;
}
