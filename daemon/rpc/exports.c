/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A list of exports as a server told it. */
#include "daemon/rpc/exports.h"

#include <errno.h>
#include <stdlib.h>

#include "common/strings.h"

int
exports_copy(struct exports *exports, const struct export_info *infos, size_t n)
{
	exports_done(exports);
	exports->exports = calloc(n + 1, sizeof(*exports->exports));
	if (!exports->exports)
		return -ENOMEM;
	for (; exports->n < n; exports->n++)
		if (export_info_copy(&exports->exports[exports->n].info,
				     &infos[exports->n]) < 0)
			return -ENOMEM;
	return 0;
}

int
exports_describe(struct exports *exports, size_t index,
		 const struct export_info *info)
{
	struct listed_export *listed = &exports->exports[index];
	struct export_info described = { 0 };

	if (export_info_copy(&described, info) < 0)
		return -ENOMEM;
	/* A description is in the listing alone, with many servers. */
	if (!described.description)
		(void)string_replace(&described.description,
				     listed->info.description);
	export_info_done(&listed->info);
	listed->info = described;
	listed->is_described = true;
	return 0;
}

int
exports_set_contexts(struct exports *exports, size_t index,
		     const struct string_list *contexts)
{
	struct string_list *list = &exports->exports[index].info.contexts;

	string_list_done(list);
	for (size_t i = 0; i < contexts->n_items; i++)
		if (string_list_append(list, contexts->items[i]) < 0)
			return -ENOMEM;
	return 0;
}

void
exports_leave(struct exports *exports, size_t index, const char *detail)
{
	/* Without memory the detail is left out, no more. */
	(void)string_replace(&exports->exports[index].detail, detail);
}

int
exports_to_messages(struct exports *exports)
{
	free(exports->messages);
	free(exports->pointers);
	exports->messages = calloc(exports->n + 1, sizeof(*exports->messages));
	exports->pointers = calloc(exports->n + 1, sizeof(void *));
	if (!exports->messages || !exports->pointers)
		return -ENOMEM;
	for (size_t i = 0; i < exports->n; i++) {
		struct listed_export *listed = &exports->exports[i];
		struct export_message *message = &exports->messages[i];

		if (listed->is_described)
			export_message_init(message, &listed->info);
		else
			export_message_init_incomplete(message, &listed->info,
						       listed->detail);
		exports->pointers[i] = &message->export;
	}
	return 0;
}

void
exports_done(struct exports *exports)
{
	for (size_t i = 0; i < exports->n; i++) {
		export_info_done(&exports->exports[i].info);
		free(exports->exports[i].detail);
	}
	free(exports->exports);
	free(exports->messages);
	free(exports->pointers);
	*exports = (struct exports){ 0 };
}
