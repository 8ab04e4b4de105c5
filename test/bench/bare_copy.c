/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The limit figure of the benchmark: how fast can bytes go from one process's memory into another's over loopback
 * sockets at all? K sockets, a thread at each end, pieces of 2 MiB, nothing else. Both memories are shared memory, as
 * guest RAM is, and populated before the clock starts, as RAM that devices may DMA to is; it stops when the receiver
 * has said that all is there. Prints one line of JSON.
 *
 *	bare_copy [--bytes N] [--channels K] [--transport tcp|unix]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIECE_BYTES  (2u << 20)
#define MAX_CHANNELS 32

struct end {
	pthread_t thread;
	int fd;
	uint8_t *memory;
	uint64_t size_bytes;
};

static void die(const char *what)
{
	fprintf(stderr, "bare_copy: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void *send_all(void *arg)
{
	struct end *end = arg;

	for (uint64_t at = 0; at < end->size_bytes;) {
		uint64_t left = end->size_bytes - at;
		struct iovec iov = { end->memory + at, left < PIECE_BYTES ? left : PIECE_BYTES };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n = sendmsg(end->fd, &msg, MSG_NOSIGNAL);

		if (n < 0)
			die("sendmsg");
		at += (uint64_t)n;
	}
	return NULL;
}

static void *receive_all(void *arg)
{
	struct end *end = arg;

	for (uint64_t at = 0; at < end->size_bytes;) {
		uint64_t left = end->size_bytes - at;
		ssize_t n = recv(end->fd, end->memory + at, left < PIECE_BYTES ? left : PIECE_BYTES, MSG_WAITALL);

		if (n <= 0)
			die("recv");
		at += (uint64_t)n;
	}
	return NULL;
}

static void tcp_pair(int fds[2])
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, size) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&addr, &size))
		die("listen");
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (fds[0] < 0 || connect(fds[0], (struct sockaddr *)&addr, size))
		die("connect");
	fds[1] = accept(listener, NULL, NULL);
	if (fds[1] < 0)
		die("accept");
	setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	close(listener);
}

static void unix_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		die("socketpair");
}

/* Populated, and with something in it. */
static uint8_t *memory_new(uint64_t size_bytes, int fill)
{
	uint8_t *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	memset(memory, fill, size_bytes);
	return memory;
}

static void run(struct end *ends, unsigned nr, void *(*work)(void *arg))
{
	for (unsigned i = 0; i < nr; i++)
		if ((errno = pthread_create(&ends[i].thread, NULL, work, &ends[i])))
			die("pthread_create");
	for (unsigned i = 0; i < nr; i++)
		pthread_join(ends[i].thread, NULL);
}

/* The receiving process: says "ready", receives, says "done". */
static void receive_process(struct end *ends, unsigned nr, uint64_t size_bytes, int control)
{
	uint8_t *memory = memory_new(size_bytes * nr, 0);
	char byte = 0;

	for (unsigned i = 0; i < nr; i++)
		ends[i].memory = memory + size_bytes * i;
	if (write(control, &byte, 1) != 1)
		die("write");
	run(ends, nr, receive_all);
	if (write(control, &byte, 1) != 1)
		die("write");
	exit(0);
}

/* Returns the nanoseconds that it took. */
static uint64_t copy(unsigned nr, uint64_t size_bytes, void (*pair)(int fds[2]))
{
	struct end senders[MAX_CHANNELS], receivers[MAX_CHANNELS];
	uint8_t *memory = memory_new(size_bytes * nr, 0x5a);
	int control[2], fds[2], status;
	uint64_t begin, ns;
	char byte;
	pid_t pid;

	unix_pair(control);
	for (unsigned i = 0; i < nr; i++) {
		pair(fds);
		senders[i] = (struct end){ .fd = fds[0], .size_bytes = size_bytes, .memory = memory + size_bytes * i };
		receivers[i] = (struct end){ .fd = fds[1], .size_bytes = size_bytes };
	}
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0)
		receive_process(receivers, nr, size_bytes, control[1]);
	if (read(control[0], &byte, 1) != 1)
		die("read");
	begin = now_ns();
	run(senders, nr, send_all);
	if (read(control[0], &byte, 1) != 1)
		die("read");
	ns = now_ns() - begin;
	if (waitpid(pid, &status, 0) != pid || status)
		die("the receiver failed");
	return ns;
}

static void usage(void)
{
	fprintf(stderr, "usage: bare_copy [--bytes N] [--channels 1..%d] [--transport tcp|unix]\n", MAX_CHANNELS);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "bytes", required_argument, NULL, 'b' },
		{ "channels", required_argument, NULL, 'c' },
		{ "transport", required_argument, NULL, 't' },
		{ 0 },
	};
	uint64_t bytes = 4ull << 30, size_bytes, ns;
	const char *transport = "tcp";
	unsigned long nr = 2;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'b')
			bytes = strtoull(optarg, NULL, 0);
		else if (option == 'c')
			nr = strtoul(optarg, NULL, 0);
		else if (option == 't')
			transport = optarg;
		else
			usage();
	}
	if (nr == 0 || nr > MAX_CHANNELS || bytes < nr || (strcmp(transport, "tcp") && strcmp(transport, "unix")))
		usage();
	size_bytes = bytes / nr;
	ns = copy((unsigned)nr, size_bytes, strcmp(transport, "tcp") ? unix_pair : tcp_pair);
	printf("{\"transport\": \"%s\", \"channels\": %lu, \"bytes\": %llu, \"ns\": %llu, \"bytes_per_s\": %llu}\n",
	       transport, nr, (unsigned long long)(size_bytes * nr), (unsigned long long)ns,
	       (unsigned long long)((double)(size_bytes * nr) * 1e9 / (double)ns));
	return 0;
}
