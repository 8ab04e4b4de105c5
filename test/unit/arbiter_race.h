/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two sides at one arbiter, starting together round after round, each round with an id of its own. Included after
 * arbiter_place.h and arbiter_storage.h.
 */
#ifndef TEST_ARBITER_RACE_H
#define TEST_ARBITER_RACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define NR_RACES 200

/* In memory that two processes share. */
struct race {
	pthread_barrier_t start;
	struct place place;
	void (*act[2])(struct race *race, enum gw_side side, unsigned round); /* of each side, in each round */
	int ret[2][NR_RACES];
	atomic_uint nr_wrong;
};

static inline int race_claim(struct race *race, enum gw_side side, unsigned round)
{
	const uint8_t raced[GW_ARBITER_ID_BYTES] = { 1, (uint8_t)round };

	return gw_arbiter_claim(race->place.arbiter, raced, side, NULL);
}

static inline int race_give_back(struct race *race, unsigned round)
{
	const uint8_t raced[GW_ARBITER_ID_BYTES] = { 1, (uint8_t)round };

	return gw_arbiter_give_back(race->place.arbiter, raced, NULL);
}

static inline struct race *race_open(void (*act_source)(struct race *race, enum gw_side side, unsigned round),
				     void (*act_destination)(struct race *race, enum gw_side side, unsigned round))
{
	struct race *race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrierattr_t shared;

	assert_ptr_not_equal(race, MAP_FAILED);
	place_open(&race->place);
	race->act[0] = act_source;
	race->act[1] = act_destination;
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&race->start, &shared, 2);
	storage.no_sync = true; /* nobody crashes here, and a disk's syncs would keep the two from meeting */
	return race;
}

static inline void race_close(struct race *race, unsigned nr_left)
{
	storage.no_sync = false;
	assert_int_equal(atomic_load(&race->nr_wrong), 0);
	place_close(&race->place, nr_left);
	pthread_barrier_destroy(&race->start);
	munmap(race, sizeof(*race));
}

static inline void race_side(struct race *race, enum gw_side side)
{
	for (unsigned round = 0; round < NR_RACES; round++) {
		pthread_barrier_wait(&race->start);
		race->act[side - 1](race, side, round);
	}
}

static inline void *race_destination(void *race)
{
	race_side(race, GW_SIDE_DESTINATION);
	return NULL;
}

static inline void race_threads(struct race *race)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, race_destination, race), 0);
	race_side(race, GW_SIDE_SOURCE);
	pthread_join(thread, NULL);
}

static inline void race_processes(struct race *race)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		race_destination(race);
		_exit(0);
	}
	race_side(race, GW_SIDE_SOURCE);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* How the two meet, as a test's prestate. */
static void (*const in_threads)(struct race *race) = race_threads;
static void (*const in_processes)(struct race *race) = race_processes;

static inline void race_run(struct race *race, void **state)
{
	void (*const *meet)(struct race * race) = *state;

	(*meet)(race);
}

#endif
