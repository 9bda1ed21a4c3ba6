/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The volumes that a client has opened by URI. They belong to its connection;
 * so a client with patience, once it is connected again, opens them again under
 * the names that they had.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nbdclientd/v1/volumes.pb-c.h"
#include "proto/call.h"

struct opened_volume {
	struct list link;
	/* As it was asked for, with the name that it got. */
	Nbdclientd__V1__OpenVolumeRequest request;
	/* When it was opened last: client->epoch. */
	unsigned epoch;
};

static void
opened_volume_free(struct opened_volume *opened)
{
	free(opened->request.uri);
	free(opened->request.name);
	free(opened);
}

static void
remember(struct client *client,
	 const Nbdclientd__V1__OpenVolumeRequest *request,
	 const Nbdclientd__V1__Volume *volume)
{
	struct opened_volume *opened = calloc(1, sizeof(*opened));

	if (!opened)
		return;
	opened->request = *request;
	opened->request.uri = strdup(request->uri);
	opened->request.name = strdup(volume->name);
	opened->epoch = client->epoch;
	list_append(&client->volumes, &opened->link);
	/* Without memory it is gone when the daemon is. */
	if (!opened->request.uri || !opened->request.name) {
		list_remove(&opened->link);
		opened_volume_free(opened);
	}
}

static void
forget(struct client *client, const char *name)
{
	list_for_each_safe(link, &client->volumes) {
		struct opened_volume *opened = container_of(
			link, struct opened_volume, link);

		if (strcmp(opened->request.name, name) != 0)
			continue;
		list_remove(link);
		opened_volume_free(opened);
	}
}

void
client_note_volumes(struct client *client, enum rpc_method_id method,
		    const void *request, const void *response)
{
	const Nbdclientd__V1__CloseVolumeRequest *closing = request;

	if (method == RPC_VOLUMES_OPEN_VOLUME)
		remember(client, request, response);
	else if (method == RPC_VOLUMES_CLOSE_VOLUME)
		forget(client, closing->name);
}

void
client_forget_volumes(struct client *client)
{
	struct list *link;

	while ((link = list_take_first(&client->volumes)))
		opened_volume_free(
			container_of(link, struct opened_volume, link));
}

/* The daemon may not have seen yet that the old connection has gone, and the
 * volume with it. */
static int
reopen(struct client *client, struct opened_volume *opened, gpr_timespec until,
       struct client_error *error)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	for (;;) {
		int r = client_ask_once(client, RPC_VOLUMES_OPEN_VOLUME,
					&opened->request, until, error);

		if (r == 0)
			opened->epoch = client->epoch;
		if (r != -EEXIST ||
		    gpr_time_cmp(gpr_now(GPR_CLOCK_MONOTONIC), until) >= 0)
			return r;
		nanosleep(&pause, NULL);
	}
}

int
client_reopen_volumes(struct client *client, gpr_timespec until,
		      struct client_error *error)
{
	list_for_each(link, &client->volumes) {
		struct opened_volume *opened = container_of(
			link, struct opened_volume, link);
		int r;

		if (opened->epoch == client->epoch)
			continue;
		r = reopen(client, opened, until, error);
		if (r < 0)
			return r;
	}
	return 0;
}
