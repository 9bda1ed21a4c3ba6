/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Option negotiation on a connection, and what it brings. */
#include <errno.h>
#include <libnbd.h>
#include <stdlib.h>

#include "daemon/core/connection_private.h"
#include "daemon/core/session.h"

/* A server may list contexts without end. */
#define MAX_CONTEXTS 1000

void
listing_done(struct listing *listing)
{
	for (size_t i = 0; i < listing->n_exports; i++)
		export_info_done(&listing->exports[i]);
	free(listing->exports);
	string_list_done(&listing->contexts);
	*listing = (struct listing){ 0 };
}

static int
on_option_complete(void *user, int *error)
{
	struct connection *connection = user;

	connection->option_is_answered = true;
	connection->option_errnum = *error;
	return 1;
}

static nbd_completion_callback
completion(struct connection *connection)
{
	return (nbd_completion_callback){ .callback = on_option_complete,
					  .user_data = connection };
}

static int
on_listed_export(void *user, const char *name, const char *description)
{
	struct listing *listing = user;
	struct export_info *info;

	if (listing->n_exports >= SESSION_MAX_EXPORTS) {
		listing->is_truncated = true;
		return 0;
	}
	if (listing->n_exports == listing->capacity) {
		size_t capacity = listing->capacity ? listing->capacity * 2 : 8;
		void *grown = reallocarray(listing->exports, capacity,
					   sizeof(*listing->exports));

		if (!grown) {
			listing->is_truncated = true;
			return 0;
		}
		listing->exports = grown;
		listing->capacity = capacity;
	}
	info = &listing->exports[listing->n_exports];
	*info = (struct export_info){ 0 };
	if (string_replace(&info->name, name) < 0 ||
	    (*description &&
	     string_replace(&info->description, description) < 0)) {
		export_info_done(info);
		listing->is_truncated = true;
		return 0;
	}
	listing->n_exports++;
	return 0;
}

static int
on_listed_context(void *user, const char *name)
{
	struct listing *listing = user;

	if (listing->contexts.n_items >= MAX_CONTEXTS ||
	    string_list_append(&listing->contexts, name) < 0)
		listing->is_truncated = true;
	return 0;
}

static int
begin(struct connection *connection, const char *export)
{
	listing_done(&connection->listing);
	connection->option_is_answered = false;
	connection->option_errnum = 0;
	return export ? nbd_set_export_name(connection->nbd, export) : 0;
}

static int
begun(struct connection *connection, int r)
{
	if (r < 0)
		return -1;
	connection_set_phase(connection, PHASE_OPTION);
	connection_touch(connection);
	return 0;
}

static int
set_contexts(struct connection *connection, const struct string_list *contexts)
{
	if (nbd_clear_meta_contexts(connection->nbd) < 0)
		return -1;
	for (size_t i = 0; contexts && i < contexts->n_items; i++)
		if (nbd_add_meta_context(connection->nbd, contexts->items[i]) <
		    0)
			return -1;
	return 0;
}

int
connection_option_list(struct connection *connection)
{
	nbd_list_callback listed = { .callback = on_listed_export,
				     .user_data = &connection->listing };

	if (begin(connection, NULL) < 0)
		return -1;
	return begun(connection, nbd_aio_opt_list(connection->nbd, listed,
						  completion(connection)));
}

int
connection_option_info(struct connection *connection, const char *export)
{
	if (begin(connection, export) < 0 || set_contexts(connection, NULL) < 0)
		return -1;
	return begun(connection,
		     nbd_aio_opt_info(connection->nbd, completion(connection)));
}

int
connection_option_contexts(struct connection *connection, const char *export,
			   const struct string_list *queries)
{
	nbd_context_callback listed = { .callback = on_listed_context,
					.user_data = &connection->listing };

	if (begin(connection, export) < 0 ||
	    set_contexts(connection, queries) < 0)
		return -1;
	return begun(connection,
		     nbd_aio_opt_list_meta_context(connection->nbd, listed,
						   completion(connection)));
}

int
connection_option_go(struct connection *connection, const char *export,
		     const struct string_list *contexts)
{
	struct string_list copy = { 0 };
	int r = 0;

	/* CONTEXTS may be the listing, which begin() empties. */
	for (size_t i = 0; contexts && i < contexts->n_items; i++)
		if (string_list_append(&copy, contexts->items[i]) < 0)
			break;
	if (begin(connection, export) < 0 ||
	    set_contexts(connection, &copy) < 0)
		r = -1;
	string_list_done(&copy);
	if (r < 0)
		return -1;
	return begun(connection,
		     nbd_aio_opt_go(connection->nbd, completion(connection)));
}

static uint32_t
block_size(struct nbd_handle *nbd, int which)
{
	int64_t size = nbd_get_block_size(nbd, which);

	return size > 0 && size <= UINT32_MAX ? (uint32_t)size : 0;
}

static void
read_flags(struct nbd_handle *nbd, struct export_info *info)
{
	info->is_read_only = nbd_is_read_only(nbd) > 0;
	info->is_rotational = nbd_is_rotational(nbd) > 0;
	info->can_flush = nbd_can_flush(nbd) > 0;
	info->can_fua = nbd_can_fua(nbd) > 0;
	info->can_trim = nbd_can_trim(nbd) > 0;
	info->can_zero = nbd_can_zero(nbd) > 0;
	info->can_fast_zero = nbd_can_fast_zero(nbd) > 0;
	info->can_cache = nbd_can_cache(nbd) > 0;
	info->can_df = nbd_can_df(nbd) > 0;
	info->can_multi_conn = nbd_can_multi_conn(nbd) > 0;
	info->block_minimum = block_size(nbd, LIBNBD_SIZE_MINIMUM);
	info->block_preferred = block_size(nbd, LIBNBD_SIZE_PREFERRED);
	info->block_maximum = block_size(nbd, LIBNBD_SIZE_MAXIMUM);
}

/* Of the contexts that were asked for, those that we got. */
static int
read_contexts(struct nbd_handle *nbd, struct export_info *info)
{
	ssize_t n = nbd_get_nr_meta_contexts(nbd);

	for (ssize_t i = 0; i < n; i++) {
		char *name = nbd_get_meta_context(nbd, (size_t)i);
		int r = 0;

		if (!name)
			return -ENOMEM;
		if (nbd_can_meta_context(nbd, name) > 0)
			r = string_list_append(&info->contexts, name);
		free(name);
		if (r < 0)
			return -ENOMEM;
	}
	return 0;
}

int
connection_describe_export(struct connection *connection,
			   struct export_info *info)
{
	struct nbd_handle *nbd = connection->nbd;
	int64_t size = nbd_get_size(nbd);

	export_info_done(info);
	info->name = nbd_get_export_name(nbd);
	if (!info->name)
		return -ENOMEM;
	/* NULL where the server told none. */
	info->canonical_name = nbd_get_canonical_export_name(nbd);
	info->description = nbd_get_export_description(nbd);
	info->size = size > 0 ? (uint64_t)size : 0;
	read_flags(nbd, info);
	if (read_contexts(nbd, info) < 0) {
		export_info_done(info);
		return -ENOMEM;
	}
	return 0;
}
