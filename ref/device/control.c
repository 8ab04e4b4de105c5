/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket's thread: listen, take lines, answer. */
#include "ref/device/control.h"

#include "ref/device/control_command.h"
#include "ref/device/listener.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define STARVED_MS 50 /* how long nobody is let in after there was no descriptor for it */

enum { POLL_END, POLL_LISTEN, POLL_CLIENTS, POLL_NR = POLL_CLIENTS + CONTROL_MAX_CLIENTS };

static void send_refusal(struct line_client *client, int code, const char *what)
{
	json_t *value = ref_control_refusal(code, "", what);

	line_client_send(client, value);
	json_decref(value);
}

static void serve(struct control *control, struct line_client *client, short revents)
{
	char *line;
	int ret;

	if (revents & POLLOUT)
		line_client_flush(client);
	if (revents & (POLLIN | POLLHUP | POLLERR))
		line_client_receive(client);
	while (!client->gone && (ret = line_client_next(client, &line))) {
		json_t *answer;

		if (ret < 0) {
			send_refusal(client, ret, "too long a line");
			break;
		}
		answer = ref_control_command(control->dev, line);
		line_client_send(client, answer);
		json_decref(answer);
	}
	if (line_client_done(client))
		line_client_close(client);
}

/* One too many finds its connection closed. */
static void let_in(struct control *control)
{
	int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	control->starved = fd < 0 && (errno == EMFILE || errno == ENFILE);
	if (fd < 0)
		return;
	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		if (control->clients[i].fd >= 0)
			continue;
		line_client_open(&control->clients[i], fd);
		return;
	}
	close(fd);
}

static void fill_pollfds(const struct control *control, struct pollfd pfds[POLL_NR])
{
	pfds[POLL_END] = (struct pollfd){ .fd = control->end_fd, .events = POLLIN };
	pfds[POLL_LISTEN] = (struct pollfd){ .fd = control->starved ? -1 : control->listen_fd, .events = POLLIN };
	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		const struct line_client *client = &control->clients[i];
		short events = (short)((client->at_end ? 0 : POLLIN) | (client->out_bytes ? POLLOUT : 0));

		pfds[POLL_CLIENTS + i] = (struct pollfd){ .fd = client->fd, .events = events };
	}
}

static void *control_main(void *arg)
{
	struct control *control = arg;
	struct pollfd pfds[POLL_NR];

	for (;;) {
		fill_pollfds(control, pfds);
		if (poll(pfds, POLL_NR, control->starved ? STARVED_MS : -1) < 0 && errno != EINTR)
			break;
		control->starved = false;
		if (pfds[POLL_END].revents)
			break;
		for (int i = 0; i < CONTROL_MAX_CLIENTS; i++)
			if (pfds[POLL_CLIENTS + i].revents)
				serve(control, &control->clients[i], pfds[POLL_CLIENTS + i].revents);
		if (pfds[POLL_LISTEN].revents)
			let_in(control);
	}
	return NULL;
}

static int start_thread(struct control *control)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = -pthread_create(&control->thread, NULL, control_main, control);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	control->started = !ret;
	return ret;
}

int ref_control_start(struct control *control, struct ref_device *dev, const char *path)
{
	int ret;

	*control = (struct control){ .dev = dev, .path = path, .listen_fd = -1, .end_fd = -1 };
	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++)
		control->clients[i].fd = -1;
	if (!path)
		return 0;
	control->listen_fd = ref_listener_open(path, 0600);
	if (control->listen_fd < 0)
		return control->listen_fd;
	control->end_fd = eventfd(0, EFD_CLOEXEC);
	ret = control->end_fd < 0 ? -errno : start_thread(control);
	if (ret)
		ref_control_stop(control);
	return ret;
}

void ref_control_stop(struct control *control)
{
	if (control->started) {
		eventfd_write(control->end_fd, 1);
		pthread_join(control->thread, NULL);
	}
	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++)
		line_client_close(&control->clients[i]);
	if (control->end_fd >= 0)
		close(control->end_fd);
	if (control->listen_fd >= 0)
		ref_listener_close(control->listen_fd, control->path);
	*control = (struct control){ .listen_fd = -1, .end_fd = -1 };
}
