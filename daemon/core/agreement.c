/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Comparing what two connections say of one export. */
#include "daemon/core/agreement.h"

#include <stddef.h>
#include <string.h>

static bool
same_flags(const struct export_info *a, const struct export_info *b)
{
	return a->can_flush == b->can_flush && a->can_fua == b->can_fua &&
	       a->can_trim == b->can_trim && a->can_zero == b->can_zero &&
	       a->can_fast_zero == b->can_fast_zero &&
	       a->can_cache == b->can_cache &&
	       a->can_multi_conn == b->can_multi_conn;
}

static bool
same_contexts(const struct string_list *a, const struct string_list *b)
{
	if (a->n_items != b->n_items)
		return false;
	for (size_t i = 0; i < a->n_items; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

const char *
agreement_difference(const struct export_info *a, const struct export_info *b)
{
	if (a->size != b->size)
		return "size";
	if (a->is_read_only != b->is_read_only)
		return "read-only flag";
	if (!same_flags(a, b))
		return "set of flags";
	if (a->block_minimum != b->block_minimum ||
	    a->block_preferred != b->block_preferred ||
	    a->block_maximum != b->block_maximum)
		return "set of block sizes";
	if (!same_contexts(&a->contexts, &b->contexts))
		return "set of metadata contexts";
	return NULL;
}
