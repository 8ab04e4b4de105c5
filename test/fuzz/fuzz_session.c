/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A source that is not one, against a real destination with its threads, over real sockets. The input is a list of
 * steps: frames of any type with right sums and numbers, RAM and device buffers, raw bytes, the end as it should be.
 * Its first byte says whether the beginning is as it should be, too. Whatever comes: nothing outside of guest RAM is
 * touched (RAM is a heap block), every thread ends, and the guest runs only if COMMIT may have come.
 */
#include "base/bits.h"
#include "test/fuzz/fuzz.h"
#include "wire/message.h"

#include "wire/frame.h"

#include <godwit/godwit.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xxhash.h>

#define NR_DATA      2
#define NR_CHANNELS  (1 + NR_DATA) /* control is 0 */
#define RAM_PAGES    8
#define DEVICE_BYTES 64
#define BODY_BYTES   (64 + RAM_PAGES * GW_PAGE_BYTES)
#define ANSWER_MS    20
#define VANISHES     0xe0 /* first bytes from here on: a source that got READY is not heard of again */
#define YIELDS       100

/* The device and the VM, as simple as they can be. */
struct target {
	uint8_t *ram;
	struct gw_ram_block block;
	struct gw_device *dev;
	struct gw_vm vm;
	uint32_t state;
	int resumed; /* atomic */
};

struct peer {
	const uint8_t *at;
	size_t left;
	struct sockaddr_un address;
	int fds[NR_CHANNELS];
	uint64_t seq[NR_CHANNELS];
	uint32_t epoch;
	int may_have_committed, ready;
	uint64_t frames, pages, buffers, bytes; /* sent */
	XXH3_state_t *digest;
	uint8_t body[BODY_BYTES];
};

static int info(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	*info = (struct gw_device_info){ .migration_flags = GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P,
					 .features = GW_FEATURE_RESET };
	return 0;
}

static int state_set(void *ctx, uint32_t state, struct gw_error *e)
{
	((struct target *)ctx)->state = state;
	return 0;
}

static int state_get(void *ctx, uint32_t *state, struct gw_error *e)
{
	*state = ((struct target *)ctx)->state;
	return 0;
}

static int reset(void *ctx, struct gw_error *e)
{
	return state_set(ctx, GW_STATE_RUNNING, e);
}

static ssize_t data_read(void *ctx, void *buf, size_t size, struct gw_error *e)
{
	return 0;
}

static ssize_t data_write(void *ctx, const void *buf, size_t size, struct gw_error *e)
{
	return (ssize_t)(size < DEVICE_BYTES ? size : DEVICE_BYTES);
}

static const struct gw_device_ops device_ops = {
	.size = sizeof(device_ops),
	.info = info,
	.state_set = state_set,
	.state_get = state_get,
	.reset = reset,
	.data_read = data_read,
	.data_write = data_write,
};

static int nothing(void *ctx, struct gw_error *e)
{
	return 0;
}

static int resume(void *ctx, struct gw_error *e)
{
	__atomic_store_n(&((struct target *)ctx)->resumed, 1, __ATOMIC_RELAXED);
	return 0;
}

static int sync_log(void *ctx, uint32_t block, uint64_t *bitmap, struct gw_error *e)
{
	return 0;
}

static void stop_log(void *ctx)
{
}

static ssize_t save(void *ctx, void *buf, size_t size, struct gw_error *e)
{
	return 0;
}

static int load(void *ctx, const void *buf, size_t size, struct gw_error *e)
{
	return 0;
}

/* Every byte that came is read. */
static int lacks(void *ctx, const void *needs, size_t size, struct gw_blocker *blockers, uint32_t max_blockers)
{
	return memchr(needs, 0xff, size) ? (int)max_blockers : 0;
}

static const struct gw_vm_ops vm_ops = {
	.size = sizeof(vm_ops),
	.pause = nothing,
	.resume = resume,
	.dirty_start = nothing,
	.dirty_sync = sync_log,
	.dirty_stop = stop_log,
	.state_save = save,
	.state_load = load,
	.lacks = lacks,
};

static void open_target(struct target *t)
{
	*t = (struct target){ .ram = aligned_alloc(GW_PAGE_BYTES, RAM_PAGES * GW_PAGE_BYTES),
			      .state = GW_STATE_RUNNING };
	fuzz_check(t->ram && !gw_device_from_ops(&t->dev, "dev0", &device_ops, t, NULL));
	memset(t->ram, 0, RAM_PAGES * GW_PAGE_BYTES);
	t->block = (struct gw_ram_block){ .id = "ram0", .size_bytes = RAM_PAGES * GW_PAGE_BYTES, .hva = t->ram };
	t->vm = (struct gw_vm){
		.size = sizeof(t->vm),
		.name = "fuzz",
		.ops = &vm_ops,
		.ctx = t,
		.ram = &t->block,
		.nr_ram = 1,
		.devices = &t->dev,
		.nr_devices = 1,
	};
}

static void close_target(struct target *t)
{
	gw_device_close(t->dev);
	free(t->ram);
}

static uint8_t next(struct peer *p)
{
	if (!p->left)
		return 0;
	p->left--;
	return *p->at++;
}

/* Up to nr bytes of the input into the body. */
static size_t take(struct peer *p, size_t nr)
{
	if (nr > p->left)
		nr = p->left;
	memcpy(p->body, p->at, nr);
	p->at += nr;
	p->left -= nr;
	return nr;
}

static void write_all(struct peer *p, unsigned channel, const void *bytes, size_t nr)
{
	const uint8_t *at = bytes;

	while (nr) {
		ssize_t n = send(p->fds[channel], at, nr, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		at += n;
		nr -= (size_t)n;
	}
}

/* A frame with the right number and sum; its body is p->body. */
static void send_frame(struct peer *p, unsigned channel, uint16_t type, uint16_t flags, size_t body_bytes,
		       size_t head_bytes)
{
	uint8_t raw[FRAME_HEADER_BYTES];
	struct frame_header header = {
		.type = type,
		.flags = flags,
		.body_bytes = (uint32_t)body_bytes,
		.head_bytes = (uint32_t)head_bytes,
		.seq = p->seq[channel]++,
	};

	p->may_have_committed |= type == FRAME_COMMIT;
	frame_header_encode(raw, &header);
	header.sum = frame_sum(raw, p->body, head_bytes, NULL, 0);
	frame_header_encode(raw, &header);
	write_all(p, channel, raw, sizeof(raw));
	write_all(p, channel, p->body, body_bytes);
}

static void send_message(struct peer *p, unsigned channel, const struct message *m)
{
	ssize_t n = message_encode(m, p->body, sizeof(p->body));

	fuzz_check(n >= 0);
	send_frame(p, channel, m->type, 0, (size_t)n, (size_t)n);
}

/* Until a message of this type has come, the connection has ended, or nothing comes. */
static void await(struct peer *p, uint16_t type)
{
	struct pollfd fd = { .fd = p->fds[0], .events = POLLIN };
	struct frame_header header = { 0 };
	uint8_t buf[8192];

	while (fd.fd >= 0 && header.type != type && poll(&fd, 1, ANSWER_MS) > 0) {
		if (recv(fd.fd, buf, FRAME_HEADER_BYTES, MSG_WAITALL) != FRAME_HEADER_BYTES)
			return;
		fuzz_check(!frame_header_decode(buf, &header) && header.body_bytes <= sizeof(buf));
		if (header.body_bytes && recv(fd.fd, buf, header.body_bytes, MSG_WAITALL) <= 0)
			return;
		p->ready |= header.type == FRAME_READY;
	}
}

/* Until the other side has read it all, or does not. */
static void let_read(struct peer *p)
{
	int left = 1;

	for (unsigned i = 0; i < NR_CHANNELS; i++)
		for (unsigned n = 0; n < YIELDS && p->fds[i] >= 0 && !ioctl(p->fds[i], SIOCOUTQ, &left) && left; n++)
			sched_yield();
}

static void close_channel(struct peer *p, unsigned channel)
{
	if (p->fds[channel] >= 0)
		close(p->fds[channel]);
	p->fds[channel] = -1;
}

/* A destination that has come to its end does not listen any more. */
static void open_channel(struct peer *p, unsigned channel)
{
	p->fds[channel] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(p->fds[channel], (const struct sockaddr *)&p->address, sizeof(p->address)))
		close_channel(p, channel);
}

static void greet(struct peer *p, unsigned channel)
{
	struct message m = { .type = FRAME_HELLO };

	open_channel(p, channel);
	m.hello = (struct message_hello){
		.version_min = 1,
		.version_max = 1,
		.features = HELLO_VERIFY,
		.migration_id = "an id",
		.role = channel    ? ROLE_DATA
			: p->epoch ? ROLE_RESUME
				   : ROLE_CONTROL,
		.channel = channel ? channel - 1 : 0,
		.nr_channels = NR_DATA,
		.epoch = p->epoch,
		.reconnect_ms = 1000,
	};
	send_message(p, channel, &m);
}

static void begin(struct peer *p)
{
	struct message m = { .type = FRAME_MANIFEST };
	struct manifest *manifest = &m.manifest;

	greet(p, 0);
	*manifest = (struct manifest){ .page_bytes = GW_PAGE_BYTES, .nr_ram = 1, .nr_devices = 1 };
	snprintf(manifest->ram[0].id, sizeof(manifest->ram[0].id), "ram0");
	manifest->ram[0].size_bytes = RAM_PAGES * GW_PAGE_BYTES;
	snprintf(manifest->devices[0].id, sizeof(manifest->devices[0].id), "dev0");
	info(NULL, &manifest->devices[0].info, NULL);
	send_message(p, 0, &m);
	await(p, FRAME_ACCEPT);
	for (unsigned i = 1; i < NR_CHANNELS; i++)
		greet(p, i);
}

static void step_control(struct peer *p)
{
	uint16_t type = next(p) % (FRAME_NEEDS + 3), flags = next(p) % 2;
	size_t nr = take(p, next(p));

	send_frame(p, 0, type, flags, nr, nr);
}

static void step_any(struct peer *p)
{
	unsigned channel = next(p) % NR_CHANNELS;
	uint16_t type = next(p), flags = next(p) % 4;
	size_t nr = take(p, next(p)), head = next(p);

	send_frame(p, channel, type, flags, nr, head < nr ? head : nr);
}

static void step_raw(struct peer *p)
{
	unsigned channel = next(p) % NR_CHANNELS;
	size_t nr = take(p, next(p));

	p->may_have_committed |= channel == 0;
	write_all(p, channel, p->body, nr);
}

static void step_ram(struct peer *p)
{
	unsigned channel = 1 + next(p) % NR_DATA;
	struct page_run run = { .gpa = (uint64_t)next(p) * GW_PAGE_BYTES, .nr_pages = next(p) % (RAM_PAGES + 2) };
	size_t head = frame_runs_bytes(1), body = head;
	uint8_t kind = next(p);

	run.flags = kind & 1 ? RUN_ZERO : 0;
	frame_runs_encode(p->body, &run, 1);
	if (!run.flags && run.nr_pages <= RAM_PAGES)
		body += run.nr_pages * GW_PAGE_BYTES;
	memset(p->body + head, kind, body - head);
	send_frame(p, channel, FRAME_RAM, 0, body, kind & 2 ? head : body);
	p->frames++;
	p->pages += run.nr_pages;
}

/* Buffers with right counts, or, rarely, wrong ones. */
static void send_buffer(struct peer *p, unsigned channel, uint32_t flags, uint8_t wrong, size_t nr)
{
	struct device_buffer_header header = {
		.device = wrong & 1, .flags = flags, .number = p->buffers + (wrong >> 1), .sent = p->bytes
	};

	memmove(p->body + FRAME_DEVICE_FIXED_BYTES, p->body, nr);
	frame_device_encode(p->body, &header);
	XXH3_64bits_update(p->digest, p->body + FRAME_DEVICE_FIXED_BYTES, nr);
	send_frame(p, channel, FRAME_DEVICE, 0, FRAME_DEVICE_FIXED_BYTES + nr, FRAME_DEVICE_FIXED_BYTES + nr);
	p->buffers++;
	p->bytes += nr;
}

static void step_device(struct peer *p)
{
	unsigned channel = 1 + next(p) % NR_DATA;
	uint8_t flags = next(p), wrong = next(p);
	size_t nr = take(p, next(p));

	send_buffer(p, channel, flags % (DEVICE_BUFFER_FLAGS + 2), wrong > 200 ? wrong - 200 : 0, nr);
}

static void step_end(struct peer *p)
{
	struct message m = { .type = FRAME_VM_STATE };

	await(p, FRAME_LOADABLE);
	send_buffer(p, 1, DEVICE_BUFFER_LAST | DEVICE_BUFFER_STOP_COPY, 0, 0);
	for (unsigned i = 1; i < NR_CHANNELS; i++)
		send_frame(p, i, FRAME_END, 0, 0, 0);
	m.vm_state = (struct message_vm_state){ .bytes = (const uint8_t *)"", .nr_bytes = 0 };
	send_message(p, 0, &m);
	m = (struct message){ .type = FRAME_PREPARE };
	m.prepare = (struct message_prepare){
		.ram_frames = p->frames,
		.ram_pages = p->pages,
		.vm_state_digest = XXH3_64bits("", 0),
		.nr_devices = 1,
		.devices[0] = { p->bytes, p->buffers, XXH3_64bits_digest(p->digest) },
	};
	send_message(p, 0, &m);
	await(p, FRAME_READY);
}

static void step_commit(struct peer *p)
{
	send_frame(p, 0, FRAME_COMMIT, 0, 0, 0);
	await(p, FRAME_SUMMARY);
}

static void step_greet(struct peer *p)
{
	unsigned channel = next(p) % NR_CHANNELS;

	close_channel(p, channel);
	p->seq[channel] = 0;
	greet(p, channel);
}

/* All channels break; it comes back. */
static void come_back(struct peer *p, uint32_t epoch)
{
	let_read(p);
	for (unsigned i = 0; i < NR_CHANNELS; i++) {
		close_channel(p, i);
		p->seq[i] = 0;
	}
	p->epoch = epoch;
	greet(p, 0);
	await(p, FRAME_RESUMED);
}

/* In a new epoch or, rarely, in an old one. */
static void step_resume(struct peer *p)
{
	come_back(p, p->epoch + (next(p) % 8 != 7));
	p->frames = p->pages = 0; /* counted from RESUMED on */
	for (unsigned i = 1; i < NR_CHANNELS; i++)
		greet(p, i);
}

/* A destination that is ready waits seconds for a source that is gone: time in which other inputs could run. */
static void call_off(struct peer *p)
{
	come_back(p, p->epoch + 1);
	send_frame(p, 0, FRAME_CANCEL, 0, 0, 0);
}

static void talk(struct peer *p)
{
	static void (*const steps[])(struct peer *) = { step_control, step_any,   step_raw,   step_ram,
							step_device,  step_end,   step_ram,   step_device,
							step_commit,  step_greet, step_resume };
	uint8_t first = next(p);

	if (first % 8)
		begin(p);
	else
		open_channel(p, 0);
	for (int i = 0; i < 32 && p->left; i++)
		steps[next(p) % ARRAY_SIZE(steps)](p);
	if (p->ready && first < VANISHES)
		call_off(p);
	let_read(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer *p = calloc(1, sizeof(*p));
	struct gw_destination *d;
	struct target target;
	char uri[64];

	snprintf(uri, sizeof(uri), "unix:/tmp/godwit-fuzz-%d.sock", getpid());
	open_target(&target);
	fuzz_check(p && !gw_destination_new(&d, &target.vm, NULL, NULL) && !gw_destination_start(d, uri, NULL));
	*p = (struct peer){ .at = data, .left = size, .digest = XXH3_createState() };
	XXH3_64bits_reset(p->digest);
	p->address.sun_family = AF_UNIX;
	snprintf(p->address.sun_path, sizeof(p->address.sun_path), "%s", uri + strlen("unix:"));
	for (unsigned i = 0; i < NR_CHANNELS; i++)
		p->fds[i] = -1;
	talk(p);
	for (unsigned i = 0; i < NR_CHANNELS; i++)
		close_channel(p, i);
	gw_destination_free(d);
	fuzz_check(!__atomic_load_n(&target.resumed, __ATOMIC_RELAXED) || p->may_have_committed);
	close_target(&target);
	XXH3_freeState(p->digest);
	free(p);
	return 0;
}
