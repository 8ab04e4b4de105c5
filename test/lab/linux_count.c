// SPDX-License-Identifier: BSD-3-Clause
/*
 * The first and only process of the Linux that runs inside the lab's Linux: counts on the console, without end, about
 * 20 times a second, on each CPU in turn. A line is "count N CPU SECONDS", SECONDS of CLOCK_MONOTONIC. What is to be
 * found in these lines after a migration is in guest/60-linux.sh.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define STEP_NS 50000000

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		perror("sched_setaffinity");
		exit(1);
	}
}

int main(void)
{
	const struct timespec step = { .tv_nsec = STEP_NS };
	long nr_cpus = sysconf(_SC_NPROCESSORS_CONF);

	printf("counting on %ld CPUs\n", nr_cpus);
	for (unsigned long n = 0;; n++) {
		struct timespec now;

		run_on((int)(n % (unsigned long)nr_cpus));
		clock_gettime(CLOCK_MONOTONIC, &now);
		printf("count %lu %d %lld.%06ld\n", n, sched_getcpu(), (long long)now.tv_sec, now.tv_nsec / 1000);
		fflush(stdout);
		nanosleep(&step, NULL);
	}
}
