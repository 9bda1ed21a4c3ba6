/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connecting to a URI: what the handle allows is checked first, then the
 * URI's settings are made, then one of the connect calls begins.
 */
#include <errno.h>
#include <libnbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client-lib/api/begin_connect.h"
#include "client-lib/api/guard.h"
#include "client-lib/api/uri_parse.h"
#include "client-lib/api/uri_ssh.h"
#include "client-lib/api/wait.h"
#include "client-lib/wire/protocol.h"
#include "common/strings.h"

enum {
	/* VMADDR_CID_HOST: the machine that runs this one. */
	DEFAULT_CID = 2,
};

static uint32_t
transport_bit(enum uri_transport transport)
{
	switch (transport) {
	case URI_TCP:
		return LIBNBD_ALLOW_TRANSPORT_TCP;
	case URI_UNIX:
		return LIBNBD_ALLOW_TRANSPORT_UNIX;
	case URI_VSOCK:
		return LIBNBD_ALLOW_TRANSPORT_VSOCK;
	case URI_SSH:
		return LIBNBD_ALLOW_TRANSPORT_SSH;
	}
	return 0;
}

static int
check_scheme(const struct config *config, const struct uri_scheme *scheme)
{
	if (!(config->uri_allow_transports & transport_bit(scheme->transport)))
		return fail(EPERM, "URI transport %s is not permitted",
			    scheme->name);
	if ((config->uri_allow_tls == LIBNBD_TLS_DISABLE && scheme->is_tls) ||
	    (config->uri_allow_tls == LIBNBD_TLS_REQUIRE && !scheme->is_tls))
		return fail(EPERM, "URI TLS setting %s is not permitted",
			    scheme->name);
	return 0;
}

static int
check_socket(const struct uri *uri)
{
	const char *path = uri_parameter(uri, "socket");

	switch (uri->scheme->transport) {
	case URI_UNIX:
		if (!path)
			return fail(EINVAL, "%s needs ?socket=PATH in the URI",
				    uri->scheme->name);
		break;
	case URI_TCP:
	case URI_VSOCK:
		if (path)
			return fail(EINVAL,
				    "%s does not go with ?socket=, which "
				    "needs %s",
				    uri->scheme->name,
				    uri->scheme->is_tls ? "nbds+unix"
							: "nbd+unix");
		break;
	case URI_SSH:
		break;
	}
	return 0;
}

static int
set_text(char **field, const char *value)
{
	return string_replace(field, value) < 0 ? fail(errno, "strdup") : 0;
}

/* A local file whose content the URI would make us use. */
static int
set_local_file(const struct config *config, char **field,
	       const struct uri_parameter *parameter)
{
	if (!config->uri_allow_local_file)
		return fail(EPERM,
			    "local file access (%s) is not allowed, call "
			    "nbd_set_uri_allow_local_file to enable this",
			    parameter->key);
	return set_text(field, parameter->value);
}

static int
set_priority(struct config *config, const char *value)
{
	if (!config->uri_allow_tls_priority)
		return fail(EPERM, "tls-priority is not allowed in a URI, "
				   "call nbd_set_uri_allow_tls_priority to "
				   "enable this");
	return set_text(&config->tls_priority, value);
}

/* What one parameter of the query does; unknown ones do nothing. */
static int
apply_parameter(struct config *config, const struct uri_parameter *parameter)
{
	const char *key = parameter->key;
	const char *value = parameter->value;
	bool ignored;

	if (strcasecmp(key, "tls-certificates") == 0)
		return set_local_file(config, &config->tls_certificates,
				      parameter);
	if (strcasecmp(key, "tls-psk-file") == 0)
		return set_local_file(config, &config->tls_psk_file, parameter);
	if (strcasecmp(key, "tls-hostname") == 0)
		return set_text(&config->tls_hostname, value);
	if (strcasecmp(key, "tls-priority") == 0)
		return set_priority(config, value);
	if (strcasecmp(key, "tls-username") == 0)
		return set_text(&config->tls_username, value);
	if (strcasecmp(key, "tls-verify-peer") == 0)
		return uri_parse_bool("tls-verify-peer", value,
				      &config->tls_verify_peer);
	if (strcasecmp(key, "compress") == 0)
		return uri_parse_bool("compress", value, &ignored);
	return 0;
}

static int
apply_user(struct config *config, const struct uri *uri)
{
	if (!uri->user || uri_parameter(uri, "tls-username"))
		return 0;
	return set_text(&config->tls_username, uri->user);
}

/* Makes the settings the URI asks for. */
static int
apply_settings(struct nbd_handle *h, const struct uri *uri)
{
	struct config *config = &h->config;

	if (uri->scheme->is_tls)
		config->tls = LIBNBD_TLS_REQUIRE;
	for (size_t i = 0; i < uri->n_parameters; i++)
		if (apply_parameter(config, &uri->parameters[i]) < 0)
			return -1;
	if (apply_user(config, uri) < 0)
		return -1;
	if (strlen(uri->export_name) > NBD_MAX_STRING)
		return fail(ENAMETOOLONG,
			    "export name in URI: %zu bytes, the limit is %d",
			    strlen(uri->export_name), NBD_MAX_STRING);
	return set_text(&config->export_name, uri->export_name);
}

static int
begin_uri_tcp(struct nbd_handle *h, const struct uri *uri)
{
	const char *host = uri->host && *uri->host ? uri->host : "localhost";
	const char *port = uri_parameter(uri, "nbd-port");
	char buffer[16];

	if (!port) {
		snprintf(buffer, sizeof(buffer), "%d",
			 uri->port ? uri->port : NBD_DEFAULT_PORT);
		port = buffer;
	}
	return engine_connect_tcp(h, host, port);
}

/* A decimal number of 32 bits. */
static bool
parse_number(const char *text, uint32_t *result)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value > UINT32_MAX)
		return false;
	*result = (uint32_t)value;
	return true;
}

static int
begin_uri_vsock(struct nbd_handle *h, const struct uri *uri)
{
	const char *port_text = uri_parameter(uri, "nbd-port");
	uint32_t port = uri->port ? (uint32_t)uri->port : NBD_DEFAULT_PORT;
	uint32_t cid = DEFAULT_CID;

	if (uri->host && *uri->host && !parse_number(uri->host, &cid))
		return fail(EINVAL, "cannot parse vsock CID from NBD URI: %s",
			    uri->host);
	if (port_text && !parse_number(port_text, &port))
		return fail(EINVAL,
			    "cannot parse vsock nbd-port from NBD URI: %s",
			    port_text);
	return begin_connect_vsock(h, cid, port);
}

static int
begin_uri_transport(struct nbd_handle *h, const struct uri *uri)
{
	switch (uri->scheme->transport) {
	case URI_TCP:
		return begin_uri_tcp(h, uri);
	case URI_UNIX:
		return begin_connect_unix(h, uri_parameter(uri, "socket"));
	case URI_VSOCK:
		return begin_uri_vsock(h, uri);
	case URI_SSH:
		return begin_connect_ssh(h, uri);
	}
	return -1;
}

/* The part that both forms share; the state is START. */
static int
begin_connect_uri(struct nbd_handle *h, const char *text)
{
	CLEANUP(uri_done) struct uri uri = { 0 };

	if (uri_parse(&uri, text) < 0)
		return -1;
	if (check_scheme(&h->config, uri.scheme) < 0 || check_socket(&uri) < 0)
		return -1;
	if (apply_settings(h, &uri) < 0)
		return -1;
	return begin_uri_transport(h, &uri);
}

int
nbd_aio_connect_uri(struct nbd_handle *h, const char *uri)
{
	API_CALL(call, h, "uri=%s", trace_string(&call.trace, uri));

	if (!api_permit(&call, CREATED) || !API_GIVEN(uri))
		return -1;
	return api_return(&call, begin_connect_uri(h, uri));
}

int
nbd_connect_uri(struct nbd_handle *h, const char *uri)
{
	API_CALL(call, h, "uri=%s", trace_string(&call.trace, uri));

	if (!api_permit(&call, CREATED) || !API_GIVEN(uri))
		return -1;
	if (begin_connect_uri(h, uri) < 0)
		return -1;
	return api_return(&call, wait_until_connected(h));
}

int
nbd_is_uri(struct nbd_handle *h, const char *uri)
{
	API_CALL(call, h, "uri=%s", trace_string(&call.trace, uri));

	if (!API_GIVEN(uri))
		return -1;
	return api_return(&call, uri_has_scheme(uri));
}
