/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connecting to the daemon, and connecting again. We connect the socket
 * ourselves and hand it to gRPC: so "no such socket", "nobody listens" and "you
 * may not" are told apart at once, and gRPC neither resolves nor reconnects.
 */
#include "proto/client.h"

#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/support/log.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "proto/call.h"
#include "proto/channel_args.h"
#include "proto/rpc_limits.h"

#define DEFAULT_ADDRESS "/run/nbd-clientd/nbd-clientd.sock"

/* A daemon that is stopped leaves its backlog full; connect() would wait. */
#define CONNECT_TIMEOUT_S 10

/* Between two attempts to connect again. */
#define PAUSE_MS 50

static pthread_once_t set_up_once = PTHREAD_ONCE_INIT;
static atomic_bool is_verbose;
static atomic_uint forks;

static void
log_or_not(gpr_log_func_args *args)
{
	if (atomic_load(&is_verbose))
		fprintf(stderr, "gRPC: %s (%s:%d)\n", args->message, args->file,
			args->line);
}

static void
count_fork(void)
{
	atomic_fetch_add(&forks, 1);
}

static void
set_up(void)
{
	gpr_set_log_function(log_or_not);
	/* With epoll, gRPC also wakes up each time that the daemon has read
	 * what it was sent. For one connection poll() is as good. */
	(void)setenv("GRPC_POLL_STRATEGY", "poll", 0);
	/* Without memory for the handler there is no guard, and no harm as
	 * long as nobody does what is forbidden. */
	(void)pthread_atfork(NULL, NULL, count_fork);
}

void
client_log_grpc(bool verbose)
{
	atomic_store(&is_verbose, verbose);
}

const char *
client_default_address(void)
{
	const char *address = getenv("NBDCTL_ADDRESS");

	return address && *address ? address : DEFAULT_ADDRESS;
}

bool
client_is_usable(const struct client *client, struct client_error *error)
{
	if (client->generation == atomic_load(&forks))
		return true;
	client_error_set(error, CLIENT_BROKEN, EINVAL,
			 "the connection to the daemon at %s was made before "
			 "fork(): the child must make its own",
			 client->address);
	return false;
}

static int
fail_connect(struct client_error *error, const char *address, int errnum)
{
	enum client_failure failure = CLIENT_NOT_REACHABLE;
	const char *hint = "start it with: systemctl start nbd-clientd.socket, "
			   "or say where it listens: --address, "
			   "NBDCTL_ADDRESS";
	const char *seen = strerror(errnum);

	switch (errnum) {
	case EACCES:
	case EPERM:
		failure = CLIENT_NOT_PERMITTED;
		hint = "the socket is open to root and to members of the group "
		       "nbd-clientd";
		break;
	case ENOENT:
		seen = "there is no such socket";
		break;
	case ECONNREFUSED:
		seen = "nobody listens on the socket";
		break;
	case EAGAIN:
		seen = "the daemon accepts no connections";
		hint = "is it stopped? systemctl status nbd-clientd says more";
		break;
	default:
		break;
	}
	client_error_set(error, failure, errnum,
			 "cannot connect to the daemon at %s: %s", address,
			 seen);
	snprintf(error->hint, sizeof(error->hint), "%s", hint);
	error->applied = NBDCLIENTD__V1__APPLIED__APPLIED_NO;
	return -errnum;
}

/* A connected socket, or a negative errno with *ERROR filled. */
static int
connect_socket(const char *path, struct client_error *error)
{
	const struct timeval timeout = { .tv_sec = CONNECT_TIMEOUT_S };
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	CLEANUP_CLOSE int fd = -1;

	if (strlen(path) >= sizeof(where.sun_path))
		return client_error_set(
			error, CLIENT_BROKEN, ENAMETOOLONG,
			"cannot connect to the daemon at %s: the path has more "
			"than %zu bytes, which is all a socket address can "
			"hold",
			path, sizeof(where.sun_path) - 1);
	memcpy(where.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return client_error_set(error, CLIENT_BROKEN, errno,
					"cannot make a socket: %s",
					strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout,
			 sizeof(timeout));
	if (connect(fd, (const struct sockaddr *)&where, sizeof(where)) < 0)
		return fail_connect(error, path, errno);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return client_error_set(error, CLIENT_BROKEN, errno,
					"cannot make the socket non-blocking: "
					"%s",
					strerror(errno));
	rpc_tune_socket(fd);
	return TAKE_FD(fd);
}

/* A channel on FD, which it owns from now on. */
static grpc_channel *
make_channel(const char *path, int fd)
{
	char no_retries[] = GRPC_ARG_ENABLE_RETRIES;
	grpc_arg args[RPC_CHANNEL_ARGS_MAX + 1];
	/* Replies to many small reads leave the daemon at once. */
	size_t n = rpc_channel_args(args, RPC_RESPONSE_MAX, RPC_WINDOW_WIDE);
	grpc_channel_credentials *none = grpc_insecure_credentials_create();
	grpc_channel *channel;

	args[n++] = (grpc_arg){ .type = GRPC_ARG_INTEGER,
				.key = no_retries,
				.value.integer = 0 };
	channel = grpc_channel_create_from_fd(
		path, fd, none,
		&(grpc_channel_args){ .num_args = n, .args = args });
	grpc_channel_credentials_release(none);
	return channel;
}

struct client *
client_connect(const char *address, struct client_error *error)
{
	const char *path = address ? address : client_default_address();
	struct client *client = NULL;
	CLEANUP_CLOSE int fd = -1;

	*error = (struct client_error){ 0 };
	pthread_once(&set_up_once, set_up);
	if (strncmp(path, "unix:", 5) == 0)
		path += 5;
	fd = connect_socket(path, error);
	if (fd < 0)
		return NULL;
	client = calloc(1, sizeof(*client));
	if (client) {
		list_init(&client->volumes);
		client->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		client->address = strdup(path);
		client->generation = atomic_load(&forks);
	}
	if (!client || client->fd < 0 || !client->address) {
		client_error_set(error, CLIENT_BROKEN, errno,
				 "cannot set up the client: %s",
				 strerror(errno));
		if (client && client->fd >= 0)
			close(client->fd);
		if (client)
			free(client->address);
		free(client);
		return NULL;
	}
	grpc_init();
	client->queue = grpc_completion_queue_create_for_next(NULL);
	client->channel = make_channel(path, TAKE_FD(fd));
	client->connected_at = gpr_now(GPR_CLOCK_MONOTONIC);
	return client;
}

void
client_set_patience(struct client *client, int timeout_ms)
{
	client->patience_ms = timeout_ms;
}

void
client_free(struct client *client)
{
	struct client_error ignored;

	if (!client)
		return;
	if (!client_is_usable(client, &ignored))
		return;
	grpc_channel_destroy(client->channel);
	grpc_completion_queue_shutdown(client->queue);
	while (client_run_once(client, gpr_inf_future(GPR_CLOCK_MONOTONIC)))
		;
	grpc_completion_queue_destroy(client->queue);
	grpc_shutdown();
	close(client->fd);
	client_forget_volumes(client);
	free(client->address);
	free(client);
}

void
client_interrupt(struct client *client)
{
	int saved = errno;

	atomic_store(&client->is_interrupted, true);
	/* gRPC sees the end of the connection and ends every call. */
	(void)shutdown(client->fd, SHUT_RDWR);
	errno = saved;
}

/* Not at once again after the last time: who accepts and closes at once would
 * be asked without end. */
static void
pause_between(const struct client *client)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
	gpr_timespec due = gpr_time_add(
		client->connected_at,
		gpr_time_from_millis(PAUSE_MS, GPR_TIMESPAN));

	if (gpr_time_cmp(gpr_now(GPR_CLOCK_MONOTONIC), due) < 0)
		nanosleep(&pause, NULL);
}

/* A new socket, as soon as there is somebody to connect to. */
static int
connect_patiently(struct client *client, gpr_timespec until,
		  struct client_error *error)
{
	for (;;) {
		int fd;

		pause_between(client);
		if (atomic_load(&client->is_interrupted))
			return client_error_set(error, CLIENT_INTERRUPTED,
						ECANCELED,
						"waiting for the daemon at %s "
						"was interrupted",
						client->address);
		client->connected_at = gpr_now(GPR_CLOCK_MONOTONIC);
		fd = connect_socket(client->address, error);
		/* Who could connect once may be refused while the socket is
		 * being made anew. */
		if (fd >= 0 || error->failure == CLIENT_BROKEN ||
		    gpr_time_cmp(client->connected_at, until) >= 0)
			return fd;
	}
}

int
client_reconnect(struct client *client, unsigned epoch, gpr_timespec until,
		 struct client_error *error)
{
	int fd;

	if (client->epoch != epoch)
		return 0;
	fd = connect_patiently(client, until, error);
	if (fd < 0)
		return fd;
	/* Under the old number, which a signal handler may be using. */
	if (dup3(fd, client->fd, O_CLOEXEC) < 0) {
		int errnum = errno;

		close(fd);
		return client_error_set(error, CLIENT_BROKEN, errnum,
					"cannot set up the client: %s",
					strerror(errnum));
	}
	grpc_channel_destroy(client->channel);
	client->channel = make_channel(client->address, fd);
	client->epoch++;
	if (atomic_load(&client->is_interrupted))
		client_interrupt(client);
	return 0;
}
