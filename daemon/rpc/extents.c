/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Extents, from the core's callbacks to messages. */
#include "daemon/rpc/extents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/request.h"
#include "proto/codec_free.h"

/* With 20 bytes each they fit a message of 4 MiB several times over. */
#define EXTENTS_MAX 65536

static struct extents_of_context *
find_context(const struct extents *extents, const char *context)
{
	for (size_t i = 0; i < extents->n_contexts; i++)
		if (strcmp(extents->contexts[i].context, context) == 0)
			return &extents->contexts[i];
	return NULL;
}

static struct extents_of_context *
add_context(struct extents *extents, const char *context, uint64_t offset)
{
	struct extents_of_context *grown = realloc(
		extents->contexts, (extents->n_contexts + 1) * sizeof(*grown));

	if (!grown)
		return NULL;
	extents->contexts = grown;
	grown += extents->n_contexts;
	*grown = (struct extents_of_context){ .context = strdup(context),
					      .offset = offset,
					      .end = offset };
	if (!grown->context)
		return NULL;
	extents->n_contexts++;
	return grown;
}

static bool
make_room(struct extents_of_context *to, size_t n)
{
	size_t capacity = to->capacity ? to->capacity : 64;
	struct request_extent *grown;

	while (capacity < to->n + n)
		capacity *= 2;
	if (capacity == to->capacity)
		return true;
	grown = realloc(to->extents, capacity * sizeof(*grown));
	if (!grown)
		return false;
	to->extents = grown;
	to->capacity = capacity;
	return true;
}

void
extents_add(struct extents *extents, const char *context, uint64_t offset,
	    const struct request_extent *added, size_t n)
{
	struct extents_of_context *to = find_context(extents, context);

	if (!to)
		to = add_context(extents, context, offset);
	if (!to) {
		extents->is_out_of_memory = true;
		return;
	}
	/* Beyond what was left out once, extents would not join. */
	if (offset != to->end)
		return;
	if (n > EXTENTS_MAX - extents->n_extents)
		n = EXTENTS_MAX - extents->n_extents;
	if (!make_room(to, n)) {
		extents->is_out_of_memory = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		to->extents[to->n++] = added[i];
		to->end += added[i].length;
	}
	extents->n_extents += n;
}

uint64_t
extents_covered(const struct extents *extents)
{
	uint64_t covered = extents->n_contexts > 0 ? UINT64_MAX : 0;

	for (size_t i = 0; i < extents->n_contexts; i++)
		if (extents->contexts[i].end < covered)
			covered = extents->contexts[i].end;
	return covered;
}

void
extents_cut(struct extents *extents, uint64_t end)
{
	for (size_t i = 0; i < extents->n_contexts; i++) {
		struct extents_of_context *of = &extents->contexts[i];

		while (of->n > 0 && of->end > end) {
			struct request_extent *last = &of->extents[of->n - 1];
			uint64_t start = of->end - last->length;

			if (start < end) {
				last->length = end - start;
				of->end = end;
				break;
			}
			of->end = start;
			of->n--;
			extents->n_extents--;
		}
	}
}

static Nbdclientd__V1__Extent *
extent_message(const struct request_extent *extent)
{
	Nbdclientd__V1__Extent *message = malloc(sizeof(*message));

	if (!message)
		return NULL;
	nbdclientd__v1__extent__init(message);
	message->length = extent->length;
	message->flags = extent->flags;
	return message;
}

static Nbdclientd__V1__ContextExtents *
context_message(const struct extents_of_context *of)
{
	Nbdclientd__V1__ContextExtents *message = malloc(sizeof(*message));

	if (!message)
		return NULL;
	nbdclientd__v1__context_extents__init(message);
	message->offset = of->offset;
	message->context = strdup(of->context);
	message->extents = calloc(of->n + 1, sizeof(void *));
	while (message->context && message->extents &&
	       message->n_extents < of->n) {
		Nbdclientd__V1__Extent *extent = extent_message(
			&of->extents[message->n_extents]);

		if (!extent)
			break;
		message->extents[message->n_extents++] = extent;
	}
	if (message->extents && message->n_extents == of->n)
		return message;
	codec_message_free(message);
	return NULL;
}

int
extents_to_messages(const struct extents *extents,
		    Nbdclientd__V1__ContextExtents ***messages, size_t *n)
{
	*n = 0;
	*messages = calloc(extents->n_contexts + 1, sizeof(**messages));
	while (*messages && !extents->is_out_of_memory &&
	       *n < extents->n_contexts) {
		(*messages)[*n] = context_message(&extents->contexts[*n]);
		if (!(*messages)[*n])
			break;
		++*n;
	}
	if (*messages && *n == extents->n_contexts &&
	    !extents->is_out_of_memory)
		return 0;
	extents_messages_free(*messages, *n);
	*messages = NULL;
	*n = 0;
	return -ENOMEM;
}

void
extents_messages_free(Nbdclientd__V1__ContextExtents **messages, size_t n)
{
	for (size_t i = 0; i < n; i++)
		codec_message_free(messages[i]);
	free(messages);
}

void
extents_done(struct extents *extents)
{
	for (size_t i = 0; i < extents->n_contexts; i++) {
		free(extents->contexts[i].context);
		free(extents->contexts[i].extents);
	}
	free(extents->contexts);
	*extents = (struct extents){ 0 };
}
