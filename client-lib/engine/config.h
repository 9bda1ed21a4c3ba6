/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the user asked for before connecting: every setting of a handle, with
 * the defaults of the public API.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client-lib/stream/tls_memory.h"
#include "common/strings.h"

/* Strings are owned; NULL means "not set" and reads as "". */
struct config {
	char *export_name;
	bool opt_mode;
	bool full_info;
	bool request_block_size;
	bool request_structured_replies;
	bool request_extended_headers;
	bool request_meta_context;
	bool pread_initialize;
	uint32_t strict;          /* LIBNBD_STRICT_* */
	uint32_t handshake_flags; /* LIBNBD_HANDSHAKE_FLAG_* allowed */
	struct string_list meta_contexts;
	char *socket_activation_name;
	int address_family; /* of names: AF_UNSPEC or one */
	/* Of subprocesses: the strings, and all of them for execve(2); NULL
	 * is our own. */
	struct string_list environment;
	char **environment_vector;

	int tls; /* LIBNBD_TLS_* */
	bool tls_verify_peer;
	char *tls_certificates;
	char *tls_username;
	char *tls_hostname;
	char *tls_psk_file;
	char *tls_priority;
	struct tls_memory tls_memory; /* comes before files */

	uint32_t uri_allow_transports; /* LIBNBD_ALLOW_TRANSPORT_* */
	int uri_allow_tls;             /* LIBNBD_TLS_* */
	bool uri_allow_local_file;
	bool uri_allow_tls_priority;
};

void config_init(struct config *config);
void config_done(struct config *config);

/* TEXT, or "" for NULL: how unset strings read. */
static inline const char *
config_string(const char *text)
{
	return text ? text : "";
}
