/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Listening and accepting. A process out of descriptors does not stop
 * listening: it looks again after a pause.
 */
#include "daemon/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/strings.h"
#include "daemon/core/log.h"
#include "daemon/unit_job.h"

/* Members may connect to a socket of our own making. */
#define SOCKET_GROUP "nbd-clientd"
/* In systemd's file-descriptor store. */
#define STORED_NAME "nbd-clientd-listener"
#define BACKLOG     256
/* Accepted in a row before other events get their turn. */
#define BATCH      32
#define PAUSE_US   100000
#define MAX_GROUPS 65536

struct listener {
	int fd;
	/* Our own socket, to be removed; else NULL. */
	char *path;
	/* systemd keeps it for the next one of us, with whoever connects
	 * meanwhile; but not beyond a stop. */
	bool is_stored;
	listener_callback *on_accept;
	void *user;
	sd_event_source *source;
	sd_event_source *pause;
};

/* The supplementary groups of the peer, in memory that the caller frees. */
static int
get_groups(int fd, gid_t **groups, size_t *n)
{
	socklen_t size = 64 * sizeof(gid_t);

	for (;;) {
		gid_t *list = malloc(size);

		if (!list)
			return -ENOMEM;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &size) ==
		    0) {
			*groups = list;
			*n = size / sizeof(gid_t);
			return 0;
		}
		free(list);
		/* ERANGE comes with the size that it takes. */
		if (errno != ERANGE || size > MAX_GROUPS * sizeof(gid_t))
			return -errno;
	}
}

static int
identify(int fd, struct client_identity *identity, gid_t **groups)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	r = get_groups(fd, groups, &identity->n_groups);
	if (r < 0)
		return r;
	identity->pid = peer.pid;
	identity->uid = peer.uid;
	identity->gid = peer.gid;
	identity->groups = *groups;
	return 0;
}

static void
welcome(struct listener *listener, int fd)
{
	struct client_identity identity = { 0 };
	CLEANUP_FREE gid_t *groups = NULL;
	int r = identify(fd, &identity, &groups);

	if (r < 0) {
		log_warning("a client is turned away, because the kernel does "
			    "not say who it is: %s",
			    strerror(-r));
		close(fd);
		return;
	}
	listener->on_accept(listener->user, fd, &identity);
}

static void
pause_accepting(struct listener *listener)
{
	log_warning("cannot accept a client: %s; trying again shortly",
		    strerror(errno));
	sd_event_source_set_enabled(listener->source, SD_EVENT_OFF);
	sd_event_source_set_time_relative(listener->pause, PAUSE_US);
	sd_event_source_set_enabled(listener->pause, SD_EVENT_ONESHOT);
}

static int
on_pause_over(sd_event_source *source, uint64_t time, void *user)
{
	struct listener *listener = user;

	(void)source;
	(void)time;
	sd_event_source_set_enabled(listener->source, SD_EVENT_ON);
	return 0;
}

static bool
is_of_the_client(int errnum)
{
	return errnum == ECONNABORTED || errnum == EINTR || errnum == EPROTO;
}

static int
on_connection(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct listener *listener = user;

	(void)source;
	(void)events;
	for (int i = 0; i < BATCH; i++) {
		int client = accept4(fd, NULL, NULL,
				     SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (client >= 0) {
			welcome(listener, client);
		} else if (errno == EAGAIN) {
			break;
		} else if (!is_of_the_client(errno)) {
			pause_accepting(listener);
			break;
		}
	}
	return 0;
}

/* Somebody answers at PATH? */
static bool
is_in_use(const struct sockaddr_un *address)
{
	CLEANUP_CLOSE int fd = socket(
		AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && (connect(fd, (const struct sockaddr *)address,
				   sizeof(*address)) == 0 ||
			   errno == EAGAIN);
}

static int
remove_stale(const struct sockaddr_un *address)
{
	struct stat status;

	if (lstat(address->sun_path, &status) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	if (is_in_use(address))
		return -EADDRINUSE;
	return unlink(address->sun_path) < 0 ? -errno : 0;
}

static void
give_to_group(const char *path)
{
	const struct group *group = getgrnam(SOCKET_GROUP);

	if (group && chown(path, (uid_t)-1, group->gr_gid) < 0)
		log_debug("%s stays with our own group: %s", path,
			  strerror(errno));
}

static int
bind_own(struct listener *listener, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	r = remove_stale(&address);
	if (r < 0)
		return r;
	listener->fd = socket(AF_UNIX,
			      SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0 ||
	    bind(listener->fd, (const struct sockaddr *)&address,
		 sizeof(address)) < 0)
		return -errno;
	if (string_replace(&listener->path, path) < 0)
		return -ENOMEM;
	give_to_group(path);
	if (chmod(path, 0660) < 0 || listen(listener->fd, BACKLOG) < 0)
		return -errno;
	return 0;
}

static void
free_names(char **names)
{
	for (char **name = names; name && *name; name++)
		free(*name);
	free(names);
}

/* systemd passes its sockets in blocking mode. */
static int
make_non_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

/* The only one passed is the one that we put into systemd's store before the
 * last restart. */
static bool
is_from_store(char **names)
{
	return names && names[0] && strcmp(names[0], STORED_NAME) == 0;
}

/* From the store, but Listen= has another path by now. */
static void
forget_stored(void)
{
	sd_notify(false, "FDSTOREREMOVE=1\nFDNAME=" STORED_NAME);
	close(SD_LISTEN_FDS_START);
}

/* 1: systemd passed a socket; 0: it did not. */
static int
take_passed(struct listener *listener, const char *path, char **why)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(true, &names);
	bool is_stored = is_from_store(names);

	free_names(names);
	if (n <= 0)
		return n;
	if (n > 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1,
				       NULL, 0) <= 0) {
		if (asprintf(why,
			     "systemd passed %d descriptors; one listening "
			     "unix stream socket is expected",
			     n) < 0)
			*why = NULL;
		return -EINVAL;
	}
	if (is_stored && sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1,
					   path, 0) <= 0) {
		forget_stored();
		return 0;
	}
	listener->fd = SD_LISTEN_FDS_START;
	listener->is_stored = is_stored;
	if (is_stored && string_replace(&listener->path, path) < 0)
		return -ENOMEM;
	n = make_non_blocking(listener->fd);
	return n < 0 ? n : 1;
}

/* So that a restart of ours does not turn anybody away: clients that connect
 * meanwhile wait in the socket, which stays where it is. */
static void
store(struct listener *listener)
{
	listener->is_stored = sd_pid_notify_with_fds(0, false,
						     "FDSTORE=1\n"
						     "FDNAME=" STORED_NAME,
						     &listener->fd, 1) > 0;
}

static int
open_socket(struct listener *listener, const char *path, char **why)
{
	int r = take_passed(listener, path, why);

	if (r != 0)
		return r;
	r = bind_own(listener, path);
	if (r >= 0)
		store(listener);
	if (r < 0 &&
	    asprintf(why, "cannot listen at %s: %s%s", path, strerror(-r),
		     r == -EADDRINUSE ? "; is nbd-clientd running already?"
				      : "") < 0)
		*why = NULL;
	return r;
}

static int
watch(struct listener *listener, sd_event *event)
{
	int r = sd_event_add_io(event, &listener->source, listener->fd, EPOLLIN,
				on_connection, listener);

	if (r < 0)
		return r;
	r = sd_event_add_time_relative(event, &listener->pause, CLOCK_MONOTONIC,
				       0, 0, on_pause_over, listener);
	if (r < 0)
		return r;
	return sd_event_source_set_enabled(listener->pause, SD_EVENT_OFF);
}

int
listener_new(struct listener **result, sd_event *event, const char *path,
	     listener_callback *on_accept, void *user, char **why)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	int r;

	*why = NULL;
	if (!listener)
		return -ENOMEM;
	listener->fd = -1;
	listener->on_accept = on_accept;
	listener->user = user;
	r = open_socket(listener, path, why);
	if (r >= 0)
		r = watch(listener, event);
	if (r < 0) {
		listener_free(listener);
		return r;
	}
	*result = listener;
	return 0;
}

void
listener_free(struct listener *listener)
{
	if (!listener)
		return;
	sd_event_source_disable_unref(listener->source);
	sd_event_source_disable_unref(listener->pause);
	if (listener->path && (!listener->is_stored || unit_is_being_stopped()))
		unlink(listener->path);
	if (listener->fd >= 0)
		close(listener->fd);
	free(listener->path);
	free(listener);
}
