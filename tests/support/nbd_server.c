/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reference server, nbd-server, and the keeper that ends it. */
#include "tests/support/nbd_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/support/outcome.h"
#include "tests/support/process.h"
#include "tests/support/workdir.h"

enum {
	KEEPER_FD = 3
};

static char *
make_config(const char *dir, const char *socket, const char *image,
	    const char *options, const char *generic)
{
	CLEANUP_FREE char *text = NULL;

	if (asprintf(&text,
		     "[generic]\n%s%s\nallowlist = true\n%s\n"
		     "[disk]\nexportname = %s\n%s\n",
		     socket ? "unixsock = " : "", socket ? socket : "", generic,
		     image, options) < 0)
		test_broken("out of memory");
	return workdir_text_file(dir, "nbd-server.conf", text);
}

char *
nbd_server_config(const char *dir, const char *socket, const char *image,
		  const char *options)
{
	return make_config(dir, socket, image, options, "");
}

static pid_t
read_pid(const char *dir)
{
	CLEANUP_FREE char *path = workdir_path(dir, "nbd-server.pid");
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[16] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	return atoi(text);
}

/*
 * The keeper: sleeps until the test closes its end of the pipe, by dying or
 * on purpose, then kills the daemon and the children it has forked.
 */
static _Noreturn void
keep(int pipe, const char *dir)
{
	char byte;
	pid_t pid;

	/* Not with the test's group: ^C must not end the keeper first. */
	setpgid(0, 0);
	/* Nor must it hold open what the test believes to have closed. */
	dup2(pipe, KEEPER_FD);
	close_range(KEEPER_FD + 1, ~0U, 0);
	while (read(KEEPER_FD, &byte, 1) < 0 && errno == EINTR)
		;
	pid = read_pid(dir);
	if (pid > 0)
		kill(-pid, SIGKILL);
	_exit(0);
}

static void
start_keeper(struct server *server)
{
	int pipes[2];

	if (pipe2(pipes, O_CLOEXEC) < 0)
		test_broken("cannot make a pipe: %s", strerror(errno));
	server->keeper = fork();
	if (server->keeper < 0)
		test_broken("cannot fork: %s", strerror(errno));
	if (server->keeper == 0) {
		close(pipes[1]);
		keep(pipes[0], server->dir);
	}
	close(pipes[0]);
	server->alive = pipes[1];
}

static bool
accepts_connections(const char *path)
{
	struct sockaddr_un address = server_unix_address(path);
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

/* Returns when something listens at the server's socket path. */
static void
await_listener(const struct server *server, int watch)
{
	char events[4096];

	while (access(server->socket, F_OK) < 0)
		if (read(watch, events, sizeof(events)) < 0)
			test_broken("inotify: %s", strerror(errno));
	/* Between bind and listen there are only a few instructions. */
	while (!accepts_connections(server->socket))
		usleep(1000);
}

static void
run_daemon(const struct server *server, const char *config)
{
	CLEANUP_FREE char *pid_file = workdir_path(server->dir,
						   "nbd-server.pid");

	if (!process_run((const char *const[]){ "nbd-server", "-C", config,
						"-p", pid_file, NULL }))
		test_broken("nbd-server does not start");
}

void
nbd_server_start(struct server *server, const char *image, const char *options)
{
	nbd_server_start_with(server, image, options, "");
}

void
nbd_server_start_with(struct server *server, const char *image,
		      const char *options, const char *generic)
{
	CLEANUP_CLOSE int watch = inotify_init1(IN_CLOEXEC);
	CLEANUP_FREE char *config = NULL;

	test_require_program("nbd-server");
	*server = (struct server){ .alive = -1, .dir = workdir_make() };
	server->socket = workdir_path(server->dir, "socket");
	server_name_uri(server);
	config = make_config(server->dir, server->socket, image, options,
			     generic);
	if (inotify_add_watch(watch, server->dir, IN_CREATE) < 0)
		test_broken("inotify: %s", strerror(errno));
	start_keeper(server);
	run_daemon(server, config);
	await_listener(server, watch);
	server->pid = read_pid(server->dir);
}

void
nbd_server_kill(struct server *server)
{
	close(server->alive);
	server->alive = -1;
	process_wait(server->keeper);
	server->keeper = 0;
}
