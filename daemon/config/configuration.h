/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one internal form of the configuration. Files fill it today; everything
 * else only reads it. Immutable once read, and counted by reference, so a
 * reload swaps a pointer.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/strings.h"

/* Users or groups by number. Zero bytes are "nobody". */
struct id_list {
	uint32_t *ids;
	size_t n_ids;
	/* "*" */
	bool is_everyone;
	/* Given at all: an empty list differs from no list. */
	bool is_set;
};

enum tls_policy {
	/* As the URI says: nbds needs it, nbd has none. */
	TLS_BY_URI,
	TLS_OFF,
	TLS_ALLOW,
	TLS_REQUIRE,
};

/* How to reach the servers of a volume beyond their URIs. */
struct tls_settings {
	enum tls_policy policy;
	/* NULL: the library's default. */
	char *certificates;
	char *psk_file;
	char *username;
	bool skip_verification;
};

/* One [Volume]. Times in ns. */
struct volume_settings {
	char *name;
	/* NBD URIs in order of preference, or the program that serves. */
	struct string_list uris;
	struct string_list command;
	unsigned connections_min;
	unsigned connections_max;
	unsigned in_flight;
	uint64_t request_timeout;
	uint64_t connect_timeout;
	uint64_t idle_timeout;
	bool is_read_only;
	bool shares_storage;
	struct id_list allow_users;
	struct id_list allow_groups;
	struct id_list read_only_users;
	struct tls_settings tls;
	/* Where it was read, for messages. */
	char *file;
};

/* [Daemon]. Times in ns, sizes in bytes. */
struct daemon_settings {
	char *listen;
	char *runtime_directory;
	unsigned io_threads;
	uint64_t request_timeout;
	uint64_t connect_timeout;
	uint64_t drain_timeout;
	struct id_list ad_hoc_users;
	/* LIBNBD_ALLOW_TRANSPORT_* bits. */
	uint32_t ad_hoc_transports;
	/* syslog's numbers, LOG_DEBUG is 7. */
	int log_level;
	unsigned max_clients;
	/* Of one client: */
	unsigned max_calls;
	unsigned max_requests;
	uint64_t max_bytes;
	unsigned max_sessions;
	unsigned max_ad_hoc_volumes;
	/* The largest message the RPC layer takes. */
	uint64_t max_message;
};

struct configuration {
	atomic_uint references;
	struct daemon_settings daemon;
	/* In order of name. */
	struct volume_settings *volumes;
	size_t n_volumes;
};

struct configuration *configuration_ref(struct configuration *configuration);
/* NULL is allowed. */
void configuration_unref(struct configuration *configuration);

/* The settings of the volume of that name, or NULL. */
const struct volume_settings *
configuration_find_volume(const struct configuration *configuration,
			  const char *name);

/* Do the two ask for the same connections? What merely governs access may
 * differ: it is read anew for each request. */
bool volume_settings_same_connections(const struct volume_settings *a,
				      const struct volume_settings *b);
bool volume_settings_are_equal(const struct volume_settings *a,
			       const struct volume_settings *b);
