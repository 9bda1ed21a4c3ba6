/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a session: a connection and a queue of its own. It is freed
 * behind every message to it, once the caller has closed it and the connection
 * is gone.
 */
#include "daemon/core/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/core/access.h"
#include "daemon/core/check.h"
#include "daemon/core/client.h"
#include "daemon/core/daemon_private.h"
#include "daemon/core/session_private.h"
#include "daemon/core/user.h"
#include "daemon/core/volume_private.h"

#define IN_FLIGHT_LIMIT 64

static void
on_release(struct message *message)
{
	struct session *session = container_of(message, struct session,
					       release);
	struct daemon *daemon = session->daemon;

	target_done(&session->target);
	endpoint_unref(session->endpoint);
	string_list_done(&session->contexts);
	session->client->sessions--;
	user_remove_session(session->client);
	client_unref(session->client);
	free(session);
	daemon_release(daemon);
}

/* Frees the session if nothing holds it any more. */
void
session_consider_release(struct session *session)
{
	if (!session->may_be_freed || session->connection ||
	    !target_is_idle(&session->target) || session->is_released)
		return;
	session->is_released = true;
	session->on_closed(session->user);
	/* Behind messages that are on their way. */
	loop_send(session->loop, &session->release);
}

static void
on_idle(struct request_target *target)
{
	struct session *session = container_of(target, struct session, target);

	if (session->is_aborting)
		session_disconnect(session);
	session_consider_release(session);
}

static bool
is_uri(const char *target)
{
	return strstr(target, "://");
}

static int
find_volume_endpoint(struct session *session, const char *name,
		     struct failure *failure)
{
	struct volume *volume = volume_find(session->daemon, name,
					    session->client);

	if (!volume) {
		failure_set(failure, ENOENT, FAILURE_UNKNOWN_VOLUME,
			    "there is no volume '%s'", name);
		failure_set_hint(failure, "nbdctl volume ls lists them.");
		return -ENOENT;
	}
	session->endpoint = endpoint_ref(volume->pool.endpoints[0]);
	session->target.is_read_only = volume->settings->is_read_only;
	session->may_write = volume_may_write(volume, session->client);
	volume_unref(volume);
	return 0;
}

static int
make_endpoint(struct session *session, const struct daemon_settings *settings,
	      const char *uri, struct failure *failure)
{
	if (!access_may_open_ad_hoc(settings, session->client)) {
		failure_set(failure, EPERM, FAILURE_PERMISSION,
			    "user %d may not name NBD servers by URI",
			    (int)session->client->uid);
		failure_set_hint(failure, "An administrator can allow it with "
					  "AdHocUsers=.");
		return -EPERM;
	}
	session->endpoint = endpoint_new_ad_hoc(uri,
						settings->ad_hoc_transports);
	if (!session->endpoint)
		return failure_set(failure, ENOMEM, FAILURE_LIMIT,
				   "out of memory");
	return 0;
}

static void
session_init(struct session *session, uint64_t deadline,
	     const struct daemon_settings *settings)
{
	session->loop = daemon_choose_loop(session->daemon);
	target_init(&session->target, session->loop, NULL);
	session->target.in_flight_limit = IN_FLIGHT_LIMIT;
	session->target.request_timeout = settings->request_timeout;
	session->target.slow_request = settings->slow_request;
	session->target.on_idle = on_idle;
	session->default_timeout = settings->request_timeout;
	session->connect_deadline =
		deadline ? deadline : clock_now() + settings->connect_timeout;
	session->start.run = session_on_start;
	session->close.run = session_on_close;
	session->release.run = on_release;
	session->no_memory.run = session_on_no_memory;
}

static void
uncount_session(struct client *client)
{
	client->sessions--;
	user_remove_session(client);
}

static int
count_session(struct client *client, const struct daemon_settings *settings,
	      struct failure *failure)
{
	int r = user_add_session(client, settings, failure);

	if (r < 0)
		return r;
	if (client->sessions++ < settings->max_sessions)
		return 0;
	uncount_session(client);
	return failure_set(failure, EUSERS, FAILURE_LIMIT,
			   "%u sessions are open already, which is all that "
			   "one client may have",
			   settings->max_sessions);
}

static struct session *
session_new(struct daemon *daemon, struct client *client, const char *target,
	    uint64_t deadline, const struct daemon_settings *settings,
	    struct failure *failure)
{
	struct session *session;
	int r;

	if (count_session(client, settings, failure) < 0)
		return NULL;
	session = calloc(1, sizeof(*session));
	if (!session) {
		uncount_session(client);
		failure_set(failure, ENOMEM, FAILURE_LIMIT, "out of memory");
		return NULL;
	}
	session->daemon = daemon;
	session->client = client_ref(client);
	session_init(session, deadline, settings);
	session->may_write = true;
	r = is_uri(target) ? make_endpoint(session, settings, target, failure)
			   : find_volume_endpoint(session, target, failure);
	if (r < 0) {
		uncount_session(client);
		client_unref(client);
		free(session);
		return NULL;
	}
	session->target.name = session->endpoint->uri;
	return session;
}

struct session *
session_open(struct daemon *daemon, struct client *client, const char *target,
	     uint64_t deadline, session_callback *on_event, void *user,
	     struct failure *failure)
{
	struct configuration *configuration;
	struct session *session;

	if (daemon->is_draining) {
		failure_set(failure, ESHUTDOWN, FAILURE_BUSY,
			    "the daemon is shutting down");
		return NULL;
	}
	configuration = daemon_configuration(daemon);
	session = session_new(daemon, client, target, deadline,
			      &configuration->daemon, failure);
	configuration_unref(configuration);
	if (!session)
		return NULL;
	session->on_event = on_event;
	session->user = user;
	daemon_hold(daemon);
	loop_send(session->loop, &session->start);
	return session;
}

static void
on_request(struct message *message)
{
	struct request *request = container_of(message, struct request,
					       message);
	struct session *session = container_of(request->target, struct session,
					       target);

	if (!session->target.has_export && !session->target.is_closed) {
		failure_set(&request->failure, EINVAL, FAILURE_INVALID,
			    "%s: the export is not open yet; `go` comes first",
			    request_command_name(request->command));
		target_refuse(&session->target, request);
		return;
	}
	target_submit(&session->target, request);
}

void
session_submit(struct session *session, struct request *request)
{
	request->target = &session->target;
	request->times = (struct request_times){ .arrived = clock_now() };
	request->n_parts = 0;
	request->message.run = on_request;
	if (request_command_writes(request->command) && !session->may_write) {
		failure_set(&request->failure, EPERM, FAILURE_PERMISSION,
			    "%s: read-only for this caller",
			    request_command_name(request->command));
		buffer_release(&request->payload);
		request->on_done(request);
		return;
	}
	if (user_charge(request) < 0) {
		buffer_release(&request->payload);
		request->on_done(request);
		return;
	}
	loop_send(session->loop, &request->message);
}

void
session_close(struct session *session, void (*on_closed_callback)(void *user))
{
	session->is_closed = true;
	session->on_closed = on_closed_callback;
	loop_send(session->loop, &session->close);
}
