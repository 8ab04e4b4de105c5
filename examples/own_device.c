/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device of the VMM's own: godwit moves it through a table of functions, like any other. Here its state goes to a
 * file and into a second device of the kind; a gw_vm takes it as it takes a device opened by URI.
 *
 *   own_device FILE
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <godwit/godwit.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct counter {
	uint32_t state; /* GW_STATE_* */
	uint64_t value; /* all there is to it */
	size_t at;      /* how much of value has gone through the stream that is open */
};

static int counter_info(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	*info = (struct gw_device_info){ .migration_flags = GW_MIGRATION_STOP_COPY, .features = GW_FEATURE_RESET };
	snprintf(info->backend, sizeof(info->backend), "ops");
	snprintf(info->driver, sizeof(info->driver), "counter");
	return 0;
}

/* Asked for one arc at a time. A real device stops its threads and its DMA before it says yes to STOP. */
static int counter_state_set(void *ctx, uint32_t state, struct gw_error *e)
{
	struct counter *c = ctx;

	if (c->state == GW_STATE_RESUMING && state == GW_STATE_STOP && c->at != sizeof(c->value))
		return -EINVAL; /* the last chance to refuse what was loaded */
	c->state = state;
	c->at = 0;
	return 0;
}

static int counter_state_get(void *ctx, uint32_t *state, struct gw_error *e)
{
	*state = ((struct counter *)ctx)->state;
	return 0;
}

/* From any state: what was loaded or half loaded is forgotten. */
static int counter_reset(void *ctx, struct gw_error *e)
{
	*(struct counter *)ctx = (struct counter){ .state = GW_STATE_RUNNING };
	return 0;
}

static ssize_t counter_read(void *ctx, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct counter *c = ctx;
	size_t n = sizeof(c->value) - c->at < size_bytes ? sizeof(c->value) - c->at : size_bytes;

	memcpy(buf, (char *)&c->value + c->at, n);
	c->at += n;
	return (ssize_t)n; /* 0: that was all */
}

static ssize_t counter_write(void *ctx, const void *buf, size_t size_bytes, struct gw_error *e)
{
	struct counter *c = ctx;

	if (size_bytes > sizeof(c->value) - c->at)
		return -EINVAL; /* never trust a stream's length */
	memcpy((char *)&c->value + c->at, buf, size_bytes);
	c->at += size_bytes;
	return (ssize_t)size_bytes;
}

static const struct gw_device_ops counter_ops = {
	.size = sizeof(counter_ops),
	.info = counter_info,
	.state_set = counter_state_set,
	.state_get = counter_state_get,
	.reset = counter_reset,
	.data_read = counter_read,
	.data_write = counter_write,
};

static void must(int ret, const char *what, const struct gw_error *e)
{
	if (ret)
		errx(1, "%s: %s", what, e->code ? e->what : strerror(-ret));
}

int main(int argc, char **argv)
{
	struct counter one = { .state = GW_STATE_RUNNING, .value = 42 }, other = { .state = GW_STATE_RUNNING };
	struct gw_error e = GW_ERROR_NONE;
	struct gw_device *from, *to;
	int fd;

	if (argc != 2)
		errx(2, "usage: own_device FILE");
	must(gw_device_from_ops(&from, "counter0", &counter_ops, &one, &e), "counter0", &e);
	must(gw_device_from_ops(&to, "counter1", &counter_ops, &other, &e), "counter1", &e);
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		err(1, "%s", argv[1]);
	must(gw_image_save(from, fd, NULL, NULL, &e), "save", &e);
	lseek(fd, 0, SEEK_SET);
	must(gw_image_load(to, fd, NULL, NULL, &e), "load", &e);
	printf("counter1 is %s and holds %" PRIu64 "\n", gw_device_state_name(other.state), other.value);
	gw_device_close(from);
	gw_device_close(to);
	return other.value == one.value ? 0 : 1;
}
