/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sessions: a connection and a queue of its own. Steps arrive as messages and
 * are carried out on the session's loop. The session is freed behind every
 * message to it, once the caller has closed it and the connection is gone.
 */
#include "daemon/core/session.h"

#include <errno.h>
#include <libnbd.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/core/access.h"
#include "daemon/core/check.h"
#include "daemon/core/client.h"
#include "daemon/core/connection.h"
#include "daemon/core/daemon_private.h"
#include "daemon/core/target.h"
#include "daemon/core/volume_private.h"

#define IN_FLIGHT_LIMIT 64

enum step_kind {
	STEP_NONE,
	STEP_CONNECT,
	STEP_LIST,
	STEP_INFO,
	STEP_LIST_CONTEXTS,
	STEP_SET_CONTEXTS,
	STEP_GO,
	STEP_ABORT,
};

/* One call of session_list() and so on, on its way to the loop. */
struct session_step {
	struct message message;
	struct session *session;
	enum step_kind kind;
	/* NULL: the one that the target names. */
	char *export;
	struct string_list contexts;
	uint64_t deadline;
};

struct session {
	struct daemon *daemon;
	struct loop *loop;
	struct client *client;
	struct endpoint *endpoint;
	session_callback *on_event;
	void *user;
	uint64_t connect_deadline;
	uint64_t default_timeout;
	bool may_write;
	/* The caller wants no more events. */
	atomic_bool is_closed;

	/* On the loop's thread. */
	struct connection *connection;
	struct request_target target;
	struct string_list contexts;
	enum step_kind step;
	bool is_aborting;
	bool may_be_freed;
	bool is_released;
	void (*on_closed)(void *user);
	struct message start;
	struct message close;
	struct message release;
	/* A step could not be carried here. */
	struct message no_memory;
	atomic_bool has_no_memory;
};

static void
emit(struct session *session, struct session_event *event)
{
	session->step = STEP_NONE;
	if (session->is_closed)
		return;
	if (session->connection)
		event->protocol = session->connection->protocol;
	session->on_event(session, event, session->user);
}

static void
emit_failure(struct session *session, enum session_event_kind kind,
	     const struct failure *failure)
{
	emit(session,
	     &(struct session_event){ .kind = kind, .failure = failure });
}

static const char *
step_name(enum step_kind kind)
{
	switch (kind) {
	case STEP_NONE:
		break;
	case STEP_CONNECT:
		return "connecting";
	case STEP_LIST:
		return "listing exports";
	case STEP_INFO:
		return "asking for an export";
	case STEP_LIST_CONTEXTS:
		return "listing metadata contexts";
	case STEP_SET_CONTEXTS:
		return "setting metadata contexts";
	case STEP_GO:
		return "opening the export";
	case STEP_ABORT:
		return "aborting";
	}
	return "negotiating";
}

static enum failure_reason
reason_of(int errnum)
{
	if (errnum == ENOENT)
		return FAILURE_UNKNOWN_EXPORT;
	if (errnum == ENOTSUP)
		return FAILURE_NOT_SUPPORTED;
	return errnum == EINVAL ? FAILURE_INVALID : FAILURE_NBD;
}

/* The step is refused; negotiation goes on. */
static void
refuse(struct session *session, enum step_kind kind, int errnum,
       const char *text)
{
	struct failure failure = { 0 };

	failure_set(&failure, errnum, reason_of(errnum), "%s at %s: %s",
		    step_name(kind), session->endpoint->uri, text);
	failure_set_place(&failure, NULL, session->endpoint->uri);
	emit_failure(session, SESSION_REFUSED, &failure);
	failure_done(&failure);
}

static void
refuse_by_library(struct session *session, enum step_kind kind)
{
	const char *text = nbd_get_error();

	refuse(session, kind, nbd_get_errno() ? nbd_get_errno() : EINVAL,
	       text ? text : "refused");
}

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
	client_unref(session->client);
	free(session);
	daemon_release(daemon);
}

/* Frees the session if nothing holds it any more. */
static void
consider_release(struct session *session)
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
fail_requests(struct session *session, const struct failure *why)
{
	target_close(&session->target, why);
	target_fail_all(&session->target, why);
}

static void
leave_connection(struct session *session)
{
	struct connection *connection = session->connection;

	if (!list_is_empty(&connection->link))
		target_remove_connection(&session->target, connection);
	session->connection = NULL;
	connection_free(connection);
}

static void
on_lost(struct connection *connection, const struct failure *failure)
{
	struct session *session = connection->user;

	leave_connection(session);
	fail_requests(session, failure);
	emit_failure(session, SESSION_LOST, failure);
	consider_release(session);
}

static void
on_closed(struct connection *connection)
{
	struct session *session = connection->user;

	leave_connection(session);
	if (session->is_aborting)
		emit(session,
		     &(struct session_event){ .kind = SESSION_ABORTED });
	consider_release(session);
}

static void
on_negotiating(struct connection *connection)
{
	struct session *session = connection->user;

	connection_clear_deadline(connection);
	emit(session, &(struct session_event){ .kind = SESSION_CONNECTED });
}

static void
emit_info(struct session *session, enum session_event_kind kind)
{
	CLEANUP(export_info_done) struct export_info info = { 0 };

	if (connection_describe_export(session->connection, &info) < 0) {
		refuse(session, session->step, ENOMEM, "out of memory");
		return;
	}
	emit(session, &(struct session_event){
			      .kind = kind,
			      .exports = &info,
			      .n_exports = 1,
		      });
}

static void
emit_results(struct session *session)
{
	struct connection *connection = session->connection;
	struct listing *listing = &connection->listing;

	if (session->step == STEP_INFO) {
		emit_info(session, SESSION_INFO);
		return;
	}
	emit(session,
	     &(struct session_event){
		     .kind = session->step == STEP_LIST ? SESSION_LISTED
							: SESSION_CONTEXTS,
		     .exports = listing->exports,
		     .n_exports = listing->n_exports,
		     .is_truncated = listing->is_truncated,
		     .contexts = &listing->contexts,
	     });
}

static void
on_option(struct connection *connection, int errnum)
{
	struct session *session = connection->user;

	connection_clear_deadline(connection);
	if (errnum)
		refuse(session, session->step, errnum, strerror(errnum));
	else
		emit_results(session);
}

/* The export is open: requests may come. */
static void
serve(struct session *session)
{
	CLEANUP(export_info_done) struct export_info info = { 0 };

	if (connection_describe_export(session->connection, &info) < 0 ||
	    target_set_export(&session->target, &info) < 0) {
		connection_lose(session->connection,
				&(struct failure){ .errnum = ENOMEM });
		return;
	}
	session->connection->patience = session->default_timeout;
	target_add_connection(&session->target, session->connection);
	emit_info(session, SESSION_GONE);
}

static void
on_ready(struct connection *connection)
{
	struct session *session = connection->user;

	/* A server without option negotiation is ready when we connect; the
	 * caller says go nevertheless. */
	if (session->step == STEP_GO)
		serve(session);
	else
		emit(session,
		     &(struct session_event){ .kind = SESSION_CONNECTED });
}

static void
on_part(struct connection *connection, struct part *part,
	enum part_outcome outcome, const char *text)
{
	struct session *session = connection->user;

	target_on_part(&session->target, part, outcome, text);
}

static const struct connection_owner owner = {
	.on_negotiating = on_negotiating,
	.on_option = on_option,
	.on_ready = on_ready,
	.on_part = on_part,
	.on_lost = on_lost,
	.on_closed = on_closed,
};

static void
disconnect(struct session *session)
{
	struct connection *connection = session->connection;

	if (!connection)
		return;
	if (connection->phase == PHASE_CLOSING)
		return;
	if (!list_is_empty(&connection->link))
		target_remove_connection(&session->target, connection);
	connection_close(connection);
}

static void
on_idle(struct request_target *target)
{
	struct session *session = container_of(target, struct session, target);

	if (session->is_aborting)
		disconnect(session);
	consider_release(session);
}

static void
on_start(struct message *message)
{
	struct session *session = container_of(message, struct session, start);

	session->step = STEP_CONNECT;
	session->connection = connection_new(session->loop, session->endpoint,
					     &owner, session);
	if (!session->connection) {
		struct failure failure = { 0 };

		failure_set(&failure, ENOMEM, FAILURE_LIMIT, "out of memory");
		target_close(&session->target, &failure);
		emit_failure(session, SESSION_LOST, &failure);
		failure_done(&failure);
		return;
	}
	connection_start(session->connection, session->connect_deadline);
}

static void
abort_session(struct session *session)
{
	struct failure why = { 0 };

	failure_set(&why, ESHUTDOWN, FAILURE_BUSY, "the session is ending");
	target_close(&session->target, &why);
	failure_done(&why);
	session->is_aborting = true;
	if (target_is_idle(&session->target))
		disconnect(session);
}

static void
set_contexts(struct session *session, struct string_list *contexts)
{
	string_list_done(&session->contexts);
	session->contexts = *contexts;
	*contexts = (struct string_list){ 0 };
	emit(session, &(struct session_event){
			      .kind = SESSION_CONTEXTS,
			      .contexts = &session->contexts,
		      });
}

static int
begin_option(struct session *session, struct session_step *step)
{
	struct connection *connection = session->connection;

	switch (step->kind) {
	case STEP_LIST:
		return connection_option_list(connection);
	case STEP_INFO:
		return connection_option_info(connection, step->export);
	case STEP_LIST_CONTEXTS:
		return connection_option_contexts(connection, step->export,
						  &step->contexts);
	case STEP_GO:
		return connection_option_go(connection, step->export,
					    &session->contexts);
	case STEP_NONE:
	case STEP_CONNECT:
	case STEP_SET_CONTEXTS:
	case STEP_ABORT:
		break;
	}
	return -1;
}

static void
negotiate(struct session *session, struct session_step *step)
{
	uint64_t deadline = step->deadline ? step->deadline
					   : loop_now(session->loop) +
						     session->default_timeout;

	session->step = step->kind;
	if (begin_option(session, step) < 0)
		refuse_by_library(session, step->kind);
	else
		connection_set_deadline(session->connection, deadline,
					step_name(step->kind));
}

static void
run_step(struct session *session, struct session_step *step)
{
	struct connection *connection = session->connection;

	/* The end was told already. */
	if (!connection || session->is_closed || session->is_aborting)
		return;
	if (step->kind == STEP_ABORT) {
		abort_session(session);
		return;
	}
	if (session->step != STEP_NONE) {
		enum step_kind running = session->step;

		refuse(session, step->kind, EBUSY,
		       "the previous step is not answered yet");
		session->step = running;
		return;
	}
	if (connection->phase == PHASE_NEGOTIATING &&
	    step->kind == STEP_SET_CONTEXTS)
		set_contexts(session, &step->contexts);
	else if (connection->phase == PHASE_NEGOTIATING)
		negotiate(session, step);
	else if (step->kind == STEP_GO && !session->target.has_export)
		serve(session);
	else if (session->target.has_export)
		refuse(session, step->kind, EINVAL,
		       "negotiation is over; data phase");
	else
		refuse(session, step->kind, ENOTSUP,
		       "the server has no option negotiation");
}

static void
step_free(struct session_step *step)
{
	free(step->export);
	string_list_done(&step->contexts);
	free(step);
}

static void
on_step(struct message *message)
{
	struct session_step *step = container_of(message, struct session_step,
						 message);

	run_step(step->session, step);
	step_free(step);
}

static void
on_no_memory(struct message *message)
{
	struct session *session = container_of(message, struct session,
					       no_memory);

	if (session->connection)
		connection_lose(session->connection,
				&(struct failure){
					.errnum = ENOMEM,
					.reason = FAILURE_LIMIT,
				});
}

static void
on_close(struct message *message)
{
	struct session *session = container_of(message, struct session, close);
	struct failure why = { 0 };

	session->may_be_freed = true;
	failure_set(&why, ECANCELED, FAILURE_BUSY, "the session was closed");
	fail_requests(session, &why);
	failure_done(&why);
	disconnect(session);
	consider_release(session);
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
	session->target.on_idle = on_idle;
	session->default_timeout = settings->request_timeout;
	session->connect_deadline =
		deadline ? deadline : clock_now() + settings->connect_timeout;
	session->start.run = on_start;
	session->close.run = on_close;
	session->release.run = on_release;
	session->no_memory.run = on_no_memory;
}

static int
count_session(struct client *client, const struct daemon_settings *settings,
	      struct failure *failure)
{
	if (client->sessions++ < settings->max_sessions)
		return 0;
	client->sessions--;
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
		client->sessions--;
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
		client->sessions--;
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
send_step(struct session *session, enum step_kind kind, const char *export,
	  const struct string_list *contexts, uint64_t deadline)
{
	struct session_step *step = calloc(1, sizeof(*step));
	bool is_complete = step;

	if (step && string_replace(&step->export, export) < 0)
		is_complete = false;
	for (size_t i = 0; step && contexts && i < contexts->n_items; i++)
		if (string_list_append(&step->contexts, contexts->items[i]) < 0)
			is_complete = false;
	if (!is_complete) {
		if (step)
			step_free(step);
		if (!atomic_exchange(&session->has_no_memory, true))
			loop_send(session->loop, &session->no_memory);
		return;
	}
	step->message.run = on_step;
	step->session = session;
	step->kind = kind;
	step->deadline = deadline;
	loop_send(session->loop, &step->message);
}

void
session_list(struct session *session, uint64_t deadline)
{
	send_step(session, STEP_LIST, NULL, NULL, deadline);
}

void
session_info(struct session *session, const char *export, uint64_t deadline)
{
	send_step(session, STEP_INFO, export, NULL, deadline);
}

void
session_list_contexts(struct session *session, const char *export,
		      const struct string_list *queries, uint64_t deadline)
{
	send_step(session, STEP_LIST_CONTEXTS, export, queries, deadline);
}

void
session_set_contexts(struct session *session,
		     const struct string_list *contexts)
{
	send_step(session, STEP_SET_CONTEXTS, NULL, contexts, 0);
}

void
session_go(struct session *session, const char *export, uint64_t deadline)
{
	send_step(session, STEP_GO, export, NULL, deadline);
}

void
session_abort(struct session *session)
{
	send_step(session, STEP_ABORT, NULL, NULL, 0);
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
	request->message.run = on_request;
	if (request_command_writes(request->command) && !session->may_write) {
		failure_set(&request->failure, EPERM, FAILURE_PERMISSION,
			    "%s: read-only for this caller",
			    request_command_name(request->command));
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
