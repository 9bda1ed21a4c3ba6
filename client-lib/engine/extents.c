/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Servers may describe more than was asked for, and broken ones less than
 * nothing. What is delivered begins at the request's offset, has no empty
 * extents, ends with the extent that covers the request, and stays inside the
 * export.
 */
#include "client-lib/engine/extents.h"

#include <errno.h>
#include <libnbd.h>
#include <stdlib.h>

#include "client-lib/base/closure.h"
#include "client-lib/engine/command.h"
#include "client-lib/engine/handle.h"
#include "client-lib/wire/protocol.h"

/* Lengths that an interface cannot carry are cut to a value that is a
 * multiple of every block size. */
static const uint64_t longest_narrow = (UINT64_C(1) << 32) - NBD_MAX_REQUEST;
static const uint64_t longest_wide = (UINT64_C(1) << 63) - NBD_MAX_REQUEST;

void
extents_begin(struct extents *extents, const struct nbd_handle *h,
	      const struct command *command, uint32_t context_id)
{
	extents->n_items = 0;
	extents->is_wide = command->has_extent64;
	extents->is_over = false;
	extents->error = 0;
	extents->asked = command->count;
	extents->room = command->offset < h->export.size
				? h->export.size - command->offset
				: 0;
	extents->length = 0;
	extents->context_id = context_id;
	extents->is_single = command->flags & NBD_CMD_FLAG_REQ_ONE;
	if (extents->is_single && command->count < extents->room)
		extents->room = command->count;
}

/* Grows with what really arrives, not with what was announced. */
static bool
reserve(struct extents *extents)
{
	size_t size = extents->is_wide ? sizeof(nbd_extent)
				       : 2 * sizeof(uint32_t);
	size_t needed = (extents->n_items + 1) * size;
	size_t capacity = extents->capacity ? extents->capacity * 2 : 4096;
	void *items;

	if (needed <= extents->capacity)
		return true;
	items = realloc(extents->items, capacity);
	if (!items)
		return false;
	extents->items = items;
	extents->capacity = capacity;
	return true;
}

static void
append(struct extents *extents, uint64_t length, uint64_t status)
{
	if (extents->is_wide) {
		nbd_extent *items = extents->items;

		items[extents->n_items].length = length;
		items[extents->n_items].flags = status;
	} else {
		uint32_t *items = extents->items;

		items[2 * extents->n_items] = (uint32_t)length;
		items[2 * extents->n_items + 1] = (uint32_t)status;
	}
	extents->n_items++;
	extents->length += length;
}

/* Nothing more is taken; without any extent the chunk is an error. */
static void
end(struct extents *extents, int error)
{
	extents->is_over = true;
	if (extents->n_items == 0)
		extents->error = error;
}

void
extents_take(struct extents *extents, uint64_t length, uint64_t status)
{
	uint64_t longest = extents->is_wide ? longest_wide : longest_narrow;
	uint64_t carried = extents->is_wide ? (uint64_t)INT64_MAX : UINT32_MAX;

	if (extents->is_over)
		return;
	if (length > extents->room - extents->length)
		length = extents->room - extents->length;
	if (length == 0) {
		end(extents, EPROTO);
		return;
	}
	if (!extents->is_wide && status > UINT32_MAX) {
		end(extents, EOVERFLOW);
		if (extents->n_items > 0)
			return;
	}
	if (length > carried) {
		length = longest;
		extents->is_over = true;
	}
	if (!reserve(extents)) {
		extents->error = ENOMEM;
		extents->is_over = true;
		return;
	}
	append(extents, length, status);
	if (extents->length >= extents->asked || extents->is_single)
		extents->is_over = true;
}

static int
call(struct extents *extents, struct command *command, const char *context,
     int *error)
{
	if (extents->is_wide)
		return CLOSURE_CALL(command->extent64, context, command->offset,
				    extents->items, extents->n_items, error);
	return CLOSURE_CALL(command->extent, context, command->offset,
			    extents->items, 2 * extents->n_items, error);
}

void
extents_deliver(struct extents *extents, struct command *command,
		const char *context)
{
	int error;

	if (extents->n_items == 0 && extents->error == 0)
		extents->error = EPROTO;
	if (extents->error)
		command_fail(command, extents->error);
	if (extents->n_items == 0)
		return;
	error = command->error;
	if (call(extents, command, context, &error) == -1)
		command_fail(command, error ? error : EPROTO);
}

void
extents_done(struct extents *extents)
{
	free(extents->items);
	*extents = (struct extents){ 0 };
}
