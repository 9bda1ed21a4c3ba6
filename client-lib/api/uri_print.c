/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd_get_uri(): the URI that leads to where a handle is connected.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libnbd.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client-lib/api/guard.h"
#include "client-lib/api/uri_parse.h"
#include "common/strings.h"

/* Where a connection leads, as text. */
struct target {
	enum uri_transport transport;
	char host[NI_MAXHOST]; /* of TCP and vsock */
	char port[NI_MAXSERV];
	char socket[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
};

/* What may stand unescaped everywhere, and besides in one place. */
static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "abcdefghijklmnopqrstuvwxyz"
				 "0123456789-._~";
static const char allowed_in_user[] = "!$'()*,;:";
static const char allowed_in_path[] = "!$&'()*,;@=+/";
static const char allowed_in_query[] = "!$'()*,@:/";

static void
append_escaped(struct string_builder *builder, const char *text,
	       const char *allowed)
{
	for (; *text; text++) {
		if (strchr(unreserved, *text) || strchr(allowed, *text))
			string_builder_append_bytes(builder, text, 1);
		else
			string_builder_printf(builder, "%%%02X",
					      (unsigned char)*text);
	}
}

static int
target_of_unix(struct target *target, const struct sockaddr_un *address)
{
	if (!address->sun_path[0])
		return fail(EPROTONOSUPPORT,
			    "an abstract unix socket has no URI");
	target->transport = URI_UNIX;
	memcpy(target->socket, address->sun_path, sizeof(address->sun_path));
	return 0;
}

static void
target_of_vsock(struct target *target, const struct sockaddr_vm *address)
{
	target->transport = URI_VSOCK;
	snprintf(target->host, sizeof(target->host), "%u", address->svm_cid);
	snprintf(target->port, sizeof(target->port), "%u", address->svm_port);
}

static int
target_of_inet(struct target *target, const struct connect *connect)
{
	int error = getnameinfo((const struct sockaddr *)&connect->address,
				connect->address_length, target->host,
				sizeof(target->host), target->port,
				sizeof(target->port),
				NI_NUMERICHOST | NI_NUMERICSERV);

	target->transport = URI_TCP;
	if (error)
		return fail(0, "getnameinfo: %s", gai_strerror(error));
	return 0;
}

static int
target_of_address(struct target *target, const struct connect *connect)
{
	const void *address = &connect->address;

	switch (connect->address.ss_family) {
	case AF_UNIX:
		return target_of_unix(target, address);
	case AF_VSOCK:
		target_of_vsock(target, address);
		return 0;
	case AF_INET:
	case AF_INET6:
		return target_of_inet(target, connect);
	}
	return fail(EAFNOSUPPORT, "address family %d has no URI",
		    connect->address.ss_family);
}

static int
target_of(struct target *target, const struct connect *connect)
{
	*target = (struct target){ .transport = URI_TCP };
	if (connect->host) {
		snprintf(target->host, sizeof(target->host), "%s",
			 connect->host);
		snprintf(target->port, sizeof(target->port), "%s",
			 connect->port);
		return 0;
	}
	if (connect->address_length)
		return target_of_address(target, connect);
	return fail(EINVAL, "cannot construct a URI for this connection type");
}

/* A parser of URIs takes only digits for a port, and not all numbers that a
 * vsock may have; zero stands for none, and zeroes in front are lost. */
static bool
is_port_of_uri(const char *port)
{
	size_t length = strlen(port);

	return port[0] != '0' && length <= 5 &&
	       strspn(port, "0123456789") == length;
}

static void
append_host(struct string_builder *builder, const char *host)
{
	if (!strchr(host, ':')) {
		append_escaped(builder, host, "");
		return;
	}
	/* The sign before the zone of an address is escaped: RFC 6874. */
	string_builder_append(builder, "[");
	append_escaped(builder, host, ":");
	string_builder_append(builder, "]");
}

static void
append_authority(struct string_builder *builder, const struct nbd_handle *h,
		 const struct target *target)
{
	if (h->config.tls_username) {
		append_escaped(builder, h->config.tls_username,
			       allowed_in_user);
		string_builder_append(builder, "@");
	}
	append_host(builder, target->host);
	if (target->port[0] && is_port_of_uri(target->port))
		string_builder_printf(builder, ":%s", target->port);
}

struct query {
	struct string_builder *builder;
	char separator; /* before the next parameter */
};

static void
append_parameter(struct query *query, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	string_builder_printf(query->builder, "%c%s=", query->separator, key);
	append_escaped(query->builder, value, allowed_in_query);
	query->separator = '&';
}

static void
append_query(struct string_builder *builder, const struct config *config,
	     const struct target *target)
{
	struct query query = { builder, '?' };

	append_parameter(&query, "socket", target->socket);
	append_parameter(&query, "nbd-port",
			 is_port_of_uri(target->port) ? NULL : target->port);
	append_parameter(&query, "tls-certificates", config->tls_certificates);
	append_parameter(&query, "tls-psk-file", config->tls_psk_file);
	append_parameter(&query, "tls-hostname", config->tls_hostname);
	append_parameter(&query, "tls-priority", config->tls_priority);
	append_parameter(&query, "tls-verify-peer",
			 config->tls_verify_peer ? NULL : "false");
}

char *
nbd_get_uri(struct nbd_handle *h)
{
	API_CALL(call, h);
	CLEANUP(string_builder_done)
	struct string_builder builder = STRING_BUILDER_INIT;
	CLEANUP_FREE char *text = NULL;
	struct target target;
	bool is_tls = h->config.tls == LIBNBD_TLS_REQUIRE || h->negotiated.tls;

	if (!api_permit(&call,
			CONNECTING | NEGOTIATING | CONNECTED | CLOSED | DEAD))
		return NULL;
	if (target_of(&target, &h->connect) < 0)
		return NULL;

	string_builder_printf(&builder, "%s://",
			      uri_find_scheme(target.transport, is_tls)->name);
	append_authority(&builder, h, &target);
	string_builder_append(&builder, "/");
	append_escaped(&builder, config_string(h->config.export_name),
		       allowed_in_path);
	append_query(&builder, &h->config, &target);
	text = string_builder_take(&builder);
	if (!text)
		return fail_null(ENOMEM, "URI of the connection");
	(void)api_return_text(&call, text);
	return TAKE_PTR(text);
}
