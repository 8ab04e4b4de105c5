/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for a condition that only asking can tell, with a deadline: see demo.h. */
#include "demo.h"
#include "tool/control_client.h"
#include "tool/now.h"
#include "tool/say.h"
#include "tool/stop_signals.h"

#include <errno.h>
#include <poll.h>

#define WAIT_TIMEOUT_S 20
#define ASK_EVERY_MS   10

static double now_s(void)
{
	return (double)now_ns() / 1e9;
}

int demo_wait_status(struct demo *demo, enum demo_side side, struct gw_error *e)
{
	json_decref(demo->status);
	demo->status = NULL;
	return control_client_ask_once(demo->control[side], json_pack("{s:s}", "command", "status"), &demo->status, e);
}

int demo_wait_until(struct demo *demo, const char *what,
		    int (*condition)(struct demo *demo, const void *arg, struct gw_error *e), const void *arg,
		    struct gw_error *e)
{
	struct pollfd stop = { .fd = demo->stop_fd, .events = POLLIN };
	double deadline_s = now_s() + WAIT_TIMEOUT_S;
	int ret;

	for (;;) {
		ret = demo_processes_check(&demo->processes, e);
		if (!ret)
			ret = condition(demo, arg, e);
		if (ret != -EAGAIN)
			return ret;
		if (now_s() > deadline_s)
			return gw_error_set(e, -ETIMEDOUT, "", "waited %d s for %s, in vain", WAIT_TIMEOUT_S, what);
		if (poll(&stop, 1, ASK_EVERY_MS) > 0 && stop_signals_take(demo->stop_fd))
			return gw_error_set(e, -EINTR, "", "stopped by a signal while waiting for %s", what);
	}
}
