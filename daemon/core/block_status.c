/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Collecting, cutting and delivering extents. */
#include "daemon/core/block_status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/export.h"

/* What one command brought for one context. */
struct context_extents {
	char *name;
	uint64_t offset;
	/* First byte that is not covered. */
	uint64_t end;
	struct request_extent *extents;
	size_t n_extents;
	size_t capacity;
};

struct extent_collection {
	struct context_extents *contexts;
	size_t n_contexts;
};

static bool
is_selected(const struct string_list *contexts, const char *name)
{
	for (size_t i = 0; i < contexts->n_items; i++)
		if (strcmp(contexts->items[i], name) == 0)
			return true;
	return false;
}

static int
check_contexts(struct request *request, const struct export_info *export)
{
	if (export->contexts.n_items == 0)
		return failure_set(&request->failure, EOPNOTSUPP,
				   FAILURE_NOT_SUPPORTED,
				   "block status: the server offers no "
				   "metadata contexts");
	for (size_t i = 0; i < request->contexts.n_items; i++)
		if (!is_selected(&export->contexts, request->contexts.items[i]))
			return failure_set(&request->failure, EINVAL,
					   FAILURE_INVALID,
					   "block status: the context '%s' is "
					   "not selected on this volume",
					   request->contexts.items[i]);
	return 0;
}

int
block_status_start(struct request *request, const struct export_info *export)
{
	const struct string_list *wanted = request->contexts.n_items > 0
						   ? &request->contexts
						   : &export->contexts;
	struct extent_collection *collection;
	int r = check_contexts(request, export);

	if (r < 0)
		return r;
	collection = calloc(1, sizeof(*collection));
	if (!collection)
		return -ENOMEM;
	request->collection = collection;
	collection->contexts = calloc(wanted->n_items,
				      sizeof(*collection->contexts));
	if (!collection->contexts)
		return -ENOMEM;
	for (size_t i = 0; i < wanted->n_items; i++) {
		if (string_replace(&collection->contexts[i].name,
				   wanted->items[i]) < 0)
			return -ENOMEM;
		collection->n_contexts++;
	}
	return 0;
}

void
block_status_reset(struct request *request)
{
	struct extent_collection *collection = request->collection;

	for (size_t i = 0; i < collection->n_contexts; i++) {
		collection->contexts[i].n_extents = 0;
		collection->contexts[i].end = 0;
	}
}

static int
append(struct context_extents *context, uint32_t length, uint32_t flags)
{
	if (context->n_extents == context->capacity) {
		size_t capacity = context->capacity ? context->capacity * 2
						    : 16;
		struct request_extent *extents = reallocarray(
			context->extents, capacity, sizeof(*extents));

		if (!extents)
			return -ENOMEM;
		context->extents = extents;
		context->capacity = capacity;
	}
	context->extents[context->n_extents++] = (struct request_extent){
		.length = length,
		.flags = flags,
	};
	context->end += length;
	return 0;
}

int
block_status_collect(struct request *request, const char *context,
		     uint64_t offset, const uint32_t *entries, size_t n)
{
	struct extent_collection *collection = request->collection;

	for (size_t i = 0; i < collection->n_contexts; i++) {
		struct context_extents *to = &collection->contexts[i];

		if (strcmp(to->name, context) != 0)
			continue;
		to->offset = offset;
		to->end = offset;
		to->n_extents = 0;
		for (size_t j = 0; j < n; j++)
			if (append(to, entries[2 * j], entries[2 * j + 1]) < 0)
				return -ENOMEM;
	}
	return 0;
}

/* Cuts the extents to [FROM, TO) and hands them on. */
static void
deliver(struct request *request, struct context_extents *context, uint64_t from,
	uint64_t to)
{
	uint64_t at = context->offset;
	size_t n = 0;

	for (size_t i = 0; i < context->n_extents; i++) {
		struct request_extent extent = context->extents[i];
		uint64_t begin = at > from ? at : from;
		uint64_t end = at + extent.length;

		at = end;
		if (end > to)
			end = to;
		if (end <= begin)
			continue;
		extent.length = end - begin;
		context->extents[n++] = extent;
	}
	if (n > 0 && request->on_extents)
		request->on_extents(request, context->name, from,
				    context->extents, n);
}

uint64_t
block_status_deliver(struct request *request)
{
	struct extent_collection *collection = request->collection;
	uint64_t from = request->offset;
	uint64_t to = request->offset + request->length;

	if (request->next_offset > from)
		from = request->next_offset;
	for (size_t i = 0; i < collection->n_contexts; i++)
		if (collection->contexts[i].end < to)
			to = collection->contexts[i].end;
	if (to <= from)
		return request->next_offset;
	for (size_t i = 0; i < collection->n_contexts; i++)
		deliver(request, &collection->contexts[i], from, to);
	return to;
}

void
block_status_done(struct request *request)
{
	struct extent_collection *collection = request->collection;

	if (!collection)
		return;
	for (size_t i = 0; i < collection->n_contexts; i++) {
		free(collection->contexts[i].name);
		free(collection->contexts[i].extents);
	}
	free(collection->contexts);
	free(collection);
	request->collection = NULL;
}
