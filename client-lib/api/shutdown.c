/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a connection in good order, from the caller's point of view.
 */
#include <libnbd.h>

#include "client-lib/api/guard.h"
#include "client-lib/api/wait.h"
#include "client-lib/engine/command.h"

static int
shutdown_negotiation(struct nbd_handle *h)
{
	struct option_request request = { .goal = GOAL_ABORT };

	if (engine_option_start(h, &request) < 0)
		return -1;
	return wait_until_closed(h);
}

static int
shutdown_transfer(struct nbd_handle *h, uint32_t flags)
{
	if (flags & LIBNBD_SHUTDOWN_ABANDON_PENDING)
		engine_abandon_pending(h);
	if (!engine_is_disconnecting(h) && engine_disconnect(h) < 0)
		return -1;
	return wait_until_closed(h);
}

int
nbd_shutdown(struct nbd_handle *h, uint32_t flags)
{
	API_CALL(call, h, "flags=0x%x", flags);

	if (!api_permit(&call, NEGOTIATING | CONNECTED))
		return -1;
	if (!api_flags_are_valid(flags, LIBNBD_SHUTDOWN_MASK, "flags"))
		return -1;
	if (engine_public_state(h) == PUBLIC_NEGOTIATING)
		return api_return(&call, shutdown_negotiation(h));
	return api_return(&call, shutdown_transfer(h, flags));
}
