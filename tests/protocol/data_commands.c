/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line for each data command, and the callbacks they share. */
#include "tests/protocol/data_commands.h"

#include <string.h>

#include "tests/support/outcome.h"

static int
on_completion(void *user_data, int *error)
{
	struct command *command = user_data;

	command->n_completions++;
	command->completion_error = *error;
	command->n_bytes = command->run->player.n_sent;
	if (!command->retires_itself)
		return 0;
	command->is_retired = true;
	command->result = *error ? -1 : 1;
	command->errnum = *error;
	return 1;
}

static void
on_completion_free(void *user_data)
{
	struct command *command = user_data;

	command->n_completion_frees++;
}

static void
on_data_free(void *user_data)
{
	struct command *command = user_data;

	command->n_data_frees++;
}

/* What a data callback returns, as the transcript wants it. */
static int
answer(const struct command *command, int *error)
{
	if (command->callback_error == 0)
		return 0;
	*error = command->callback_error;
	return -1;
}

static int
on_chunk(void *user_data, const void *buffer, size_t count, uint64_t offset,
	 unsigned status, int *error)
{
	static const char *const kinds[] = { "?", "data", "hole", "error" };
	struct command *command = user_data;

	if (command->events.length > 0)
		string_builder_append(&command->events, "; ");
	string_builder_printf(&command->events, "%s %llu %zu",
			      kinds[status < 4 ? status : 0],
			      (unsigned long long)offset, count);
	if (status == LIBNBD_READ_ERROR)
		string_builder_printf(&command->events, " %d", *error);
	else if (buffer != command->buffer + (offset - command->offset))
		string_builder_append(&command->events, " misplaced");
	return answer(command, error);
}

static int
on_extent(void *user_data, const char *context, uint64_t offset,
	  uint32_t *entries, size_t n_entries, int *error)
{
	struct command *command = user_data;

	if (command->events.length > 0)
		string_builder_append(&command->events, "; ");
	string_builder_printf(&command->events, "%s %llu:", context,
			      (unsigned long long)offset);
	for (size_t i = 0; i + 1 < n_entries && i < 16; i += 2)
		string_builder_printf(&command->events, " %u/%u", entries[i],
				      entries[i + 1]);
	if (n_entries > 16)
		string_builder_printf(&command->events, " (%zu in all)",
				      n_entries / 2);
	return answer(command, error);
}

static int
on_extent64(void *user_data, const char *context, uint64_t offset,
	    nbd_extent *entries, size_t n_entries, int *error)
{
	struct command *command = user_data;

	if (command->events.length > 0)
		string_builder_append(&command->events, "; ");
	string_builder_printf(&command->events, "%s %llu:", context,
			      (unsigned long long)offset);
	for (size_t i = 0; i < n_entries && i < 8; i++)
		string_builder_printf(&command->events, " %llu/%llu",
				      (unsigned long long)entries[i].length,
				      (unsigned long long)entries[i].flags);
	if (n_entries > 8)
		string_builder_printf(&command->events, " (%zu in all)",
				      n_entries);
	return answer(command, error);
}

/* The names of a filter, which the command keeps. */
static char **
contexts_of(struct command *command, const struct arguments *arguments)
{
	const char *rest = arguments->contexts ? arguments->contexts : "";
	size_t n = 0;

	while (*rest) {
		size_t length = strcspn(rest, ",");

		if (n + 1 >=
		    sizeof(command->contexts) / sizeof(command->contexts[0]))
			test_broken("too many contexts");
		command->contexts[n++] = strndup(rest, length);
		rest += rest[length] ? length + 1 : length;
	}
	return command->contexts;
}

/* clang-format off */
static nbd_completion_callback
completion_of(struct command *command)
{
	return (nbd_completion_callback){ .callback = on_completion,
		.free = on_completion_free, .user_data = command };
}

static nbd_chunk_callback
chunk_of(struct command *command)
{
	return (nbd_chunk_callback){ .callback = on_chunk,
		.free = on_data_free, .user_data = command };
}

static nbd_extent_callback
extent_of(struct command *command)
{
	return (nbd_extent_callback){ .callback = on_extent,
		.free = on_data_free, .user_data = command };
}

static nbd_extent64_callback
extent64_of(struct command *command)
{
	return (nbd_extent64_callback){ .callback = on_extent64,
		.free = on_data_free, .user_data = command };
}

/*
 * Each data command once: its verb, whether the line names a range, whether
 * there is a callback for data, and the asynchronous and the synchronous call. C is the command, A the arguments.
 */
#define DATA_COMMANDS(X) \
	X(pread, true, false, \
	  nbd_aio_pread(h, c->buffer, a->count, a->offset, completion_of(c), a->flags), \
	  nbd_pread(h, c->buffer, a->count, a->offset, a->flags)) \
	X(pread_structured, true, true, \
	  nbd_aio_pread_structured(h, c->buffer, a->count, a->offset, chunk_of(c), completion_of(c), a->flags), \
	  nbd_pread_structured(h, c->buffer, a->count, a->offset, chunk_of(c), a->flags)) \
	X(pwrite, true, false, \
	  nbd_aio_pwrite(h, c->buffer, a->count, a->offset, completion_of(c), a->flags), \
	  nbd_pwrite(h, c->buffer, a->count, a->offset, a->flags)) \
	X(trim, true, false, \
	  nbd_aio_trim(h, a->count, a->offset, completion_of(c), a->flags), \
	  nbd_trim(h, a->count, a->offset, a->flags)) \
	X(zero, true, false, \
	  nbd_aio_zero(h, a->count, a->offset, completion_of(c), a->flags), \
	  nbd_zero(h, a->count, a->offset, a->flags)) \
	X(cache, true, false, \
	  nbd_aio_cache(h, a->count, a->offset, completion_of(c), a->flags), \
	  nbd_cache(h, a->count, a->offset, a->flags)) \
	X(flush, false, false, \
	  nbd_aio_flush(h, completion_of(c), a->flags), \
	  nbd_flush(h, a->flags)) \
	X(block_status, true, true, \
	  nbd_aio_block_status(h, a->count, a->offset, extent_of(c), completion_of(c), a->flags), \
	  nbd_block_status(h, a->count, a->offset, extent_of(c), a->flags)) \
	X(block_status_64, true, true, \
	  nbd_aio_block_status_64(h, a->count, a->offset, extent64_of(c), completion_of(c), a->flags), \
	  nbd_block_status_64(h, a->count, a->offset, extent64_of(c), a->flags)) \
	X(block_status_filter, true, true, \
	  nbd_aio_block_status_filter(h, a->count, a->offset, contexts_of(c, a), extent64_of(c), completion_of(c), a->flags), \
	  nbd_block_status_filter(h, a->count, a->offset, contexts_of(c, a), extent64_of(c), a->flags))
/* clang-format on */

#define DEFINE(verb, has_range, has_data, asynchronous, synchronous)         \
	static int64_t start_##verb(struct nbd_handle *h, struct command *c, \
				    const struct arguments *a)               \
	{                                                                    \
		(void)a;                                                     \
		return asynchronous;                                         \
	}                                                                    \
	static int call_##verb(struct nbd_handle *h, struct command *c,      \
			       const struct arguments *a)                    \
	{                                                                    \
		(void)c;                                                     \
		return synchronous;                                          \
	}
DATA_COMMANDS(DEFINE)

#define ROW(verb, has_range, has_data, asynchronous, synchronous) \
	{ #verb, has_range, has_data, start_##verb, call_##verb },
static const struct data_command data_commands[] = { DATA_COMMANDS(ROW) };

const struct data_command *
data_command_find(const char *verb)
{
	for (size_t i = 0; i < sizeof(data_commands) / sizeof(data_commands[0]);
	     i++)
		if (!strcmp(data_commands[i].verb, verb))
			return &data_commands[i];
	return NULL;
}
