/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Filters of BLOCK_STATUS, kept in the form in which they travel: servers
 * number contexts as they like, so there is no better one.
 */
#include "client-lib/engine/filter.h"

#include <errno.h>
#include <stdlib.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/handle.h"
#include "common/byteorder.h"
#include "common/checked.h"
#include "common/hints.h"

enum {
	LENGTH_SIZE = 8,
	ID_SIZE = 4,
};

size_t
filter_size(const struct filter *filter)
{
	if (!filter->payload)
		return 0;
	return LENGTH_SIZE + filter->n_contexts * ID_SIZE;
}

bool
filter_has(const struct filter *filter, uint32_t id)
{
	if (!filter->payload)
		return true;
	for (size_t i = 0; i < filter->n_contexts; i++)
		if (load_be32(filter->payload + LENGTH_SIZE + i * ID_SIZE) ==
		    id)
			return true;
	return false;
}

/* Room for a filter of all of CONTEXTS, or NULL with the error recorded. */
static uint8_t *
new_payload(char *const *contexts)
{
	size_t n = 0;
	size_t size;
	uint8_t *payload = NULL;

	while (contexts[n])
		n++;
	if (checked_mul_size(n, ID_SIZE, &size) &&
	    checked_add_size(size, LENGTH_SIZE, &size))
		payload = malloc(size);
	if (!payload)
		return fail_null(ENOMEM, "block-status: a filter of %zu names",
				 n);
	return payload;
}

COLD int
filter_build(struct filter *filter, const struct nbd_handle *h, uint64_t count,
	     char *const *contexts)
{
	*filter = (struct filter){ .payload = new_payload(contexts) };
	if (!filter->payload)
		return -1;
	store_be64(filter->payload, count);
	for (; *contexts; contexts++) {
		const struct meta_context *context =
			export_info_context_by_name(&h->export, *contexts);

		if (!context)
			return fail(EINVAL,
				    "block-status: the context '%s' was not "
				    "negotiated with the server",
				    *contexts);
		/* Servers refuse a filter that names one twice. */
		if (filter_has(filter, context->id))
			continue;
		store_be32(filter->payload + filter_size(filter), context->id);
		filter->n_contexts++;
	}
	return 0;
}

void
filter_done(struct filter *filter)
{
	free(filter->payload);
	*filter = (struct filter){ 0 };
}
