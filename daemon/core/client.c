/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connected programs. */
#include "daemon/core/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/core/daemon_private.h"
#include "daemon/core/log.h"
#include "daemon/core/metrics.h"
#include "daemon/core/user.h"

static bool
is_member(const struct client *client, gid_t group)
{
	if (group == (gid_t)-1)
		return false;
	if (client->gid == group)
		return true;
	for (size_t i = 0; i < client->n_groups; i++)
		if (client->groups[i] == group)
			return true;
	return false;
}

static void
client_free(struct client *client)
{
	for (unsigned i = 0; client->metrics && i < client->n_metrics; i++)
		free(client->metrics[i]);
	free(client->metrics);
	free(client->groups);
	free(client);
}

static struct client *
client_from_identity(const struct daemon *daemon,
		     const struct client_identity *identity)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->pid = identity->pid;
	client->uid = identity->uid;
	client->gid = identity->gid;
	client->since = clock_now();
	list_init(&client->link);
	client->n_metrics = daemon->n_loops;
	client->metrics = calloc(daemon->n_loops, sizeof(*client->metrics));
	if (!client->metrics) {
		client_free(client);
		return NULL;
	}
	if (identity->n_groups > 0) {
		client->groups = calloc(identity->n_groups,
					sizeof(*client->groups));
		if (!client->groups) {
			client_free(client);
			return NULL;
		}
		memcpy(client->groups, identity->groups,
		       identity->n_groups * sizeof(*client->groups));
		client->n_groups = identity->n_groups;
	}
	client->is_admin = client->uid == 0 || client->uid == geteuid() ||
			   is_member(client, daemon->admin_group);
	return client;
}

struct client *
client_new(struct daemon *daemon, const struct client_identity *identity)
{
	struct client *client = client_from_identity(daemon, identity);
	const struct daemon_settings *settings;
	int r;

	if (!client)
		return NULL;
	/* The caller's and the registry's. */
	client->references = 2;
	client->daemon = daemon;

	SCOPED_LOCK(&daemon->lock);
	settings = &daemon->configuration->daemon;
	r = daemon->n_clients >= settings->max_clients
		    ? -EUSERS
		    : user_join(daemon, client, settings);
	if (r < 0) {
		client_free(client);
		errno = -r;
		return NULL;
	}
	client->user_limits.requests = settings->max_requests_of_user;
	client->user_limits.bytes = settings->max_bytes_of_user;
	client->id = ++daemon->next_client;
	list_append(&daemon->clients, &client->link);
	daemon->n_clients++;
	return client;
}

struct client *
client_ref(struct client *client)
{
	client->references++;
	return client;
}

void
client_unref(struct client *client)
{
	if (!client || --client->references > 0)
		return;
	user_release(client);
	client_free(client);
}

struct metrics *
client_metrics(struct client *client, const struct loop *loop)
{
	unsigned number = loop_number(loop);
	struct metrics *metrics;

	if (!client || number >= client->n_metrics)
		return NULL;
	metrics = client->metrics[number];
	if (metrics)
		return metrics;
	metrics = calloc(1, sizeof(*metrics));
	if (!metrics)
		log_error("no memory to count the requests of client %llu",
			  (unsigned long long)client->id);
	client->metrics[number] = metrics;
	return metrics;
}

void
client_add_metrics(const struct client *client, struct metrics *sum)
{
	for (unsigned i = 0; i < client->n_metrics; i++)
		if (client->metrics[i])
			metrics_add(sum, client->metrics[i]);
}

void
client_gone(struct client *client)
{
	struct daemon *daemon = client->daemon;

	if (atomic_exchange(&client->is_gone, true))
		return;
	{
		SCOPED_LOCK(&daemon->lock);
		list_remove(&client->link);
		daemon->n_clients--;
		user_leave(client);
	}
	daemon_close_ad_hoc(daemon, client);
	client_unref(client);
}

static void
describe(const struct client *client, uint64_t now,
	 struct client_description *description)
{
	*description = (struct client_description){
		.id = client->id,
		.pid = client->pid,
		.uid = client->uid,
		.gid = client->gid,
		.is_admin = client->is_admin,
		.age_ns = now - client->since,
		.calls = client->calls,
		.requests_in_flight = client->requests_in_flight,
		.ad_hoc_volumes = client->ad_hoc_volumes,
		.sessions = client->sessions,
	};
}

int
clients_describe(struct daemon *daemon,
		 struct client_description **descriptions, size_t *n)
{
	uint64_t now = clock_now();
	size_t i = 0;

	SCOPED_LOCK(&daemon->lock);

	*n = daemon->n_clients;
	*descriptions = calloc(*n ? *n : 1, sizeof(**descriptions));
	if (!*descriptions)
		return -ENOMEM;
	list_for_each(link, &daemon->clients)
		describe(container_of(link, struct client, link), now,
			 &(*descriptions)[i++]);
	return 0;
}

bool
client_ask_to_close(struct daemon *daemon, uint64_t id)
{
	SCOPED_LOCK(&daemon->lock);

	list_for_each(link, &daemon->clients) {
		struct client *client = container_of(link, struct client, link);

		if (client->id != id)
			continue;
		client->must_close = true;
		return true;
	}
	return false;
}

unsigned
clients_count(struct daemon *daemon)
{
	SCOPED_LOCK(&daemon->lock);

	return daemon->n_clients;
}
