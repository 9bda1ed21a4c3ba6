/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one internal form of the configuration. Files fill it today; everything
 * else only reads it. Immutable once read, and counted by reference, so a
 * reload swaps pointers.
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
	/* Given at all: no list differs from an empty one. */
	bool is_set;
};

enum tls_policy {
	/* As the URI says: nbds needs it, nbd has none. */
	TLS_BY_URI,
	TLS_OFF,
	TLS_ALLOW,
	TLS_REQUIRE,
};

/* Credentials, handed to the library. NULL: its default. */
struct tls_settings {
	enum tls_policy policy;
	char *certificates;
	char *psk_file;
	char *username;
	bool verify_peer;
};

/* What becomes of writes that were acknowledged and not flushed when the server
 * is lost. */
enum unflushed_policy {
	UNFLUSHED_REPLAY,
	UNFLUSHED_REPORT,
	UNFLUSHED_IGNORE,
};

/* The bytes that an export is known by; none if the length is 0. */
struct fingerprint_settings {
	uint64_t offset;
	uint64_t length;
};

/* One [Volume]. Times in ns; 0 stands for the daemon's value. */
struct volume_settings {
	atomic_uint references;
	char *name;
	/* NBD URIs in order of preference; or else the program that serves. */
	struct string_list uris;
	struct string_list command;
	unsigned connections_min;
	unsigned connections_max;
	unsigned in_flight;
	uint64_t request_timeout;
	uint64_t connect_timeout;
	uint64_t idle_timeout;
	uint64_t slow_request;
	bool is_read_only;
	bool shares_storage;
	/* Nobody but us writes there. */
	bool is_single_writer;
	enum unflushed_policy unflushed;
	uint64_t unflushed_limit;
	struct fingerprint_settings fingerprint;
	/* 0: never. */
	uint64_t give_up_after;
	uint64_t probe_interval;
	/* How often a preferred endpoint is looked for. */
	uint64_t return_interval;
	struct id_list allow_users;
	struct id_list allow_groups;
	struct id_list read_only_users;
	struct tls_settings tls;
};

/* [Daemon]. Times in ns, sizes in bytes. */
struct daemon_settings {
	char *listen;
	/* NULL: the directory that LISTEN is in. */
	char *runtime_directory;
	unsigned io_threads;
	uint64_t request_timeout;
	uint64_t connect_timeout;
	uint64_t drain_timeout;
	struct id_list ad_hoc_users;
	/* LIBNBD_ALLOW_TRANSPORT_* bits. */
	uint32_t ad_hoc_transports;
	/* syslog's numbers: LOG_DEBUG is 7. */
	int log_level;
	/* Requests that take longer are logged; 0: none. */
	uint64_t slow_request;
	/* HOST:PORT of the loopback interface, or NULL. */
	char *metrics_listen;
	unsigned max_clients;
	/* Of one client: */
	unsigned max_calls;
	unsigned max_requests;
	uint64_t max_bytes;
	unsigned max_sessions;
	unsigned max_ad_hoc_volumes;
	/* Of all clients of one user who is no administrator: */
	unsigned max_clients_of_user;
	unsigned max_sessions_of_user;
	unsigned max_requests_of_user;
	uint64_t max_bytes_of_user;
	/* The largest message that the RPC layer takes. */
	uint64_t max_message;
};

struct configuration {
	atomic_uint references;
	struct daemon_settings daemon;
	/* In order of name. */
	struct volume_settings **volumes;
	size_t n_volumes;
};

/* All defaults, no volumes, one reference; NULL with errno ENOMEM. */
struct configuration *configuration_new(void);
struct configuration *configuration_ref(struct configuration *configuration);
/* NULL is allowed. */
void configuration_unref(struct configuration *configuration);

/* A volume with defaults; NULL with errno ENOMEM. */
struct volume_settings *volume_settings_new(const char *name);
struct volume_settings *volume_settings_ref(struct volume_settings *settings);
/* NULL is allowed. */
void volume_settings_unref(struct volume_settings *settings);

/* 0 or -ENOMEM: adds SETTINGS, whose reference is taken in any case. */
int configuration_add_volume(struct configuration *configuration,
			     struct volume_settings *settings);
/* The settings of the volume of that name, or NULL. */
struct volume_settings *
configuration_find_volume(const struct configuration *configuration,
			  const char *name);

/* Do the two ask for the same connections? Who may use a volume may differ,
 * and which requests are slow: that is looked up anew for each request. */
bool volume_settings_same_connections(const struct volume_settings *a,
				      const struct volume_settings *b);
/* Do they name the same servers, in the same order? */
bool volume_settings_same_servers(const struct volume_settings *a,
				  const struct volume_settings *b);
bool volume_settings_are_equal(const struct volume_settings *a,
			       const struct volume_settings *b);

/* Volume names match [A-Za-z0-9_.-]{1,64}. */
bool volume_name_is_valid(const char *name);
