/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Service Admin: the state of the daemon, and its reload and drain. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/core/client.h"
#include "daemon/core/daemon.h"
#include "daemon/core/failure.h"
#include "daemon/core/loop.h"
#include "daemon/core/volume.h"
#include "daemon/rpc/admin.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/handlers.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "proto/codec_free.h"

#define NS_PER_US 1000u
#define NS_PER_MS 1000000u

void
admin_fail_without_memory(struct rpc_call *call)
{
	struct failure failure = { 0 };

	failure_set(&failure, ENOMEM, FAILURE_NONE,
		    "the daemon has no memory for the answer");
	rpc_call_fail(call, &failure);
	failure_done(&failure);
}

bool
admin_is_allowed(struct rpc_call *call, const char *what)
{
	const struct client *client = rpc_call_client(call);
	struct failure failure = { 0 };

	if (client->is_admin)
		return true;
	failure_set(&failure, EPERM, FAILURE_PERMISSION,
		    "uid %lu may not %s: that is for root and members of "
		    "nbd-clientd-admin",
		    (unsigned long)client->uid, what);
	rpc_call_fail(call, &failure);
	failure_done(&failure);
	return false;
}

static void
on_get_status(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__GetStatusRequest *message = NULL;
	Nbdclientd__V1__GetStatusResponse response =
		NBDCLIENTD__V1__GET_STATUS_RESPONSE__INIT;
	struct daemon *daemon = rpc_call_daemon(call);
	struct volume_messages volumes;

	if (!rpc_call_decode(call, bytes, &message))
		return;
	if (volume_messages_init(&volumes, daemon, rpc_call_client(call)) < 0) {
		admin_fail_without_memory(call);
		return;
	}
	response.version = borrow_text(NBD_CLIENTD_VERSION);
	response.pid = (uint32_t)getpid();
	response.uptime_ms = (clock_now() - daemon_started_at(daemon)) /
			     NS_PER_MS;
	response.state = borrow_text(daemon_is_draining(daemon) ? "draining"
								: "running");
	response.library = borrow_text(daemon_library_version());
	response.clients = clients_count(daemon);
	response.volumes = volumes.pointers;
	response.n_volumes = volumes.n;
	response.resident_memory = daemon_resident_memory();
	rpc_call_reply(call, &response);
	volume_messages_done(&volumes);
}

/* ListConnections */

static Nbdclientd__V1__ConnectionState
connection_state_message(enum connection_state state)
{
#define STATE(name)             \
	case CONNECTION_##name: \
		return NBDCLIENTD__V1__CONNECTION_STATE__CONNECTION_STATE_##name
	switch (state) {
		STATE(CONNECTING);
		STATE(IDLE);
		STATE(BUSY);
		STATE(DRAINING);
		STATE(BACKING_OFF);
	}
#undef STATE
	return NBDCLIENTD__V1__CONNECTION_STATE__CONNECTION_STATE_UNSPECIFIED;
}

static void
fill_connection(Nbdclientd__V1__Connection *message,
		const struct connection_description *from)
{
	nbdclientd__v1__connection__init(message);
	message->id = from->id;
	message->volume = borrow_text(from->volume);
	message->endpoint = borrow_text(from->endpoint);
	message->state = connection_state_message(from->state);
	message->age_ms = from->age_ns / NS_PER_MS;
	message->tls = from->tls;
	message->in_flight = from->in_flight;
	message->bytes_sent = from->bytes_sent;
	message->bytes_received = from->bytes_received;
	message->retry_in_ms = from->retry_in_ns / NS_PER_MS;
	message->round_trip_us = from->round_trip_ns / NS_PER_US;
	message->answer_us = from->answer_ns / NS_PER_US;
}

static void
reply_with_connections(struct rpc_call *call,
		       const struct connection_description *descriptions,
		       size_t n)
{
	Nbdclientd__V1__ListConnectionsResponse response =
		NBDCLIENTD__V1__LIST_CONNECTIONS_RESPONSE__INIT;
	CLEANUP_FREE Nbdclientd__V1__Connection *messages = calloc(
		n + 1, sizeof(*messages));
	CLEANUP_FREE Nbdclientd__V1__Connection **pointers = calloc(
		n + 1, sizeof(*pointers));

	if (!messages || !pointers) {
		admin_fail_without_memory(call);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		fill_connection(&messages[i], &descriptions[i]);
		pointers[i] = &messages[i];
	}
	response.connections = pointers;
	response.n_connections = n;
	rpc_call_reply(call, &response);
}

/* The volumes asked about: one, or all. False: the call has been failed. */
static bool
choose_volumes(struct rpc_call *call, const char *name,
	       struct volume ***volumes, size_t *n)
{
	if (name[0] == '\0') {
		if (volumes_list(rpc_call_daemon(call), rpc_call_client(call),
				 volumes, n) == 0)
			return true;
		admin_fail_without_memory(call);
		return false;
	}
	*n = 1;
	*volumes = calloc(1, sizeof(**volumes));
	if (!*volumes) {
		admin_fail_without_memory(call);
		return false;
	}
	(*volumes)[0] = rpc_call_find_volume(call, name);
	if ((*volumes)[0])
		return true;
	free(*volumes);
	return false;
}

static void
on_list_connections(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ListConnectionsRequest *message = NULL;
	struct connection_description *descriptions = NULL;
	struct volume **volumes;
	size_t n_volumes, n = 0;
	int error = 0;

	if (!rpc_call_decode(call, bytes, &message) ||
	    !admin_is_allowed(call, "list connections") ||
	    !choose_volumes(call, message->volume, &volumes, &n_volumes))
		return;
	for (size_t i = 0; error == 0 && i < n_volumes; i++)
		error = volume_describe_connections(volumes[i], &descriptions,
						    &n);
	if (error < 0)
		admin_fail_without_memory(call);
	else
		reply_with_connections(call, descriptions, n);
	connection_descriptions_done(descriptions, n);
	volumes_unref(volumes, n_volumes);
}

/* ListClients */

static void
fill_client(Nbdclientd__V1__Client *message,
	    const struct client_description *from)
{
	nbdclientd__v1__client__init(message);
	message->id = from->id;
	message->pid = (uint32_t)from->pid;
	message->uid = from->uid;
	message->gid = from->gid;
	message->age_ms = from->age_ns / NS_PER_MS;
	message->admin = from->is_admin;
	message->calls = from->calls;
	message->in_flight = from->requests_in_flight;
	message->ad_hoc_volumes = from->ad_hoc_volumes;
	message->sessions = from->sessions;
}

static void
on_list_clients(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ListClientsRequest *message = NULL;
	Nbdclientd__V1__ListClientsResponse response =
		NBDCLIENTD__V1__LIST_CLIENTS_RESPONSE__INIT;
	CLEANUP_FREE struct client_description *descriptions = NULL;
	CLEANUP_FREE Nbdclientd__V1__Client *messages = NULL;
	CLEANUP_FREE Nbdclientd__V1__Client **pointers = NULL;
	size_t n = 0;

	if (!rpc_call_decode(call, bytes, &message) ||
	    !admin_is_allowed(call, "list clients"))
		return;
	if (clients_describe(rpc_call_daemon(call), &descriptions, &n) == 0) {
		messages = calloc(n + 1, sizeof(*messages));
		pointers = calloc(n + 1, sizeof(*pointers));
	}
	if (!messages || !pointers) {
		admin_fail_without_memory(call);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		fill_client(&messages[i], &descriptions[i]);
		pointers[i] = &messages[i];
	}
	response.clients = pointers;
	response.n_clients = n;
	rpc_call_reply(call, &response);
}

/* Reload: answered by the main thread. */
static void
on_reloaded(void *user, const struct reload_result *result)
{
	struct rpc_call *call = user;
	Nbdclientd__V1__ReloadResponse response =
		NBDCLIENTD__V1__RELOAD_RESPONSE__INIT;

	if (result->failure && result->failure->errnum != 0) {
		rpc_call_fail_as(call, GRPC_STATUS_FAILED_PRECONDITION,
				 result->failure);
	} else {
		response.volumes_added = result->volumes_added;
		response.volumes_changed = result->volumes_changed;
		response.volumes_removed = result->volumes_removed;
		rpc_call_reply(call, &response);
	}
	rpc_call_unref(call);
}

static void
on_reload(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ReloadRequest *message = NULL;

	if (!rpc_call_decode(call, bytes, &message) ||
	    !admin_is_allowed(call, "reload the configuration"))
		return;
	/* until on_reloaded */
	rpc_call_ref(call);
	daemon_request_reload(rpc_call_daemon(call), on_reloaded, call);
}

static void
on_drain_daemon(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__DrainRequest *message = NULL;
	Nbdclientd__V1__DrainResponse response =
		NBDCLIENTD__V1__DRAIN_RESPONSE__INIT;

	if (!rpc_call_decode(call, bytes, &message) ||
	    !admin_is_allowed(call, "drain the daemon"))
		return;
	daemon_request_drain(rpc_call_daemon(call));
	rpc_call_reply(call, &response);
}

#define ADMIN_HANDLER(id, function)                         \
	const struct rpc_handler rpc_handler_ADMIN_##id = { \
		.size = sizeof(struct rpc_call),            \
		.on_message = function,                     \
	}

ADMIN_HANDLER(GET_STATUS, on_get_status);
ADMIN_HANDLER(LIST_CONNECTIONS, on_list_connections);
ADMIN_HANDLER(LIST_CLIENTS, on_list_clients);
ADMIN_HANDLER(RELOAD, on_reload);
ADMIN_HANDLER(DRAIN, on_drain_daemon);
