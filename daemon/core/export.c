/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies of what a server says of an export. */
#include "daemon/core/export.h"

#include <errno.h>
#include <stdlib.h>

static int
copy_list(struct string_list *to, const struct string_list *from)
{
	for (size_t i = 0; i < from->n_items; i++)
		if (string_list_append(to, from->items[i]) < 0)
			return -1;
	return 0;
}

int
export_info_copy(struct export_info *to, const struct export_info *from)
{
	struct export_info copy = *from;

	copy.name = NULL;
	copy.canonical_name = NULL;
	copy.description = NULL;
	copy.contexts = (struct string_list){ 0 };
	if (string_replace(&copy.name, from->name) < 0 ||
	    string_replace(&copy.canonical_name, from->canonical_name) < 0 ||
	    string_replace(&copy.description, from->description) < 0 ||
	    copy_list(&copy.contexts, &from->contexts) < 0) {
		export_info_done(&copy);
		return -ENOMEM;
	}
	export_info_done(to);
	*to = copy;
	return 0;
}

void
export_info_done(struct export_info *info)
{
	free(info->name);
	free(info->canonical_name);
	free(info->description);
	string_list_done(&info->contexts);
	*info = (struct export_info){ 0 };
}
