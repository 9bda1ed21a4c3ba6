/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of methods and handlers, and the handlers that refuse. */
#include "daemon/rpc/dispatch.h"

#include <errno.h>
#include <string.h>

#include "daemon/core/failure.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/handlers.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/server_private.h"
#include "proto/methods.h"

struct entry {
	size_t path_length;
	const struct rpc_handler *handler;
};

static const struct entry entries[RPC_N_METHODS] = {
#define X(id, service, name, ...)                                       \
	[RPC_##id] = { .path_length = sizeof("/" service "/" name) - 1, \
		       .handler = &rpc_handler_##id },
	RPC_METHODS(X)
#undef X
};

static void
refuse_unknown(struct rpc_call *call)
{
	rpc_call_fail_with_code(call, GRPC_STATUS_UNIMPLEMENTED,
				"this daemon has no such method; server "
				"reflection lists those it has");
}

static const struct rpc_handler unknown_handler = {
	.size = sizeof(struct rpc_call),
	.on_start = refuse_unknown,
};

static const struct rpc_method unknown_method = {
	.service = "",
	.name = "",
	.path = "an unknown method",
	.kind = RPC_UNARY,
};

static void
refuse_crowd(struct rpc_call *call)
{
	struct failure failure = { 0 };

	failure_set(&failure, EUSERS, FAILURE_LIMIT,
		    "the daemon serves as many clients as it may, %u in all "
		    "(MaxClients=) and fewer of one user "
		    "(MaxClientsPerUser=)",
		    call->peer->rpc->max_clients);
	failure_set_hint(&failure, "Connect again when others have gone.");
	rpc_call_fail(call, &failure);
	failure_done(&failure);
}

static const struct rpc_handler crowd_handler = {
	.size = sizeof(struct rpc_call),
	.on_start = refuse_crowd,
};

static void
refuse_late(struct rpc_call *call)
{
	struct failure failure = { 0 };

	failure_set(&failure, ESHUTDOWN, FAILURE_BUSY,
		    "the daemon is draining and takes no new calls");
	failure_set_hint(&failure,
			 "Try again on a new connection: a daemon that was "
			 "restarted answers there.");
	rpc_call_fail(call, &failure);
	failure_done(&failure);
}

static const struct rpc_handler late_handler = {
	.size = sizeof(struct rpc_call),
	.on_start = refuse_late,
};

/* RPC_N_METHODS: there is none. The paths differ in length enough for this to
 * compare one or two of them. */
static size_t
find_method(grpc_slice path)
{
	size_t length = GRPC_SLICE_LENGTH(path);
	size_t i;

	for (i = 0; i < RPC_N_METHODS; i++)
		if (length == entries[i].path_length &&
		    memcmp(GRPC_SLICE_START_PTR(path), rpc_methods[i].path,
			   length) == 0)
			break;
	return i;
}

void
rpc_dispatch(struct rpc_peer *peer, struct rpc_accept *accept)
{
	size_t id = find_method(accept->details.method);

	if (!accept->is_admitted)
		rpc_call_start(peer, accept, &unknown_method, &late_handler);
	else if (!peer->client)
		rpc_call_start(peer, accept, &unknown_method, &crowd_handler);
	else if (id == RPC_N_METHODS)
		rpc_call_start(peer, accept, &unknown_method, &unknown_handler);
	else
		rpc_call_start(peer, accept, &rpc_methods[id],
			       entries[id].handler);
}
