/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where to connect to and with which credentials. Immutable, counted by
 * reference; any thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/config/configuration.h"

struct nbd_handle;

struct endpoint {
	atomic_uint references;
	/* The NBD URI, also of the socket of a child. */
	char *uri;
	/* The socket of a child of ours, else NULL. */
	char *socket_path;
	struct tls_settings tls;
	/* LIBNBD_ALLOW_TRANSPORT_* bits. */
	uint32_t transports;
	/* It comes from the administrator, who may name files of keys. */
	bool may_name_files;
};

/* An endpoint with one reference, or NULL with errno ENOMEM. */
struct endpoint *endpoint_new_configured(const char *uri,
					 const struct tls_settings *tls);
struct endpoint *endpoint_new_ad_hoc(const char *uri, uint32_t transports);
struct endpoint *endpoint_new_socket(const char *path);
struct endpoint *endpoint_ref(struct endpoint *endpoint);
/* NULL is allowed. */
void endpoint_unref(struct endpoint *endpoint);

/* May endpoint_connect() wait, because a name must be looked up? */
bool endpoint_needs_lookup(const struct endpoint *endpoint);

/* Sets a fresh handle up. 0, or -1 as the library's functions do. */
int endpoint_prepare(const struct endpoint *endpoint, struct nbd_handle *nbd);
/* Starts connecting it; the same results. */
int endpoint_connect(const struct endpoint *endpoint, struct nbd_handle *nbd);
