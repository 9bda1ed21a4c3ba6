/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The settings of a connection, except those of TLS and URIs: check, store,
 * read back. The engine reads them when it needs them.
 */
#include <errno.h>
#include <libnbd.h>
#include <string.h>

#include "client-lib/api/guard.h"
#include "client-lib/wire/protocol.h"
#include "common/strings.h"

enum {
	SOCKET_ACTIVATION_NAME_MAX = 32,
};

int
nbd_set_export_name(struct nbd_handle *h, const char *export_name)
{
	API_CALL(call, h, "export_name=%s",
		 trace_string(&call.trace, export_name));

	if (!api_permit(&call, CREATED | NEGOTIATING))
		return -1;
	if (!API_GIVEN(export_name))
		return -1;
	if (strlen(export_name) > NBD_MAX_STRING)
		return fail(ENAMETOOLONG,
			    "export name too long for NBD protocol: %zu bytes, "
			    "the limit is %d",
			    strlen(export_name), NBD_MAX_STRING);
	if (strcmp(config_string(h->config.export_name), export_name) == 0)
		return api_return(&call, 0);
	if (string_replace(&h->config.export_name, export_name) < 0)
		return fail(errno, "strdup");

	/* What was learned is about the former export. */
	export_info_reset(&h->export);
	export_info_reset_contexts(&h->export);
	return api_return(&call, 0);
}

char *
nbd_get_export_name(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return_copy(&call, config_string(h->config.export_name));
}

int
nbd_set_opt_mode(struct nbd_handle *h, bool enable)
{
	API_CALL(call, h, "enable=%s", trace_bool(enable));

	if (!api_permit(&call, CREATED))
		return -1;
	h->config.opt_mode = enable;
	return api_return(&call, 0);
}

int
nbd_get_opt_mode(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->config.opt_mode);
}

int
nbd_set_full_info(struct nbd_handle *h, bool request)
{
	API_CALL(call, h, "request=%s", trace_bool(request));

	if (!api_permit(&call, CREATED | NEGOTIATING))
		return -1;
	h->config.full_info = request;
	return api_return(&call, 0);
}

int
nbd_get_full_info(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->config.full_info);
}

int
nbd_set_request_block_size(struct nbd_handle *h, bool request)
{
	API_CALL(call, h, "request=%s", trace_bool(request));

	if (!api_permit(&call, CREATED | NEGOTIATING))
		return -1;
	h->config.request_block_size = request;
	return api_return(&call, 0);
}

int
nbd_get_request_block_size(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->config.request_block_size);
}

int
nbd_set_request_structured_replies(struct nbd_handle *h, bool request)
{
	API_CALL(call, h, "request=%s", trace_bool(request));

	if (!api_permit(&call, CREATED))
		return -1;
	h->config.request_structured_replies = request;
	return api_return(&call, 0);
}

int
nbd_get_request_structured_replies(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->config.request_structured_replies);
}

int
nbd_set_request_extended_headers(struct nbd_handle *h, bool request)
{
	API_CALL(call, h, "request=%s", trace_bool(request));

	if (!api_permit(&call, CREATED))
		return -1;
	h->config.request_extended_headers = request;
	return api_return(&call, 0);
}

int
nbd_get_request_extended_headers(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->config.request_extended_headers);
}

int
nbd_set_request_meta_context(struct nbd_handle *h, bool request)
{
	API_CALL(call, h, "request=%s", trace_bool(request));

	if (!api_permit(&call, CREATED | NEGOTIATING))
		return -1;
	h->config.request_meta_context = request;
	return api_return(&call, 0);
}

int
nbd_get_request_meta_context(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->config.request_meta_context);
}

int
nbd_set_pread_initialize(struct nbd_handle *h, bool request)
{
	API_CALL(call, h, "request=%s", trace_bool(request));

	h->config.pread_initialize = request;
	return api_return(&call, 0);
}

int
nbd_get_pread_initialize(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->config.pread_initialize);
}

int
nbd_set_handshake_flags(struct nbd_handle *h, uint32_t flags)
{
	API_CALL(call, h, "flags=0x%x", flags);

	if (!api_permit(&call, CREATED))
		return -1;
	if (!api_flags_are_valid(flags, LIBNBD_HANDSHAKE_FLAG_MASK, "flags"))
		return -1;
	h->config.handshake_flags = flags;
	return api_return(&call, 0);
}

uint32_t
nbd_get_handshake_flags(struct nbd_handle *h)
{
	API_CALL(call, h);
	/* The protocol is known as soon as flags were agreed on. */
	bool is_agreed = h->negotiated.protocol;

	return api_return(&call, is_agreed ? h->negotiated.handshake_flags
					   : h->config.handshake_flags);
}

int
nbd_set_strict_mode(struct nbd_handle *h, uint32_t flags)
{
	API_CALL(call, h, "flags=0x%x", flags);

	if (!api_flags_are_valid(flags, LIBNBD_STRICT_MASK, "flags"))
		return -1;
	h->config.strict = flags;
	return api_return(&call, 0);
}

uint32_t
nbd_get_strict_mode(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->config.strict);
}

int
nbd_add_meta_context(struct nbd_handle *h, const char *name)
{
	API_CALL(call, h, "name=%s", trace_string(&call.trace, name));

	if (!api_permit(&call, CREATED | NEGOTIATING))
		return -1;
	if (!API_GIVEN(name))
		return -1;
	if (strlen(name) > NBD_MAX_STRING)
		return fail(ENAMETOOLONG,
			    "meta context name too long for NBD protocol: %zu "
			    "bytes, the limit is %d",
			    strlen(name), NBD_MAX_STRING);
	if (string_list_append(&h->config.meta_contexts, name) < 0)
		return fail(errno, "strdup");
	return api_return(&call, 0);
}

ssize_t
nbd_get_nr_meta_contexts(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, (ssize_t)h->config.meta_contexts.n_items);
}

char *
nbd_get_meta_context(struct nbd_handle *h, size_t i)
{
	API_CALL(call, h, "i=%zu", i);
	const struct string_list *list = &h->config.meta_contexts;

	if (i >= list->n_items)
		return fail_null(
			EINVAL,
			"meta context request %zu out of range: there are %zu",
			i, list->n_items);
	return api_return_copy(&call, list->items[i]);
}

int
nbd_clear_meta_contexts(struct nbd_handle *h)
{
	API_CALL(call, h);

	if (!api_permit(&call, CREATED | NEGOTIATING))
		return -1;
	string_list_done(&h->config.meta_contexts);
	return api_return(&call, 0);
}

static bool
is_ascii_alphanumeric(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z');
}

int
nbd_set_socket_activation_name(struct nbd_handle *h, const char *socket_name)
{
	API_CALL(call, h, "socket_name=%s",
		 trace_string(&call.trace, socket_name));

	if (!api_permit(&call, CREATED))
		return -1;
	if (!API_GIVEN(socket_name))
		return -1;
	if (strlen(socket_name) > SOCKET_ACTIVATION_NAME_MAX)
		return fail(
			ENAMETOOLONG,
			"socket activation name: %zu bytes, the limit is %d",
			strlen(socket_name), SOCKET_ACTIVATION_NAME_MAX);
	for (const char *c = socket_name; *c; c++)
		if (!is_ascii_alphanumeric(*c))
			return fail(EINVAL,
				    "socket activation name: only ASCII "
				    "letters and digits are allowed");
	if (string_replace(&h->config.socket_activation_name, socket_name) < 0)
		return fail(errno, "strdup");
	return api_return(&call, 0);
}

char *
nbd_get_socket_activation_name(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return_copy(&call,
			       config_string(h->config.socket_activation_name));
}
