/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a server says about an export is taken over only if it makes sense;
 * flags and sizes that contradict each other are dropped here, so that the
 * rest of the library can rely on them.
 */
#include "client-lib/engine/export_info.h"

#include <errno.h>
#include <libnbd.h>
#include <stdlib.h>
#include <string.h>

#include "client-lib/base/error.h"
#include "client-lib/wire/protocol.h"
#include "common/cleanup.h"

void
export_info_reset(struct export_info *export)
{
	free(export->canonical_name);
	free(export->description);
	*export = (struct export_info){
		.contexts_valid = export->contexts_valid,
		.contexts = export->contexts,
		.n_contexts = export->n_contexts,
	};
}

void
export_info_reset_contexts(struct export_info *export)
{
	for (size_t i = 0; i < export->n_contexts; i++)
		free(export->contexts[i].name);
	free(export->contexts);
	export->contexts = NULL;
	export->n_contexts = 0;
	export->contexts_valid = false;
}

void
export_info_done(struct export_info *export)
{
	export_info_reset(export);
	export_info_reset_contexts(export);
}

/* Writes are limited by what the server announced, but never to less than a
 * useful size, nor to more than our own limit. */
static uint32_t
payload_cap(uint32_t block_maximum)
{
	const uint32_t floor = UINT32_C(1) << 20;

	if (block_maximum == 0)
		return NBD_DEFAULT_PAYLOAD;
	if (block_maximum < floor)
		return floor;
	return block_maximum < NBD_MAX_REQUEST ? block_maximum
					       : NBD_MAX_REQUEST;
}

int
export_info_set_size(struct export_info *export, uint64_t size, uint16_t flags,
		     bool structured_replies, bool extended_headers)
{
	if (flags == 0)
		return fail(EINVAL,
			    "handshake: the server sent no transmission flags");
	if (!structured_replies)
		flags &= (uint16_t)~NBD_FLAG_SEND_DF;
	if (!extended_headers)
		flags &= (uint16_t)~NBD_FLAG_BLOCK_STATUS_PAYLOAD;
	if (!(flags & NBD_FLAG_SEND_WRITE_ZEROES))
		flags &= (uint16_t)~NBD_FLAG_SEND_FAST_ZERO;
	/* A server that clears the bit which says that flags were sent has
	 * sent them nevertheless; set, it makes the word non-zero. */
	export->flags = flags | NBD_FLAG_HAS_FLAGS;
	export->size = size;
	export->payload_cap = payload_cap(export->block_maximum);
	return 0;
}

static bool
is_power_of_two(uint32_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

bool
export_info_set_block_sizes(struct export_info *export, uint32_t minimum,
			    uint32_t preferred, uint32_t maximum)
{
	if (!is_power_of_two(minimum) || minimum > 65536 ||
	    !is_power_of_two(preferred) || preferred < 512 ||
	    preferred < minimum || maximum < preferred ||
	    (maximum % minimum != 0 && maximum != UINT32_MAX))
		return false;
	export->block_minimum = minimum;
	export->block_preferred = preferred;
	export->block_maximum = maximum;
	if (export->flags != 0)
		export->payload_cap = payload_cap(maximum);
	return true;
}

static const struct meta_context *
find_by_text(const struct export_info *export, const void *name, size_t length)
{
	for (size_t i = 0; i < export->n_contexts; i++) {
		const struct meta_context *context = &export->contexts[i];

		if (strlen(context->name) == length &&
		    memcmp(context->name, name, length) == 0)
			return context;
	}
	return NULL;
}

int
export_info_add_context(struct export_info *export, uint32_t id,
			const void *name, size_t length)
{
	CLEANUP_FREE char *copy = NULL;
	struct meta_context *contexts;

	if (find_by_text(export, name, length))
		return 1;
	if (export_info_context_by_id(export, id))
		return fail(EPROTO,
			    "handshake: the server uses context ID %u twice",
			    id);
	copy = strndup(name, length);
	contexts = reallocarray(export->contexts, export->n_contexts + 1,
				sizeof(*contexts));
	if (contexts)
		export->contexts = contexts;
	if (!copy || !contexts)
		return fail(ENOMEM, "handshake: remembering a meta context");
	contexts[export->n_contexts++] = (struct meta_context){
		.id = id,
		.name = TAKE_PTR(copy),
	};
	return 0;
}

const struct meta_context *
export_info_context_by_id(const struct export_info *export, uint32_t id)
{
	for (size_t i = 0; i < export->n_contexts; i++)
		if (export->contexts[i].id == id)
			return &export->contexts[i];
	return NULL;
}

const struct meta_context *
export_info_context_by_name(const struct export_info *export, const char *name)
{
	return find_by_text(export, name, strlen(name));
}
