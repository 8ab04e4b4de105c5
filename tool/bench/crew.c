/* SPDX-License-Identifier: BSD-3-Clause */
/* The same at once on several devices: see crew.h. */
#include "crew.h"

#include "tool/say.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/* Held by who makes the threads until all are there: a thread that cannot be made must not leave the others waiting. */
struct gate {
	pthread_mutex_t lock;
	bool go;
};

struct part {
	struct gate *gate;
	crew_work *work;
	void *ctx;
	unsigned i;
	int ret;
	struct gw_error error;
	pthread_t thread;
};

static void *run_part(void *data)
{
	struct part *part = data;
	bool go;

	pthread_mutex_lock(&part->gate->lock);
	go = part->gate->go;
	pthread_mutex_unlock(&part->gate->lock);
	if (go)
		part->ret = part->work(part->ctx, part->i, &part->error);
	return NULL;
}

static int run_threads(struct part *parts, unsigned nr, struct gate *gate, struct gw_error *e)
{
	unsigned started = 0;
	int ret = 0;

	pthread_mutex_lock(&gate->lock);
	while (started < nr && !ret) {
		ret = pthread_create(&parts[started].thread, NULL, run_part, &parts[started]);
		started += !ret;
	}
	gate->go = !ret;
	pthread_mutex_unlock(&gate->lock);
	for (unsigned i = 0; i < started; i++)
		pthread_join(parts[i].thread, NULL);
	return ret ? gw_error_set(e, -ret, "", "cannot start a thread: %s", strerror(ret)) : 0;
}

int crew_run(crew_work *work, void *ctx, unsigned nr, struct gw_error *e)
{
	struct gate gate = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct part parts[CREW_MAX] = { 0 };
	int ret = 0;

	for (unsigned i = 0; i < nr; i++)
		parts[i] = (struct part){ .gate = &gate, .work = work, .ctx = ctx, .i = i };
	if (nr == 1)
		parts[0].ret = work(ctx, 0, &parts[0].error);
	else
		ret = run_threads(parts, nr, &gate, e);
	for (unsigned i = 0; i < nr && !ret; i++) {
		ret = parts[i].ret;
		if (ret && e && !e->code)
			*e = parts[i].error;
	}
	return ret;
}
