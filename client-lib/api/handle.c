/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a handle, what it keeps for its owner, its debug messages and
 * its statistics.
 */
#include <errno.h>
#include <libnbd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "client-lib/api/guard.h"
#include "client-lib/api/patience.h"

static bool
debug_is_wished(void)
{
	const char *value = getenv("LIBNBD_DEBUG");

	return value && strcmp(value, "1") == 0;
}

struct nbd_handle *
nbd_create(void)
{
	const char *outer_context = error_context();
	struct nbd_handle *h;

	error_set_context(__func__);
	h = handle_new();
	if (h) {
		h->magic = HANDLE_MAGIC;
		h->debug.is_enabled = debug_is_wished();
		api_publish(h);
		debug_log(&h->debug, "allocated the handle (%zu bytes)",
			  sizeof(*h));
	}
	error_set_context(outer_context);
	return h;
}

void
nbd_close(struct nbd_handle *h)
{
	const char *outer_context = error_context();

	if (!h)
		return;
	API_CALL_UNLOCKED(h);
	error_set_context(__func__);
	debug_log(&h->debug, "closing handle");
	/* What is yet to be said goes to standard error. */
	closure_release(h->debug.callback);
	patience_done(h);
	handle_free(h);
	error_set_context(outer_context);
}

const char *
nbd_get_error(void)
{
	return error_last_text();
}

int
nbd_get_errno(void)
{
	return error_last_errno();
}

int
nbd_set_handle_name(struct nbd_handle *h, const char *handle_name)
{
	API_CALL(call, h, "handle_name=%s",
		 trace_string(&call.trace, handle_name));

	if (!API_GIVEN(handle_name))
		return -1;
	if (string_replace(&h->debug.handle_name, handle_name) < 0)
		return fail(errno, "strdup");
	return api_return(&call, 0);
}

char *
nbd_get_handle_name(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return_copy(&call, h->debug.handle_name);
}

uintptr_t
nbd_set_private_data(struct nbd_handle *h, uintptr_t private_data)
{
	API_CALL_UNLOCKED(h);

	return atomic_exchange(&h->private_data, private_data);
}

uintptr_t
nbd_get_private_data(struct nbd_handle *h)
{
	API_CALL_UNLOCKED(h);

	return atomic_load(&h->private_data);
}

static size_t
text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

ssize_t
nbd_get_handle_size(struct nbd_handle *h)
{
	API_CALL(call, h);
	const struct config *config = &h->config;
	size_t size = sizeof(*h);

	size += text_size(h->debug.handle_name);
	size += text_size(config->export_name);
	size += text_size(config->socket_activation_name);
	size += text_size(config->tls_certificates);
	size += text_size(config->tls_username);
	size += text_size(config->tls_hostname);
	size += text_size(config->tls_psk_file);
	size += text_size(config->tls_priority);
	for (size_t i = 0; i < config->meta_contexts.n_items; i++)
		size += text_size(config->meta_contexts.items[i]);
	size += text_size(h->export.canonical_name);
	size += text_size(h->export.description);
	size += h->receive.buffer ? RECEIVE_BUFFER_SIZE : 0;
	size += h->transmit.staging ? TRANSMIT_STAGING_SIZE : 0;
	return api_return(&call, (ssize_t)size);
}

int
nbd_set_debug(struct nbd_handle *h, bool debug)
{
	API_CALL(call, h, "debug=%s", trace_bool(debug));

	h->debug.is_enabled = debug;
	return api_return(&call, 0);
}

int
nbd_get_debug(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->debug.is_enabled);
}

int
nbd_set_debug_callback(struct nbd_handle *h, nbd_debug_callback debug_callback)
{
	API_CALL(call, h, "debug=%s", trace_closure(debug_callback));
	OWN_CLOSURE(debug, debug, debug_callback);

	if (!API_GIVEN_CLOSURE(debug))
		return -1;
	debug_set_callback(&h->debug, TAKE_CLOSURE(debug));
	return api_return(&call, 0);
}

int
nbd_clear_debug_callback(struct nbd_handle *h)
{
	API_CALL(call, h);

	closure_release(h->debug.callback);
	return api_return(&call, 0);
}

uint64_t
nbd_stats_bytes_sent(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->stats.bytes_sent);
}

uint64_t
nbd_stats_chunks_sent(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->stats.chunks_sent);
}

uint64_t
nbd_stats_bytes_received(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->stats.bytes_received);
}

uint64_t
nbd_stats_chunks_received(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->stats.chunks_received);
}
