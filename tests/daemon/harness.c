/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running the daemon and its servers for a test. */
#include "tests/daemon/harness.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/support/outcome.h"
#include "tests/support/pattern.h"
#include "tests/support/process.h"
#include "tests/support/server.h"
#include "tests/support/workdir.h"

#define PATIENCE_MS 30000

static void
make_directory(const char *dir, const char *name)
{
	CLEANUP_FREE char *path = workdir_path(dir, name);

	if (mkdir(path, 0700) < 0)
		test_broken("cannot make %s: %s", path, strerror(errno));
}

/* Replaces a file as an operator would, so that none is ever half written. */
static void
put_file(const char *dir, const char *name, const char *text)
{
	CLEANUP_FREE char *temporary = workdir_text_file(dir, "new", text);
	CLEANUP_FREE char *path = workdir_path(dir, name);

	if (rename(temporary, path) < 0)
		test_broken("cannot write %s: %s", path, strerror(errno));
}

void
daemon_prepare(struct daemon_process *daemon, const char *settings)
{
	CLEANUP_FREE char *text = NULL;

	*daemon = (struct daemon_process){ .notify_fd = -1 };
	daemon->dir = workdir_make();
	daemon->config = workdir_path(daemon->dir, "nbd-clientd.conf");
	daemon->address = workdir_path(daemon->dir, "daemon.sock");
	make_directory(daemon->dir, "volumes.d");
	if (asprintf(&text, "[Daemon]\nListen=%s\n%s", daemon->address,
		     settings) < 0)
		test_broken("out of memory");
	put_file(daemon->dir, "nbd-clientd.conf", text);
}

static char *
volume_file(const char *name)
{
	char *path;

	if (asprintf(&path, "volumes.d/%s.conf", name) < 0)
		test_broken("out of memory");
	return path;
}

void
daemon_put_volume(struct daemon_process *daemon, const char *name,
		  const char *format, ...)
{
	CLEANUP_FREE char *file = volume_file(name);
	CLEANUP_FREE char *lines = NULL, *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&lines, format, args) < 0 ||
	    asprintf(&text, "[Volume]\n%s", lines) < 0)
		test_broken("out of memory");
	va_end(args);
	put_file(daemon->dir, file, text);
}

void
daemon_remove_volume_file(struct daemon_process *daemon, const char *name)
{
	CLEANUP_FREE char *file = volume_file(name);
	CLEANUP_FREE char *path = workdir_path(daemon->dir, file);

	if (unlink(path) < 0)
		test_broken("cannot remove %s: %s", path, strerror(errno));
}

static void
open_notify_socket(struct daemon_process *daemon)
{
	CLEANUP_FREE char *path = workdir_path(daemon->dir, "notify");
	struct sockaddr_un address = server_unix_address(path);

	daemon->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unlink(path);
	if (daemon->notify_fd < 0 ||
	    bind(daemon->notify_fd, (struct sockaddr *)&address,
		 sizeof(address)) < 0)
		test_broken("cannot make %s: %s", path, strerror(errno));
	setenv("NOTIFY_SOCKET", path, 1);
}

void
daemon_launch(struct daemon_process *daemon)
{
	const char *program = getenv("NBD_CLIENTD");
	CLEANUP_FREE char *option = NULL;

	if (!program)
		test_broken("NBD_CLIENTD names no program");
	if (asprintf(&option, "--config=%s", daemon->config) < 0)
		test_broken("out of memory");
	open_notify_socket(daemon);
	daemon->pid = process_start(
		(const char *[]){ program, option, "--log-level=debug", NULL },
		-1);
	unsetenv("NOTIFY_SOCKET");
	daemon_await(daemon, "READY=1");
}

/* Takes what was told up to and with a line that begins with TEXT. */
static bool
take_told(struct daemon_process *daemon, const char *text)
{
	char *line = daemon->told;

	while (line) {
		char *next = strchr(line, '\n');

		if (strncmp(line, text, strlen(text)) == 0) {
			char *rest = next ? strdup(next + 1) : NULL;

			free(daemon->told);
			daemon->told = rest;
			return true;
		}
		line = next ? next + 1 : NULL;
	}
	return false;
}

static void
hear(struct daemon_process *daemon)
{
	struct pollfd poll_fd = { .fd = daemon->notify_fd, .events = POLLIN };
	char datagram[4096];
	char *all;
	ssize_t n;

	if (poll(&poll_fd, 1, PATIENCE_MS) <= 0)
		test_broken("the daemon says nothing more; it said: %s",
			    daemon->told ? daemon->told : "nothing");
	n = recv(daemon->notify_fd, datagram, sizeof(datagram), 0);
	if (n < 0)
		test_broken("recv: %s", strerror(errno));
	if (asprintf(&all, "%s%.*s\n", daemon->told ? daemon->told : "", (int)n,
		     datagram) < 0)
		test_broken("out of memory");
	free(daemon->told);
	daemon->told = all;
}

void
daemon_await(struct daemon_process *daemon, const char *text)
{
	while (!take_told(daemon, text))
		hear(daemon);
}

/* A daemon that has told more than a socket holds waits until it is heard. */
static void
hear_until_end(struct daemon_process *daemon)
{
	CLEANUP_CLOSE int process = pidfd_open(daemon->pid, 0);
	struct pollfd poll_fds[] = {
		{ .fd = process, .events = POLLIN },
		{ .fd = daemon->notify_fd, .events = POLLIN },
	};

	if (process < 0)
		test_broken("pidfd_open: %s", strerror(errno));
	while (poll(poll_fds, 2, -1) > 0 && !poll_fds[0].revents)
		hear(daemon);
}

void
daemon_terminate(struct daemon_process *daemon)
{
	int status;

	process_signal(daemon->pid, SIGTERM);
	hear_until_end(daemon);
	status = process_wait(daemon->pid);
	daemon->pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "the daemon ended with wait status 0x%x\n",
			status);
		exit(1);
	}
}

void
daemon_cleanup(struct daemon_process *daemon)
{
	process_kill(daemon->pid);
	if (daemon->notify_fd >= 0)
		close(daemon->notify_fd);
	workdir_remove(daemon->dir);
	free(daemon->config);
	free(daemon->address);
	free(daemon->told);
}

struct client *
daemon_connect(const struct daemon_process *daemon)
{
	struct client_error error;
	struct client *client = client_connect(daemon->address, &error);

	if (!client)
		test_broken("%s", error.message);
	return client;
}

void
cleanup_client(struct client **client)
{
	client_free(*client);
}

Nbdclientd__V1__Volume *
daemon_volume(struct client *client, const char *name)
{
	Nbdclientd__V1__GetVolumeRequest request =
		NBDCLIENTD__V1__GET_VOLUME_REQUEST__INIT;
	struct client_error error;
	CLEANUP_FREE char *copy = strdup(name);
	void *volume;

	request.name = copy;
	volume = client_call(client, RPC_VOLUMES_GET_VOLUME, &request,
			     PATIENCE_MS, &error);
	if (!volume) {
		fprintf(stderr, "GetVolume %s: %s\n", name, error.message);
		exit(1);
	}
	return volume;
}

bool
volume_is_ready(const Nbdclientd__V1__Volume *volume)
{
	return volume->state ==
	       NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_READY;
}

void
daemon_await_volume(struct client *client, const char *name,
		    bool (*condition)(const Nbdclientd__V1__Volume *volume))
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	for (int i = 0; i < PATIENCE_MS / 20; i++) {
		Nbdclientd__V1__Volume *volume = daemon_volume(client, name);
		bool holds = condition(volume);

		codec_message_free(volume);
		if (holds)
			return;
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "volume %s does not come to the awaited state\n", name);
	exit(1);
}

static void
reborn_listen(struct reborn_server *server)
{
	struct sockaddr_un address = server_unix_address(server->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlink(server->socket);
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 64) < 0)
		test_broken("cannot listen at %s: %s", server->socket,
			    strerror(errno));
	server->pid = process_start(server->argv, fd);
	close(fd);
}

void
reborn_start(struct reborn_server *server, const char *const argv[])
{
	test_require_program(argv[0]);
	*server = (struct reborn_server){ .dir = workdir_make(), .argv = argv };
	server->socket = workdir_path(server->dir, "socket");
	reborn_listen(server);
}

void
reborn_kill(struct reborn_server *server)
{
	process_kill(server->pid);
	server->pid = 0;
}

void
reborn_restart(struct reborn_server *server)
{
	reborn_kill(server);
	reborn_listen(server);
}

void
reborn_cleanup(struct reborn_server *server)
{
	reborn_kill(server);
	workdir_remove(server->dir);
	free(server->socket);
}

struct load_request {
	struct channel_request request;
	struct load *load;
};

static void submit_next(struct load_request *slot);

static void
check_read(struct load *load, const struct channel_request *request,
	   const struct io_reply *reply)
{
	if (reply->data.length != load->block ||
	    pattern_mismatch(reply->data.bytes, load->block, load->seed,
			     request->io.offset) != load->block)
		load->n_wrong++;
}

static void
on_reply(struct channel_request *request, struct io_reply *reply,
	 const struct client_error *error)
{
	struct load_request *slot = request->user;
	struct load *load = slot->load;

	if (error && load->n_failed++ == 0)
		load->first_error = *error;
	if (reply && load->command == NBDCLIENTD__V1__COMMAND__COMMAND_READ)
		check_read(load, request, reply);
	load->n_done++;
	if (load->midway && load->n_done == load->midway_at)
		load->midway(load->user);
	submit_next(slot);
}

static void
submit_next(struct load_request *slot)
{
	struct load *load = slot->load;
	struct channel_request *request = &slot->request;
	void *bytes;

	if (load->next >= load->size)
		return;
	*request = (struct channel_request){
		.io.command = load->command,
		.io.offset = load->next,
		.io.length = load->block,
		.io.timeout_ms = load->timeout_ms,
		.on_reply = on_reply,
		.user = slot,
	};
	if (load->command == NBDCLIENTD__V1__COMMAND__COMMAND_WRITE) {
		request->io.data = payload_allocate(load->block, &bytes);
		pattern_fill(bytes, load->block, load->seed, load->next);
	}
	load->next += load->block;
	channel_submit(load->channel, request);
}

void
load_run(struct load *load)
{
	struct load_request *slots = calloc(load->depth, sizeof(*slots));

	if (!slots)
		test_broken("out of memory");
	for (unsigned i = 0; i < load->depth; i++) {
		slots[i].load = load;
		submit_next(&slots[i]);
	}
	while (channel_pending(load->channel) > 0)
		if (channel_wait(load->channel, 4 * PATIENCE_MS) == 0) {
			fprintf(stderr, "no reply for two minutes\n");
			exit(1);
		}
	free(slots);
}
