/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Limits of users. */
#include "daemon/core/user.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "daemon/core/client.h"
#include "daemon/core/daemon_private.h"
#include "daemon/core/request.h"

static struct user *
find(struct daemon *daemon, uid_t uid)
{
	list_for_each(link, &daemon->users) {
		struct user *user = container_of(link, struct user, link);

		if (user->uid == uid)
			return user;
	}
	return NULL;
}

static struct user *
find_or_add(struct daemon *daemon, uid_t uid)
{
	struct user *user = find(daemon, uid);

	if (user)
		return user;
	user = calloc(1, sizeof(*user));
	if (!user)
		return NULL;
	user->uid = uid;
	list_append(&daemon->users, &user->link);
	return user;
}

int
user_join(struct daemon *daemon, struct client *client,
	  const struct daemon_settings *settings)
{
	struct user *user = find_or_add(daemon, client->uid);

	if (!user)
		return -ENOMEM;
	/* One that is new has none yet, so it is not left behind. */
	if (!client->is_admin &&
	    user->n_clients >= settings->max_clients_of_user)
		return -EUSERS;
	user->n_clients++;
	user->references++;
	client->user = user;
	return 0;
}

void
user_leave(struct client *client)
{
	client->user->n_clients--;
}

void
user_release(struct client *client)
{
	struct user *user = client->user;

	SCOPED_LOCK(&client->daemon->lock);
	if (--user->references > 0)
		return;
	list_remove(&user->link);
	free(user);
}

int
user_add_session(struct client *client, const struct daemon_settings *settings,
		 struct failure *failure)
{
	/* The count may briefly be too high, and then another is refused. */
	unsigned before = client->user->sessions++;

	if (client->is_admin || before < settings->max_sessions_of_user)
		return 0;
	client->user->sessions--;
	failure_set(failure, EUSERS, FAILURE_LIMIT,
		    "user %d has %u sessions open already "
		    "(MaxSessionsPerUser=)",
		    (int)client->uid, settings->max_sessions_of_user);
	return -EUSERS;
}

void
user_remove_session(struct client *client)
{
	client->user->sessions--;
}

static uint64_t
bytes_of(const struct request *request)
{
	if (request->command == REQUEST_WRITE)
		return request->payload.size;
	return request->command == REQUEST_READ ? request->length : 0;
}

static int
refuse(struct request *request, const char *what, uint64_t limit,
       const char *key)
{
	failure_set(&request->failure, EDQUOT, FAILURE_LIMIT,
		    "%s: user %d has %s in flight already, of %" PRIu64
		    " allowed (%s=)",
		    request_command_name(request->command),
		    (int)request->client->uid, what, limit, key);
	failure_set_hint(&request->failure, "Wait for answers before asking "
					    "for more.");
	user_discharge(request);
	return -EDQUOT;
}

int
user_charge(struct request *request)
{
	struct client *client = request->client;
	uint64_t bytes = bytes_of(request);
	uint64_t before;
	unsigned n;

	if (!client)
		return 0;
	request->is_charged = true;
	request->charged_bytes = bytes;
	client->bytes_in_flight += bytes;
	n = client->user->requests++;
	before = atomic_fetch_add(&client->user->bytes, bytes);
	if (client->is_admin)
		return 0;
	if (n >= client->user_limits.requests)
		return refuse(request, "too many requests",
			      client->user_limits.requests,
			      "MaxRequestsPerUser");
	/* One large request must be possible whatever the limit. */
	if (before > 0 && before + bytes > client->user_limits.bytes)
		return refuse(request, "too many bytes",
			      client->user_limits.bytes, "MaxBytesPerUser");
	return 0;
}

void
user_discharge(struct request *request)
{
	struct client *client = request->client;

	if (!request->is_charged)
		return;
	request->is_charged = false;
	client->bytes_in_flight -= request->charged_bytes;
	client->user->requests--;
	client->user->bytes -= request->charged_bytes;
}
