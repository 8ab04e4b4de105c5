/* SPDX-License-Identifier: BSD-3-Clause */
#include "arbiter_storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull

struct storage storage;

static int link_file(int old_dir, const char *old, int new_dir, const char *new, int flags)
{
	int ret = (int)syscall(SYS_linkat, old_dir, old, new_dir, new, flags);

	if (!ret)
		storage.is_durable = false;
	return ret;
}

int linkat(int old_dir, const char *old, int new_dir, const char *new, int flags)
{
	int ret;

	if (storage.nr_links_spared) {
		storage.nr_links_spared--;
		return link_file(old_dir, old, new_dir, new, flags);
	}
	ret = storage.link_skipped ? 0 : link_file(old_dir, old, new_dir, new, flags);
	if (storage.link_dies)
		_exit(STORAGE_DIED);
	if (storage.link_error) {
		errno = storage.link_error;
		return -1;
	}
	return ret;
}

int fsync(int fd)
{
	struct stat st;
	bool is_dir = !fstat(fd, &st) && S_ISDIR(st.st_mode);

	storage.nr_dir_syncs += is_dir;
	if (storage.dir_sync_error && is_dir) {
		errno = storage.dir_sync_error;
		return -1;
	}
	storage.is_durable |= is_dir;
	return storage.no_sync ? 0 : (int)syscall(SYS_fsync, fd);
}

static int open_file(int dir, const char *path, int flags, va_list args)
{
	return (int)syscall(SYS_openat, dir, path, flags, flags & O_CREAT ? va_arg(args, mode_t) : 0);
}

int open(const char *path, int flags, ...)
{
	va_list args;
	int fd;

	if (flags & O_DIRECTORY)
		storage.missing[0] = 0;
	va_start(args, flags);
	fd = open_file(AT_FDCWD, path, flags, args);
	va_end(args);
	return fd;
}

int openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	int fd;

	if (storage.remembers_missing && !strcmp(path, storage.missing)) {
		errno = ENOENT;
		return -1;
	}
	va_start(args, flags);
	fd = open_file(dir, path, flags, args);
	va_end(args);
	if (fd < 0 && errno == ENOENT)
		snprintf(storage.missing, sizeof(storage.missing), "%s", path);
	return fd;
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
	uint64_t ns = (uint64_t)time->tv_sec * NS_PER_S + (uint64_t)time->tv_nsec;

	storage.slept_ns += ns;
	storage.nr_sleeps++;
	if (ns > storage.longest_sleep_ns)
		storage.longest_sleep_ns = ns;
	if (storage.on_sleep)
		storage.on_sleep(storage.ctx);
	return 0;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
	int ret = (int)syscall(SYS_clock_gettime, clock, time);
	uint64_t ns;

	if (ret || clock != CLOCK_MONOTONIC)
		return ret;
	ns = (uint64_t)time->tv_nsec + storage.slept_ns;
	time->tv_sec += (time_t)(ns / NS_PER_S);
	time->tv_nsec = (long)(ns % NS_PER_S);
	return 0;
}
