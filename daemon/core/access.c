/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rules of access. */
#include "daemon/core/access.h"

#include "daemon/core/client.h"

static bool
contains(const struct id_list *list, uint32_t id)
{
	if (list->is_everyone)
		return true;
	for (size_t i = 0; i < list->n_ids; i++)
		if (list->ids[i] == id)
			return true;
	return false;
}

static bool
contains_group_of(const struct id_list *list, const struct client *client)
{
	if (contains(list, client->gid))
		return true;
	for (size_t i = 0; i < client->n_groups; i++)
		if (contains(list, client->groups[i]))
			return true;
	return false;
}

bool
access_may_read(const struct volume_settings *settings,
		const struct client *client)
{
	if (!client || client->is_admin)
		return true;
	if (!settings->allow_users.is_set && !settings->allow_groups.is_set)
		return true;
	return contains(&settings->allow_users, client->uid) ||
	       contains_group_of(&settings->allow_groups, client) ||
	       contains(&settings->read_only_users, client->uid);
}

bool
access_may_write(const struct volume_settings *settings,
		 const struct client *client)
{
	if (settings->is_read_only)
		return false;
	if (!client || client->is_admin)
		return true;
	return access_may_read(settings, client) &&
	       !contains(&settings->read_only_users, client->uid);
}

bool
access_may_open_ad_hoc(const struct daemon_settings *settings,
		       const struct client *client)
{
	return !client || client->is_admin ||
	       contains(&settings->ad_hoc_users, client->uid);
}
