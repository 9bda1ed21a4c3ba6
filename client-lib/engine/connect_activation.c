/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running a server the way systemd activates one: it finds a listening socket
 * at descriptor 3 and three variables that describe it. We then connect to
 * that socket; the kernel holds the connection until the server accepts it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/connect.h"
#include "client-lib/engine/handle.h"
#include "common/cleanup.h"

enum {
	ACTIVATION_FD = 3, /* where sd_listen_fds(3) looks first */
};

static const char pid_prefix[] = "LISTEN_PID=";

/* Is VARIABLE one of those that we set ourselves? */
static bool
is_activation_variable(const char *variable)
{
	static const char *const ours[] = { pid_prefix,
					    "LISTEN_FDS=", "LISTEN_FDNAMES=" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strncmp(variable, ours[i], strlen(ours[i])) == 0)
			return true;
	return false;
}

/* The child's environment. The first variable has room for a process number,
 * which only the child knows. */
static int
build_environment(struct string_list *environment, char *const *inherited,
		  const char *name)
{
	CLEANUP_FREE char *names = NULL;

	if (asprintf(&names, "LISTEN_FDNAMES=%s", name[0] ? name : "unknown") ==
	    -1) {
		names = NULL;
		return -1;
	}
	if (string_list_append(environment,
			       "LISTEN_PID=00000000000000000000") == -1 ||
	    string_list_append(environment, "LISTEN_FDS=1") == -1 ||
	    string_list_append(environment, names) == -1)
		return -1;
	for (; inherited && *inherited; inherited++)
		if (!is_activation_variable(*inherited) &&
		    string_list_append(environment, *inherited) == -1)
			return -1;
	return 0;
}

/* Writes the number after the prefix without calling anything. */
static void
write_pid(char *variable, pid_t pid)
{
	char digits[24];
	size_t n = 0;
	char *to = variable + sizeof(pid_prefix) - 1;

	do {
		digits[n++] = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid > 0);
	while (n > 0)
		*to++ = digits[--n];
	*to = '\0';
}

/* A unix socket in a directory of its own, listening; -1 and recorded. */
static int
listen_in_private(struct connect *connect)
{
	CLEANUP_FREE char *directory = strdup("/tmp/libnbdXXXXXX");
	CLEANUP_CLOSE int fd = -1;
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (!directory || !mkdtemp(directory))
		return fail(errno, "connect: mkdtemp: %s",
			    directory ? directory : "");
	connect->activation_directory = TAKE_PTR(directory);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock",
		 connect->activation_directory);

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return fail(errno, "connect: socket");
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) == -1)
		return fail(errno, "connect: bind: %s", address.sun_path);
	connect->activation_socket = strdup(address.sun_path);
	if (!connect->activation_socket)
		return fail(ENOMEM, "connect: copying the socket's path");
	if (listen(fd, SOMAXCONN) == -1)
		return fail(errno, "connect: listen: %s", address.sun_path);
	memcpy(&connect->address, &address, sizeof(address));
	connect->address_length = sizeof(address);
	return TAKE_FD(fd);
}

/* The child: the listening socket moves to where it is looked for. */
static _Noreturn void
run_child(int fd, const struct string_list *candidates, char *const *argv,
	  char **environment)
{
	signal(SIGPIPE, SIG_DFL);
	/* dup2() onto itself would keep close-on-exec. */
	if (fd == ACTIVATION_FD)
		fd = fcntl(fd, F_DUPFD_CLOEXEC, ACTIVATION_FD + 1);
	if (fd == -1 || dup2(fd, ACTIVATION_FD) == -1)
		_exit(126);
	write_pid(environment[0], getpid());
	command_exec(candidates, argv, environment);
}

/* Starts the server; the descriptor of the listener is only its own then. */
static int
start_server(struct nbd_handle *h, char **argv)
{
	CLEANUP(string_list_done) struct string_list candidates = { 0 };
	CLEANUP(string_list_done) struct string_list variables = { 0 };
	CLEANUP_FREE char **environment = NULL;
	CLEANUP_CLOSE int listener = -1;
	pid_t pid;

	if (argv[0][0] == '\0')
		return fail(ENOENT, "connect: the command has no name");
	if (command_candidates(&candidates, argv[0]) == -1)
		return -1;
	if (build_environment(
		    &variables, command_environment(h),
		    config_string(h->config.socket_activation_name)) == -1 ||
	    !(environment = string_list_vector(&variables)))
		return fail(ENOMEM, "connect: building the environment");
	listener = listen_in_private(&h->connect);
	if (listener == -1)
		return -1;
	pid = fork();
	if (pid == -1)
		return fail(errno, "connect: fork");
	if (pid == 0)
		run_child(listener, &candidates, argv, environment);
	h->connect.child = pid;
	h->connect.is_activated = true;
	return 0;
}

int
engine_connect_activation(struct nbd_handle *h, char **argv)
{
	if (start_server(h, argv) == -1)
		return (dead_as_recorded(h), -1);
	return engine_connect_sockaddr(
		h, (const struct sockaddr *)&h->connect.address,
		h->connect.address_length);
}
