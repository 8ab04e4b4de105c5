/* SPDX-License-Identifier: BSD-3-Clause */
/* Signals that ask to stop, as a file descriptor: see stop_signals.h. */
#include "stop_signals.h"

#include "say.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static sigset_t stop_set(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	return set;
}

int stop_signals_open(struct gw_error *e)
{
	sigset_t set = stop_set();
	int fd;

	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd >= 0 ? fd : gw_error_set(e, -errno, "", "cannot listen for signals: %s", strerror(errno));
}

int stop_signals_take(int fd)
{
	struct signalfd_siginfo info;

	return read(fd, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

void stop_signals_unblock(void)
{
	sigset_t set = stop_set();

	sigprocmask(SIG_UNBLOCK, &set, NULL);
}
