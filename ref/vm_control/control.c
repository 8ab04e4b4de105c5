/* SPDX-License-Identifier: BSD-3-Clause */
/* The VM's main loop: clients, news of the migration, the request to stop. */
#include "ref/vm_control/control.h"

#include "ref/vm_control/json_value.h"
#include "ref/vm_control/progress_json.h"
#include "ref/vm_control/report_json.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define STARVED_MS 50  /* how long to leave alone what failed for want of fds or memory */
#define FAILURE_MS 200 /* for so long a guest that has failed may go unnoticed where nobody asks */

enum { POLL_STOP, POLL_MIGRATION, POLL_LISTEN, POLL_CLIENTS, POLL_NR = POLL_CLIENTS + CONTROL_MAX_CLIENTS };

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

static int has_listener(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int ret = connect(fd, (const struct sockaddr *)address, sizeof(*address));

	if (fd >= 0)
		close(fd);
	return !ret;
}

static void remove_stale(const struct sockaddr_un *address)
{
	struct stat st;

	if (!lstat(address->sun_path, &st) && S_ISSOCK(st.st_mode))
		unlink(address->sun_path);
}

/* Whoever can connect owns the guest: only this user may. On Linux a socket's mode before bind is its file's. */
static int bind_and_listen(struct control *control, const struct sockaddr_un *address)
{
	if (has_listener(address))
		return -EADDRINUSE;
	remove_stale(address);
	control->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->listen_fd < 0 || fchmod(control->listen_fd, 0600))
		return -errno;
	if (bind(control->listen_fd, (const struct sockaddr *)address, sizeof(*address)))
		return -errno;
	memcpy(control->path, address->sun_path, sizeof(control->path));
	return listen(control->listen_fd, CONTROL_MAX_CLIENTS) ? -errno : 0;
}

int control_listen(struct control *control, const char *path, const struct vm_context *vm, int stop_fd,
		   struct gw_error *e)
{
	struct sockaddr_un address = address_of(path ? path : "");
	int ret;

	*control = (struct control){ .vm = *vm, .stop_fd = stop_fd, .listen_fd = -1 };
	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++)
		control->clients[i].fd = -1;
	if (!path)
		return 0;
	if (strlen(path) >= sizeof(address.sun_path))
		return gw_error_set(e, -ENAMETOOLONG, path, "too long a path for a socket");
	ret = bind_and_listen(control, &address);
	if (ret) {
		control_unlisten(control);
		return gw_error_set(e, ret, path, "the control socket cannot be opened: %s", strerror(-ret));
	}
	return 0;
}

void control_unlisten(struct control *control)
{
	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++)
		line_client_close(&control->clients[i]);
	if (control->listen_fd >= 0)
		close(control->listen_fd);
	if (control->path[0])
		unlink(control->path);
	control->listen_fd = -1;
	control->path[0] = '\0';
}

static struct line_client *free_client(struct control *control)
{
	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++)
		if (control->clients[i].fd < 0)
			return &control->clients[i];
	return NULL;
}

/* One too many is told so, as far as that goes without waiting. */
static void accept_client(struct control *control)
{
	static const char busy[] = "{\"ok\":false,\"error\":{\"code\":\"EBUSY\",\"what\":\"too many clients\"}}\n";
	struct line_client *client = free_client(control);
	int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	control->out_of_fds = fd < 0 && (errno == EMFILE || errno == ENFILE);
	if (fd < 0)
		return;
	if (client) {
		line_client_open(client, fd);
		return;
	}
	if (send(fd, busy, sizeof(busy) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		errno = 0;
	close(fd);
}

static void answer(struct control *control, struct line_client *client, const char *line)
{
	enum vm_command_effect effect;
	json_t *value = vm_command_run(&control->vm, line, &effect);

	line_client_send(client, value);
	json_decref(value);
	client->watching |= effect == VM_EFFECT_WATCH;
	control->quit |= effect == VM_EFFECT_QUIT;
}

static void refuse_long_line(struct line_client *client)
{
	struct gw_error e = GW_ERROR_NONE;
	json_t *value;

	gw_error_set(&e, -EMSGSIZE, "", "a line of more than %u bytes", LINE_CLIENT_IN_BYTES);
	value = vm_command_refusal(&e);
	line_client_send(client, value);
	json_decref(value);
}

static void serve_client(struct control *control, struct line_client *client, short revents)
{
	char *line;
	int ret = 0;

	if (revents & POLLOUT)
		line_client_flush(client);
	if (revents & POLLIN) {
		line_client_receive(client);
		while (!control->quit && (ret = line_client_next(client, &line)) > 0)
			answer(control, client, line);
		if (!control->quit && ret < 0)
			refuse_long_line(client);
	} else if (revents & (POLLHUP | POLLERR)) {
		client->gone = 1;
	}
	if (line_client_done(client))
		line_client_close(client);
}

/* A watcher that still has lines to read misses this one: progress is a snapshot, the next is better. */
static void send_progress(struct control *control)
{
	struct gw_progress progress;
	json_t *value;

	vm_migration_progress(control->vm.migration, &progress);
	value = progress_json(&progress);
	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++)
		if (control->clients[i].watching && !control->clients[i].out_bytes)
			line_client_send(&control->clients[i], value);
	json_decref(value);
}

static void send_report(struct control *control)
{
	json_t *report = report_json(&control->vm.migration->report,
				     control->vm.machine->executor->log_name(control->vm.machine->guest));
	json_t *value = json_pack("{s:s, s:o}", "event", "report", "report", report);

	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		if (!control->clients[i].watching)
			continue;
		line_client_send(&control->clients[i], value);
		control->clients[i].watching = 0;
	}
	json_decref(value);
}

/* Nobody could ask a VM without a socket what became of its guest. */
static int end_without_socket(struct control *control, struct gw_error *e)
{
	const struct gw_error *cause = &control->vm.migration->report.error;

	if (control->path[0] || control->vm.migration->state != VM_FAILED)
		return 0;
	control->quit = 1;
	if (!cause->code)
		return gw_error_set(e, -ECANCELED, "", "no guest came");
	return gw_error_set(e, cause->code, cause->where, "%s", cause->what);
}

/* As above: with a socket a VM stays, to be asked what became of its guest. */
static int end_with_guest(struct control *control, struct gw_error *e)
{
	const struct machine *machine = control->vm.machine;

	if (control->path[0] || control->vm.migration->state != VM_RUNNING)
		return 0;
	return machine->executor->failure(machine->guest, e);
}

static int take_news(struct control *control, struct gw_error *e)
{
	enum vm_migration_news news = vm_migration_poll(control->vm.migration);
	const struct machine *machine = control->vm.machine;
	struct gw_error failure = GW_ERROR_NONE;

	if (news != VM_NEWS_ENDED && machine->executor->failure(machine->guest, &failure))
		vm_migration_fail(control->vm.migration, &failure);
	if (news == VM_NEWS_PROGRESS)
		send_progress(control);
	if (news != VM_NEWS_ENDED)
		return 0;
	send_report(control);
	return end_without_socket(control, e);
}

static void fill_pollfds(const struct control *control, struct pollfd pollfds[POLL_NR])
{
	pollfds[POLL_STOP] = (struct pollfd){ .fd = control->stop_fd, .events = POLLIN };
	pollfds[POLL_MIGRATION] = (struct pollfd){ .fd = control->vm.migration->event_fd, .events = POLLIN };
	pollfds[POLL_LISTEN] = (struct pollfd){
		.fd = control->out_of_fds ? -1 : control->listen_fd, /* nobody can be let in for a while */
		.events = POLLIN,
	};
	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		const struct line_client *client = &control->clients[i];

		pollfds[POLL_CLIENTS + i] = (struct pollfd){
			.fd = client->fd,
			.events = (short)((client->at_end ? 0 : POLLIN) | (client->out_bytes ? POLLOUT : 0)),
		};
	}
}

/* poll fails for want of memory, or under a limit of fds that was lowered: no reason to end a guest. */
static void wait_starved(void)
{
	struct timespec ts = { .tv_nsec = STARVED_MS * 1000000L };

	if (errno != EINTR)
		nanosleep(&ts, NULL);
}

/* poll refuses more entries than the process may have fds, whether they are used or not: only those that are. */
static int poll_used(struct pollfd pollfds[POLL_NR], int timeout_ms)
{
	struct pollfd used[POLL_NR];
	nfds_t nr = 0;
	int ret;

	for (int i = 0; i < POLL_NR; i++)
		if (pollfds[i].fd >= 0)
			used[nr++] = pollfds[i];
	ret = poll(used, nr, timeout_ms);
	nr = 0;
	for (int i = 0; ret >= 0 && i < POLL_NR; i++)
		if (pollfds[i].fd >= 0)
			pollfds[i].revents = used[nr++].revents;
	return ret;
}

/* Clients that cannot be let in for now are tried again, and a guest that nobody asks for is looked at. */
static int poll_timeout(const struct control *control, const struct pollfd pollfds[POLL_NR])
{
	if (control->listen_fd < 0)
		return FAILURE_MS;
	return pollfds[POLL_LISTEN].fd < 0 ? STARVED_MS : -1;
}

static int serve_once(struct control *control, struct gw_error *e)
{
	struct pollfd pollfds[POLL_NR];
	int ret = 0;

	fill_pollfds(control, pollfds);
	control->out_of_fds = 0;
	if (poll_used(pollfds, poll_timeout(control, pollfds)) < 0) {
		wait_starved();
		return 0;
	}
	if (pollfds[POLL_STOP].revents)
		control->quit = 1;
	if (pollfds[POLL_MIGRATION].revents)
		ret = take_news(control, e);
	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++)
		if (pollfds[POLL_CLIENTS + i].revents)
			serve_client(control, &control->clients[i], pollfds[POLL_CLIENTS + i].revents);
	if (pollfds[POLL_LISTEN].revents)
		accept_client(control);
	return ret ? ret : end_with_guest(control, e);
}

int control_serve(struct control *control, struct gw_error *e)
{
	int ret = 0;

	while (!ret && !control->quit)
		ret = serve_once(control, e);
	return ret;
}
