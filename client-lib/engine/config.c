/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The settings of a handle: their defaults and their end. */
#include "client-lib/engine/config.h"

#include <libnbd.h>
#include <stdlib.h>
#include <sys/socket.h>

void
config_init(struct config *config)
{
	*config = (struct config){
		.request_block_size = true,
		.address_family = AF_UNSPEC,
		.request_structured_replies = true,
		.request_extended_headers = true,
		.request_meta_context = true,
		.pread_initialize = true,
		.strict = LIBNBD_STRICT_MASK,
		.handshake_flags = LIBNBD_HANDSHAKE_FLAG_MASK,
		.tls = LIBNBD_TLS_DISABLE,
		.tls_verify_peer = true,
		.uri_allow_transports = LIBNBD_ALLOW_TRANSPORT_MASK,
		.uri_allow_tls = LIBNBD_TLS_ALLOW,
	};
}

void
config_done(struct config *config)
{
	free(config->export_name);
	free(config->socket_activation_name);
	string_list_done(&config->meta_contexts);
	string_list_done(&config->environment);
	free(config->environment_vector);
	free(config->tls_certificates);
	free(config->tls_username);
	free(config->tls_hostname);
	free(config->tls_psk_file);
	free(config->tls_priority);
	tls_memory_done(&config->tls_memory);
	*config = (struct config){ 0 };
}
