/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A reference device served by a thread of the test, on a socket in a directory of its own.
 */
#ifndef TEST_REF_SERVER_H
#define TEST_REF_SERVER_H

#include "ref/device/ref_device.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

struct server {
	struct ref_device_options options;
	char dir[32];
	char path[64];
	int stop_fd;
	int ret;
	char error[256];
	pthread_t thread;
};

static inline void *server_main(void *arg)
{
	struct server *s = arg;

	s->ret = ref_device_run(s->path, &s->options, s->stop_fd, s->error, sizeof(s->error));
	return NULL;
}

/* s->options are set. */
static inline void server_run(struct server *s)
{
	uint64_t ready;

	s->options.ready_fd = eventfd(0, EFD_CLOEXEC);
	strcpy(s->dir, "/tmp/godwit-ref-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/device", s->dir);
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
	assert_int_equal(read(s->options.ready_fd, &ready, sizeof(ready)), sizeof(ready));
}

static inline void server_start(struct server *s, uint64_t serial, uint32_t without)
{
	ref_device_options_init(&s->options);
	s->options.state_bytes = (uint64_t)2 << 20;
	s->options.serial = serial;
	s->options.without = without;
	server_run(s);
}

static inline void server_start_slow(struct server *s, uint64_t latency_ns)
{
	ref_device_options_init(&s->options);
	s->options.transition_latency_ns = latency_ns;
	server_run(s);
}

static inline void server_stop(struct server *s)
{
	uint64_t one = 1;

	assert_int_equal(write(s->stop_fd, &one, sizeof(one)), sizeof(one));
	pthread_join(s->thread, NULL);
	assert_int_equal(s->ret, 0);
	assert_int_equal(access(s->path, F_OK), -1);
	rmdir(s->dir);
	close(s->stop_fd);
	close(s->options.ready_fd);
}

#endif
