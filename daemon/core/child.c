/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting, watching and ending the program that serves a volume. */
#include "daemon/core/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/core/log.h"

/* Where a server started by socket activation finds its first socket. */
#define LISTEN_FDS_START 3

/* How long a server may take to end when asked to. */
#define STOP_PATIENCE 3000000000ull

struct child {
	struct loop *loop;
	char *name;
	char *path;
	char **argv;
	size_t n_argv;
	void (*on_exit)(void *user, const char *how);
	void *user;
	int listen_fd;
	pid_t pid;
	struct watch watch;
	struct timer timer;
	bool is_stopping;
};

static int
listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	CLEANUP_CLOSE int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Left over from a daemon that was killed. */
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0600) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int
copy_argv(struct child *child, const struct string_list *command)
{
	child->argv = calloc(command->n_items + 1, sizeof(*child->argv));
	if (!child->argv)
		return -ENOMEM;
	for (size_t i = 0; i < command->n_items; i++) {
		child->argv[i] = strdup(command->items[i]);
		if (!child->argv[i])
			return -ENOMEM;
		child->n_argv++;
	}
	return 0;
}

/* Whoever takes our place may want the same path. */
static void
remove_socket(struct child *child)
{
	if (child->listen_fd < 0)
		return;
	close(child->listen_fd);
	unlink(child->path);
	child->listen_fd = -1;
}

static void
describe_exit(int status, char *how, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(how, size, "was killed by signal %d (%s)",
			 WTERMSIG(status), sigdescr_np(WTERMSIG(status)));
	else if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		snprintf(how, size, "could not be started");
	else
		snprintf(how, size, "ended with exit status %d",
			 WEXITSTATUS(status));
}

static void
on_pidfd(struct watch *watch, uint32_t events)
{
	struct child *child = container_of(watch, struct child, watch);
	bool was_stopping = child->is_stopping;
	char how[100];
	int status = 0;
	int fd = watch->fd;

	(void)events;
	if (waitpid(child->pid, &status, WNOHANG) == 0)
		return;
	loop_stop_timer(child->loop, &child->timer);
	loop_unwatch(child->loop, watch);
	close(fd);
	child->pid = 0;
	child->is_stopping = false;
	describe_exit(status, how, sizeof(how));
	if (was_stopping)
		remove_socket(child);
	child->on_exit(child->user, was_stopping ? NULL : how);
}

static void
on_timer(struct timer *timer)
{
	struct child *child = container_of(timer, struct child, timer);

	if (child->pid > 0) {
		log_warning("volume %s: the server '%s' did not end when asked "
			    "to; killing it",
			    child->name, child->argv[0]);
		kill(child->pid, SIGKILL);
	} else {
		child->is_stopping = false;
		remove_socket(child);
		child->on_exit(child->user, NULL);
	}
}

struct child *
child_new(struct loop *loop, const char *name, const char *path,
	  const struct string_list *command,
	  void (*on_exit)(void *user, const char *how), void *user)
{
	struct child *child = calloc(1, sizeof(*child));
	int r;

	if (!child)
		return NULL;
	child->loop = loop;
	child->on_exit = on_exit;
	child->user = user;
	child->listen_fd = -1;
	child->watch = (struct watch){ .fd = -1, .on_ready = on_pidfd };
	child->timer.on_due = on_timer;
	if (string_replace(&child->name, name) < 0 ||
	    string_replace(&child->path, path) < 0 ||
	    copy_argv(child, command) < 0) {
		child_free(child);
		errno = ENOMEM;
		return NULL;
	}
	r = listen_at(path);
	if (r < 0) {
		child_free(child);
		errno = -r;
		return NULL;
	}
	child->listen_fd = r;
	return child;
}

/* The environment of a socket-activated server. LISTEN_PID is the last one,
 * and its digits are filled in by the child, who alone knows them. */
static char **
make_environment(char *listen_pid)
{
	static char listen_fds[] = "LISTEN_FDS=1";
	size_t n = 0, kept = 0;
	char **environment;

	while (environ[n])
		n++;
	environment = calloc(n + 3, sizeof(*environment));
	if (!environment)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "LISTEN_", 7) != 0 &&
		    strncmp(environ[i], "NOTIFY_SOCKET=", 14) != 0 &&
		    strncmp(environ[i], "WATCHDOG_", 9) != 0)
			environment[kept++] = environ[i];
	environment[kept++] = listen_fds;
	environment[kept] = listen_pid;
	return environment;
}

/* Only what is safe between fork and exec. */
static void
write_number(char *to, pid_t number)
{
	char digits[16];
	int n = 0;

	do
		digits[n++] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	while (n > 0)
		*to++ = digits[--n];
	*to = '\0';
}

static void
reset_signals(void)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigaction(SIGPIPE, &standard, NULL);
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static void __attribute__((noreturn))
run_server(const struct child *child, char **environment, char *pid_digits,
	   pid_t parent)
{
	static const char complaint[] = "nbd-clientd: cannot start ";
	int null;

	/* We go, it goes. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	reset_signals();
	write_number(pid_digits, getpid());
	null = open("/dev/null", O_RDONLY);
	/* stdout carries nothing of ours. */
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		_exit(126);
	if (child->listen_fd == LISTEN_FDS_START)
		fcntl(LISTEN_FDS_START, F_SETFD, 0);
	else
		dup2(child->listen_fd, LISTEN_FDS_START);
	/* Libraries may have opened descriptors without O_CLOEXEC. */
	close_range(LISTEN_FDS_START + 1, ~0u, 0);
	execvpe(child->argv[0], child->argv, environment);
	if (write(STDERR_FILENO, complaint, sizeof(complaint) - 1) > 0 &&
	    write(STDERR_FILENO, child->argv[0], strlen(child->argv[0])) > 0 &&
	    write(STDERR_FILENO, "\n", 1) > 0)
		_exit(127);
	_exit(127);
}

static int
watch_server(struct child *child)
{
	int fd = pidfd_open(child->pid, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = loop_watch(child->loop, &child->watch, fd, EPOLLIN);
	if (r < 0)
		close(fd);
	return r;
}

int
child_start(struct child *child)
{
	char listen_pid[32] = "LISTEN_PID=";
	char *digits = listen_pid + strlen(listen_pid);
	CLEANUP_FREE char **environment = NULL;
	pid_t parent = getpid();
	int r;

	if (child->pid > 0)
		return 0;
	environment = make_environment(listen_pid);
	if (!environment)
		return -ENOMEM;
	child->pid = fork();
	if (child->pid < 0) {
		child->pid = 0;
		return -errno;
	}
	if (child->pid == 0)
		run_server(child, environment, digits, parent);
	r = watch_server(child);
	if (r < 0) {
		kill(child->pid, SIGKILL);
		waitpid(child->pid, NULL, 0);
		child->pid = 0;
		return r;
	}
	log_write(LOG_INFO, &(struct log_subject){ .volume = child->name },
		  "started '%s' as process %d", child->argv[0], child->pid);
	return 0;
}

void
child_stop(struct child *child)
{
	uint64_t patience = 0;

	child->is_stopping = true;
	if (child->pid > 0) {
		kill(child->pid, SIGTERM);
		patience = STOP_PATIENCE;
	}
	loop_set_timer(child->loop, &child->timer,
		       loop_now(child->loop) + patience);
}

void
child_free(struct child *child)
{
	if (!child)
		return;
	loop_stop_timer(child->loop, &child->timer);
	remove_socket(child);
	for (size_t i = 0; i < child->n_argv; i++)
		free(child->argv[i]);
	free(child->argv);
	free(child->name);
	free(child->path);
	free(child);
}
