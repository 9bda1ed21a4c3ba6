/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Admin.KillConnection, KillClient and SetLogLevel: what an operator does to a
 * daemon that runs. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/strings.h"
#include "daemon/config/values.h"
#include "daemon/core/client.h"
#include "daemon/core/kill.h"
#include "daemon/core/log.h"
#include "daemon/rpc/admin.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/handlers.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/server_private.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "proto/codec_free.h"

/* Who asks, for the log and for those it concerns. */
struct asker {
	char text[64];
};

static struct asker
asker_of(struct rpc_call *call)
{
	const struct client *client = rpc_call_client(call);
	struct asker asker;

	snprintf(asker.text, sizeof(asker.text),
		 "an administrator (uid %u, pid %d)", client->uid,
		 (int)client->pid);
	return asker;
}

/* On an I/O thread, or from within connection_kill(). */
static void
on_killed(void *user, bool was_there)
{
	struct rpc_call *call = user;
	Nbdclientd__V1__KillConnectionResponse response =
		NBDCLIENTD__V1__KILL_CONNECTION_RESPONSE__INIT;

	if (was_there)
		rpc_call_reply(call, &response);
	else
		rpc_call_fail_with_code(call, GRPC_STATUS_NOT_FOUND,
					"there is no such connection, or it is "
					"closing already");
	rpc_call_unref(call);
}

static void
on_kill_connection(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__KillConnectionRequest *message = NULL;
	struct asker asker = asker_of(call);

	if (!rpc_call_decode(call, bytes, &message) ||
	    !admin_is_allowed(call, "close connections"))
		return;
	/* until on_killed */
	rpc_call_ref(call);
	connection_kill(rpc_call_daemon(call), message->id, asker.text,
			on_killed, call);
}

static void
on_kill_client(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__KillClientRequest *message = NULL;
	Nbdclientd__V1__KillClientResponse response =
		NBDCLIENTD__V1__KILL_CLIENT_RESPONSE__INIT;
	struct asker asker = asker_of(call);

	if (!rpc_call_decode(call, bytes, &message) ||
	    !admin_is_allowed(call, "close clients"))
		return;
	if (message->id == rpc_call_client(call)->id) {
		rpc_call_fail_with_code(call, GRPC_STATUS_INVALID_ARGUMENT,
					"client %" PRIu64 " is the caller",
					message->id);
		return;
	}
	if (!rpc_server_close_client(call->peer->rpc, message->id)) {
		rpc_call_fail_with_code(call, GRPC_STATUS_NOT_FOUND,
					"there is no client %" PRIu64,
					message->id);
		return;
	}
	log_write(LOG_NOTICE, NULL, "client %" PRIu64 " is closed by %s",
		  message->id, asker.text);
	rpc_call_reply(call, &response);
}

/* -1: TEXT is no level, and the call has been failed. */
static int
read_level(struct rpc_call *call, const char *text)
{
	struct string_builder complaint = STRING_BUILDER_INIT;
	struct value value = { .text = text, .complaint = &complaint };
	CLEANUP_FREE char *why = NULL;
	int level = -1;

	if (value_parse_log_level(&value, &level) == 0)
		return level;
	why = string_builder_take(&complaint);
	rpc_call_fail_with_code(call, GRPC_STATUS_INVALID_ARGUMENT,
				"log level '%s': %s", text,
				why ? why : "not known");
	return -1;
}

static void
on_set_log_level(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__SetLogLevelRequest *message = NULL;
	Nbdclientd__V1__SetLogLevelResponse response =
		NBDCLIENTD__V1__SET_LOG_LEVEL_RESPONSE__INIT;
	struct asker asker = asker_of(call);
	int before = log_level();
	int level = before;

	if (!rpc_call_decode(call, bytes, &message) ||
	    !admin_is_allowed(call, "change the log level"))
		return;
	if (*message->level) {
		level = read_level(call, message->level);
		if (level < 0)
			return;
		log_set_level(level);
		log_write(LOG_NOTICE, NULL, "log level %s set by %s",
			  value_log_level_name(level), asker.text);
	}
	response.level = borrow_text(value_log_level_name(level));
	response.previous = borrow_text(value_log_level_name(before));
	rpc_call_reply(call, &response);
}

#define ADMIN_HANDLER(id, function)                         \
	const struct rpc_handler rpc_handler_ADMIN_##id = { \
		.size = sizeof(struct rpc_call),            \
		.on_message = function,                     \
	}

ADMIN_HANDLER(KILL_CONNECTION, on_kill_connection);
ADMIN_HANDLER(KILL_CLIENT, on_kill_client);
ADMIN_HANDLER(SET_LOG_LEVEL, on_set_log_level);
