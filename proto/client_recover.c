/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client does when the daemon goes away: it restarts, was killed, or
 * says that it is about to leave. A client with patience connects again and
 * repeats what may be repeated.
 */
#include <errno.h>
#include <string.h>

#include "proto/call.h"

static bool
begins_with(const char *text, const char *beginning)
{
	return strncmp(text, beginning, strlen(beginning)) == 0;
}

bool
rpc_is_repeatable(const struct rpc_method *method)
{
	return strcmp(method->service, "nbdclientd.v1.IO") == 0 ||
	       begins_with(method->name, "Get") ||
	       begins_with(method->name, "List");
}

bool
client_error_is_draining(const struct client_error *error)
{
	return error->failure == CLIENT_REFUSED &&
	       error->errno_value == ESHUTDOWN &&
	       error->reason == NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_BUSY;
}

static bool
is_passing(const struct client_error *error)
{
	return error->failure == CLIENT_NOT_REACHABLE ||
	       client_error_is_draining(error);
}

bool
client_may_recover(const struct client *client,
		   const struct client_error *error)
{
	return client->patience_ms > 0 && is_passing(error) &&
	       !atomic_load(&client->is_interrupted);
}

bool
client_recover(struct client *client, struct patience *patience, unsigned epoch,
	       struct client_error *error)
{
	gpr_timespec now = gpr_now(GPR_CLOCK_MONOTONIC);
	struct client_error why;

	if (!client_may_recover(client, error))
		return false;
	if (!patience->has_begun) {
		patience->has_begun = true;
		patience->until = gpr_time_min(
			patience->deadline,
			client_deadline(client->patience_ms));
	}
	if (gpr_time_cmp(now, patience->until) >= 0)
		return false;
	if (client_reconnect(client, epoch, patience->until, &why) == 0) {
		if (client_reopen_volumes(client, patience->until, &why) == 0)
			return true;
		/* This one leaves, too. */
		if (client_may_recover(client, &why))
			return client_recover(client, patience, client->epoch,
					      error);
	}
	/* The caller's request may have been carried out all the same. */
	why.applied = error->applied;
	*error = why;
	return false;
}
