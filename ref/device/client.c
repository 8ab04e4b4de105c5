/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Serving a client: receive, run, reply, one loop for each of its sockets. The data socket's thread ends when its
 * socket is shut down, which is what the command loop does last.
 */
#include "ref/device/client.h"

#include "ref/device/command.h"
#include "ref/device/device.h"
#include "ref/device/reply_strike.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

void ref_client_init(struct client *client, struct ref_device *dev, int fd)
{
	*client = (struct client){
		.dev = dev,
		.commands = { .fd = fd, .stop_fd = dev->stop_fd },
		.data = { .fd = -1, .stop_fd = dev->stop_fd },
	};
	ref_device_attach(dev);
}

void ref_client_fini(struct client *client)
{
	ref_device_detach(client->dev);
	if (client->commands.fd >= 0)
		close(client->commands.fd);
	if (client->data.fd >= 0)
		close(client->data.fd);
}

uint32_t ref_client_mig_caps(const struct client *client)
{
	uint32_t without = client->dev->options->without;
	uint32_t caps = MIG_CAP_STOP_COPY;

	if (without & REF_DEVICE_NO_MIGRATION)
		return 0;
	if (!(without & REF_DEVICE_NO_PRECOPY))
		caps |= MIG_CAP_PRE_COPY;
	if (client->extension & CLIENT_P2P)
		caps |= MIG_CAP_P2P;
	return caps;
}

/*
 * As the faults have it: whether the connection outlives it, and what is said. Cut by the data socket's thread, the
 * other one has to be woken.
 */
static int answer(struct client *client, const struct link *link, struct request *request, struct reply *reply,
		  const struct strike *strike, int ret)
{
	if (ref_fault_link(client->dev) != FAULT_LINK_SOUND) {
		shutdown(client->commands.fd, SHUT_RDWR);
		return -EPIPE;
	}
	ret = ref_reply_strike(request, reply, strike, ret);
	return strike->action == FAULT_NO_REPLY ? 0 : ref_message_reply(link, request, reply, ret);
}

/* One message. Any error ends the link. */
static int serve_one(struct client *client, const struct link *link, struct request *request, struct reply *reply)
{
	int ret = ref_message_receive(link, request);
	struct strike strike;

	if (ret)
		return ret;
	strike = ref_fault(client->dev, FAULT_COMMAND, request->command, link == &client->data);
	ret = strike.ret;
	reply->size = 0;
	reply->lie = (struct reply_lie){ 0 };
	if (!ret && strike.action != FAULT_IGNORE)
		ret = ref_command_run(client, request, reply);
	ret = answer(client, link, request, reply, &strike, ret);
	if (reply->fd >= 0)
		close(reply->fd);
	reply->fd = -1;
	ref_request_close_fds(request);
	if (!ret && link == &client->commands && !client->greeted)
		ret = -EPROTO;
	return ret;
}

static void *data_main(void *arg)
{
	struct client *client = arg;
	struct request request = { 0 };
	struct reply reply = { .fd = -1 };

	while (!serve_one(client, &client->data, &request, &reply))
		;
	ref_request_fini(&request);
	ref_reply_fini(&reply);
	return NULL;
}

static int start_data_thread(struct client *client, pthread_t *thread)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = -pthread_create(thread, NULL, data_main, client);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

/* Everything after VERSION, which may have brought the data socket. */
static void serve_greeted(struct client *client, struct request *request, struct reply *reply)
{
	bool has_data = client->data.fd >= 0;
	pthread_t thread;

	if (has_data && start_data_thread(client, &thread))
		return;
	while (!serve_one(client, &client->commands, request, reply))
		;
	if (has_data) {
		shutdown(client->data.fd, SHUT_RDWR);
		pthread_join(thread, NULL);
	}
}

void ref_client_serve(struct ref_device *dev, int fd)
{
	struct client client;
	struct request request = { 0 };
	struct reply reply = { .fd = -1 };

	ref_client_init(&client, dev, fd);
	if (ref_fault_link(dev) == FAULT_LINK_SOUND && !serve_one(&client, &client.commands, &request, &reply))
		serve_greeted(&client, &request, &reply);
	ref_request_fini(&request);
	ref_reply_fini(&reply);
	ref_client_fini(&client);
}
