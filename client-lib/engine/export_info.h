/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the server said about an export: size, flags, block sizes, names and
 * the metadata contexts that were selected on it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct meta_context {
	uint32_t id;
	char *name;
};

struct export_info {
	uint64_t size;
	uint16_t flags; /* NBD_FLAG_*; 0 until the server described an export */
	uint32_t block_minimum;   /* the three are 0 */
	uint32_t block_preferred; /* if the server */
	uint32_t block_maximum;   /* said nothing usable */
	uint32_t payload_cap;     /* longest write; 0 while flags is 0 */
	char *canonical_name;     /* NULL if not sent */
	char *description;        /* NULL if not sent */

	/* The result of the last SET_META_CONTEXT. It may be valid and empty. */
	bool contexts_valid;
	struct meta_context *contexts;
	size_t n_contexts;
};

/* Forgets everything except the contexts. */
void export_info_reset(struct export_info *export);

/* Forgets the contexts and marks them invalid. */
void export_info_reset_contexts(struct export_info *export);

/* Both: nothing is left to free. */
void export_info_done(struct export_info *export);

/* Takes size and transmission flags from the server. Flags whose conditions
 * are not met are masked off. 0, or -1 with the error recorded. */
int export_info_set_size(struct export_info *export, uint64_t size,
			 uint16_t flags, bool structured_replies,
			 bool extended_headers);

/* Takes the three block sizes if they make sense together; says whether. */
bool export_info_set_block_sizes(struct export_info *export, uint32_t minimum,
				 uint32_t preferred, uint32_t maximum);

/* Adds a selected context. 0 added, 1 known already and ignored, -1 with the
 * error recorded: out of memory, or an ID that has another name already. */
int export_info_add_context(struct export_info *export, uint32_t id,
			    const void *name, size_t length);

/* The context with this id or name, or NULL. */
const struct meta_context *
export_info_context_by_id(const struct export_info *export, uint32_t id);
const struct meta_context *
export_info_context_by_name(const struct export_info *export, const char *name);
