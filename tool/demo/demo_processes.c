/* SPDX-License-Identifier: BSD-3-Clause */
/* The processes of the demo: see demo_processes.h. */
#include "demo_processes.h"

#include "tool/say.h"
#include "tool/stop_signals.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_TIMEOUT_MS 3000
#define LINE_BYTES      512

int demo_processes_begin(struct demo_processes *processes, struct gw_error *e)
{
	const char *where = getenv("TMPDIR");
	int n;

	processes->nr = 0;
	where = where && where[0] ? where : "/tmp";
	n = snprintf(processes->dir, sizeof(processes->dir), "%s/godwit-demo-XXXXXX", where);
	if (n >= (int)sizeof(processes->dir)) {
		processes->dir[0] = '\0';
		return gw_error_set(e, -ENAMETOOLONG, where,
				    "too long a path for sockets: set TMPDIR to a shorter one");
	}
	if (!mkdtemp(processes->dir)) {
		processes->dir[0] = '\0';
		return gw_error_set(e, -errno, where, "cannot make a directory for sockets there: %s", strerror(errno));
	}
	return 0;
}

void demo_processes_path(const struct demo_processes *processes, const char *name, const char *suffix,
			 char path[DEMO_PATH_BYTES])
{
	snprintf(path, DEMO_PATH_BYTES, "%s/%s.%s", processes->dir, name, suffix);
}

/*
 * The child: a process group of its own, so that Ctrl-C reaches only the parent, which cancels and cleans up; killed
 * when the parent dies, also if that was before prctl.
 */
static void become(const char *const *argv, const char *log, pid_t parent)
{
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), null = open("/dev/null", O_RDWR);

	setpgid(0, 0);
	stop_signals_unblock();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	if (fd < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(fd, 2) < 0)
		_exit(127);
	execv("/proc/self/exe", (char *const *)argv);
	_exit(127);
}

int demo_processes_start(struct demo_processes *processes, const char *name, const char *const *argv,
			 struct gw_error *e)
{
	struct demo_process *process = &processes->items[processes->nr];
	char log[DEMO_PATH_BYTES];
	pid_t parent = getpid();

	if (processes->nr == DEMO_MAX_PROCESSES)
		return gw_error_set(e, -ENOSPC, name, "too many processes");
	demo_processes_path(processes, name, "log", log);
	snprintf(process->name, sizeof(process->name), "%s", name);
	fflush(NULL);
	process->pid = fork();
	if (process->pid < 0)
		return gw_error_set(e, -errno, name, "cannot start a process: %s", strerror(errno));
	if (!process->pid)
		become(argv, log, parent);
	processes->nr++;
	return 0;
}

/* "" if there is none. */
static void last_line(const struct demo_processes *processes, const struct demo_process *process, char line[LINE_BYTES])
{
	char path[DEMO_PATH_BYTES];
	FILE *log;

	demo_processes_path(processes, process->name, "log", path);
	log = fopen(path, "re");
	line[0] = '\0';
	while (log && fgets(line, LINE_BYTES, log))
		line[strcspn(line, "\n")] = '\0';
	if (log)
		fclose(log);
}

/* What it had to say is why. */
static int tell_end(const struct demo_processes *processes, const struct demo_process *process, int status,
		    struct gw_error *e)
{
	char line[LINE_BYTES];

	if (WIFSIGNALED(status))
		return gw_error_set(e, -ECHILD, process->name, "was killed by signal %d (%s)", WTERMSIG(status),
				    strsignal(WTERMSIG(status)));
	last_line(processes, process, line);
	return gw_error_set(e, -ECHILD, process->name, "ended too early, with exit code %d%s%s", WEXITSTATUS(status),
			    line[0] ? ": " : "", line);
}

int demo_processes_check(struct demo_processes *processes, struct gw_error *e)
{
	int status, ret = 0;

	for (unsigned int i = 0; i < processes->nr; i++) {
		struct demo_process *process = &processes->items[i];

		if (process->pid <= 0 || waitpid(process->pid, &status, WNOHANG) != process->pid)
			continue;
		process->pid = 0;
		ret = tell_end(processes, process, status, e);
	}
	return ret;
}

/* Waits until the process has ended, at most so long. A pidfd is readable then. */
static bool has_ended(pid_t pid, int timeout_ms)
{
	struct pollfd pidfd = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	bool ended = poll(&pidfd, 1, timeout_ms) > 0;

	if (pidfd.fd >= 0)
		close(pidfd.fd);
	return ended;
}

void demo_processes_stop(struct demo_processes *processes)
{
	int timeout_ms = STOP_TIMEOUT_MS;
	unsigned int i;

	for (i = 0; i < processes->nr; i++)
		if (processes->items[i].pid > 0)
			kill(processes->items[i].pid, SIGTERM);
	for (i = 0; i < processes->nr; i++) {
		pid_t pid = processes->items[i].pid;

		if (pid <= 0)
			continue;
		if (!has_ended(pid, timeout_ms)) {
			timeout_ms = 0; /* one has used up the time of all */
			kill(pid, SIGKILL);
		}
		waitpid(pid, NULL, 0);
		processes->items[i].pid = 0;
	}
}

void demo_processes_show_output(const struct demo_processes *processes, FILE *out)
{
	char path[DEMO_PATH_BYTES], line[LINE_BYTES];

	for (unsigned int i = 0; i < processes->nr; i++) {
		FILE *log;

		demo_processes_path(processes, processes->items[i].name, "log", path);
		log = fopen(path, "re");
		while (log && fgets(line, sizeof(line), log))
			fprintf(out, "%s: %s%s", processes->items[i].name, line, strchr(line, '\n') ? "" : "\n");
		if (log)
			fclose(log);
	}
}

void demo_processes_end(struct demo_processes *processes)
{
	struct dirent *entry;
	DIR *dir = processes->dir[0] ? opendir(processes->dir) : NULL;

	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	if (processes->dir[0])
		rmdir(processes->dir);
	processes->dir[0] = '\0';
}
