/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients that go and come: the device is closed in a state, opened again as it is found, and has to be of use. What it
 * keeps of a data session is its own affair: the uAPI and the vfio-user specification leave that open.
 */
#include "check.h"
#include "opener.h"
#include "settle.h"
#include "state_table.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SOME_BYTES 512

/* How long a server may take to notice who has come. */
#define NR_LOOKS      10
#define LOOK_EVERY_MS 10

/* In the middle of it, so that there is something to lose. The outcome is other rules' matter. */
static void begin_session(struct trial *t)
{
	uint8_t bytes[SOME_BYTES] = { 0 };

	if (state_saves(t->at))
		gw_raw_data_read(t->dev, bytes, sizeof(bytes));
}

static bool open_again(struct trial *t)
{
	int ret;

	trial_close(t);
	trial_did(t, "closed in %s and opened again", gw_device_state_name(t->rule->from));
	ret = trial_reopen(t, GW_OPEN_AS_FOUND);
	return !ret || trial_fail(t, "the device can be opened again", "%s", errno_name(ret));
}

/* As it was left, or RUNNING, but nothing that nobody asked for. */
static bool state_is_kept_or_new(struct trial *t)
{
	struct gw_raw_state now = { 0 };
	int ret = gw_raw_state_get(t->dev, &now);
	char due[96];

	snprintf(due, sizeof(due), "GET tells %s%s", t->rule->from == GW_STATE_RUNNING ? "" : "RUNNING or ",
		 gw_device_state_name(t->rule->from));
	if (ret)
		return trial_fail(t, due, "%s", errno_name(ret));
	if (now.state == GW_STATE_RUNNING || now.state == t->rule->from)
		return true;
	return trial_fail(t, due, "GET tells %s (%u)", gw_device_state_name(now.state), now.state);
}

static void reopen(struct trial *t)
{
	uint32_t state;

	if (!trial_go(t, t->rule->from))
		return;
	begin_session(t);
	if (open_again(t) && state_is_kept_or_new(t) && settle(t->dev, &state) == -EPROTO)
		trial_fail(t, "RUNNING, by SET or by reset", "it stays in %s", gw_device_state_name(state));
}

/* A server need not answer a second client while there is one; the connection itself is what is tried. */
static int knock(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)!connect(fd, (struct sockaddr *)&address, sizeof(address)); /* refused is fine too */
	return fd;
}

static void second_client(struct trial *t)
{
	static const char scheme[] = "vfio-user:";
	const char *uri = gw_device_uri(t->dev);
	int fd;

	if (strncmp(uri, scheme, strlen(scheme)) || !trial_go(t, GW_STATE_STOP)) {
		trial_skip(t, "the socket is not known");
		return;
	}
	fd = knock(uri + strlen(scheme));
	if (fd < 0) {
		trial_skip(t, "connect: %s", errno_name(fd));
		return;
	}
	trial_did(t, "a second connection to the socket, then GET on the first");
	for (int i = 0; i < NR_LOOKS && t->verdict == VERDICT_NONE; i++) {
		struct gw_raw_state now;
		int ret = gw_raw_state_get(t->dev, &now);

		if (ret)
			trial_fail(t, "GET tells STOP", "%s", errno_name(ret));
		else if (now.state != GW_STATE_STOP)
			trial_fail(t, "GET tells STOP", "GET tells %s", gw_device_state_name(now.state));
		poll(NULL, 0, LOOK_EVERY_MS);
	}
	close(fd);
}

static void second_open(struct trial *t)
{
	struct gw_device *other = NULL;
	int ret;

	trial_did(t, "open of the device that is open");
	ret = t->opener->open(t->opener->ctx, &other, GW_OPEN_AS_FOUND, NULL);
	if (!trial_refused(t, ret, NULL))
		gw_device_close(ret ? NULL : other);
	else
		trial_is_in(t, GW_STATE_RUNNING);
}

static const struct rule seconds[] = {
	{
		.name = "life.second-client",
		.text = "another connection to the socket does not disturb the client that is served",
		.source =
			"vfio-user: \"The current protocol specification requires dedicated sockets per client/server "
			"connection.\" \"Multiplexing clients, devices, and servers over the same socket is not "
			"supported in this version of the protocol.\"",
		.needs = NEED_VFIO_USER,
		.run = second_client,
	},
	{
		.name = "life.second-open",
		.text = "a device that is in use cannot be opened once more, and is not disturbed",
		.source = "a device has one user: the kernel refuses to bind one that is bound, and to open a group's "
			  "twice",
		.needs = NEED_DATA_FD | NEED_NO_CLIENT,
		.run = second_open,
	},
};

void rules_life(struct rule_list *list, uint32_t flags)
{
	for (uint32_t state = 0; state < GW_NR_STATES; state++) {
		struct rule rule = {
			.text = "closed in this state and opened again, it is there or in RUNNING, and comes back to "
				"RUNNING",
			.source =
				"vfio-user, Client Disconnection: \"the device state should otherwise be retained\"; "
				"linux/vfio.h, MIG_DEVICE_STATE: \"The kernel migration driver must not generate "
				"asynchronous device state transitions outside of manipulation by the user\"; a driver "
				"that starts anew is in RUNNING",
			.needs = NEED_NO_CLIENT,
			.run = reopen,
			.from = state,
		};

		if (!state_exists(state, flags))
			continue;
		snprintf(rule.name, sizeof(rule.name), "life.reopen-%s", gw_device_state_name(state));
		rule_add(list, &rule);
	}
	for (unsigned i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++)
		rule_add(list, &seconds[i]);
}
