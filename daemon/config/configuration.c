/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration as an object: life, look-up and comparison. */
#include "daemon/config/configuration.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/config/parse.h"

static void
daemon_settings_done(struct daemon_settings *settings)
{
	free(settings->listen);
	free(settings->runtime_directory);
	free(settings->metrics_listen);
	free(settings->ad_hoc_users.ids);
}

struct configuration *
configuration_new(void)
{
	struct configuration *configuration = calloc(1, sizeof(*configuration));

	if (!configuration)
		return NULL;
	configuration->references = 1;
	if (parse_daemon_defaults(&configuration->daemon) < 0) {
		configuration_unref(configuration);
		errno = ENOMEM;
		return NULL;
	}
	return configuration;
}

struct configuration *
configuration_ref(struct configuration *configuration)
{
	configuration->references++;
	return configuration;
}

void
configuration_unref(struct configuration *configuration)
{
	if (!configuration || --configuration->references > 0)
		return;
	for (size_t i = 0; i < configuration->n_volumes; i++)
		volume_settings_unref(configuration->volumes[i]);
	free(configuration->volumes);
	daemon_settings_done(&configuration->daemon);
	free(configuration);
}

struct volume_settings *
volume_settings_new(const char *name)
{
	struct volume_settings *settings = calloc(1, sizeof(*settings));

	if (!settings)
		return NULL;
	settings->references = 1;
	if (string_replace(&settings->name, name) < 0 ||
	    parse_volume_defaults(settings) < 0) {
		volume_settings_unref(settings);
		errno = ENOMEM;
		return NULL;
	}
	return settings;
}

struct volume_settings *
volume_settings_ref(struct volume_settings *settings)
{
	settings->references++;
	return settings;
}

void
volume_settings_unref(struct volume_settings *settings)
{
	if (!settings || --settings->references > 0)
		return;
	free(settings->name);
	string_list_done(&settings->uris);
	string_list_done(&settings->command);
	free(settings->allow_users.ids);
	free(settings->allow_groups.ids);
	free(settings->read_only_users.ids);
	free(settings->tls.certificates);
	free(settings->tls.psk_file);
	free(settings->tls.username);
	free(settings);
}

int
configuration_add_volume(struct configuration *configuration,
			 struct volume_settings *settings)
{
	struct volume_settings **volumes = reallocarray(
		configuration->volumes, configuration->n_volumes + 1,
		sizeof(*volumes));
	size_t at = configuration->n_volumes;

	if (!volumes) {
		volume_settings_unref(settings);
		return -ENOMEM;
	}
	for (; at > 0 && strcmp(volumes[at - 1]->name, settings->name) > 0;
	     at--)
		volumes[at] = volumes[at - 1];
	volumes[at] = settings;
	configuration->volumes = volumes;
	configuration->n_volumes++;
	return 0;
}

struct volume_settings *
configuration_find_volume(const struct configuration *configuration,
			  const char *name)
{
	for (size_t i = 0; i < configuration->n_volumes; i++)
		if (strcmp(configuration->volumes[i]->name, name) == 0)
			return configuration->volumes[i];
	return NULL;
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
same_list(const struct string_list *a, const struct string_list *b)
{
	if (a->n_items != b->n_items)
		return false;
	for (size_t i = 0; i < a->n_items; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

static bool
same_ids(const struct id_list *a, const struct id_list *b)
{
	return a->is_everyone == b->is_everyone && a->is_set == b->is_set &&
	       a->n_ids == b->n_ids &&
	       (a->n_ids == 0 ||
		memcmp(a->ids, b->ids, a->n_ids * sizeof(*a->ids)) == 0);
}

static bool
same_tls(const struct tls_settings *a, const struct tls_settings *b)
{
	return a->policy == b->policy && a->verify_peer == b->verify_peer &&
	       same_text(a->certificates, b->certificates) &&
	       same_text(a->psk_file, b->psk_file) &&
	       same_text(a->username, b->username);
}

bool
volume_settings_same_servers(const struct volume_settings *a,
			     const struct volume_settings *b)
{
	return same_list(&a->uris, &b->uris) &&
	       same_list(&a->command, &b->command);
}

bool
volume_settings_same_connections(const struct volume_settings *a,
				 const struct volume_settings *b)
{
	return volume_settings_same_servers(a, b) &&
	       a->connections_min == b->connections_min &&
	       a->connections_max == b->connections_max &&
	       a->in_flight == b->in_flight &&
	       a->request_timeout == b->request_timeout &&
	       a->connect_timeout == b->connect_timeout &&
	       a->idle_timeout == b->idle_timeout &&
	       a->is_read_only == b->is_read_only &&
	       a->shares_storage == b->shares_storage &&
	       a->is_single_writer == b->is_single_writer &&
	       a->unflushed == b->unflushed &&
	       a->unflushed_limit == b->unflushed_limit &&
	       a->fingerprint.offset == b->fingerprint.offset &&
	       a->fingerprint.length == b->fingerprint.length &&
	       a->give_up_after == b->give_up_after &&
	       a->probe_interval == b->probe_interval &&
	       a->return_interval == b->return_interval &&
	       same_tls(&a->tls, &b->tls);
}

bool
volume_settings_are_equal(const struct volume_settings *a,
			  const struct volume_settings *b)
{
	return volume_settings_same_connections(a, b) &&
	       a->slow_request == b->slow_request &&
	       same_ids(&a->allow_users, &b->allow_users) &&
	       same_ids(&a->allow_groups, &b->allow_groups) &&
	       same_ids(&a->read_only_users, &b->read_only_users);
}

bool
volume_name_is_valid(const char *name)
{
	size_t length = strlen(name);

	if (length < 1 || length > 64)
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i]))
			return false;
	return true;
}
