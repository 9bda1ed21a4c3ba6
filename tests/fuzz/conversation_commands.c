/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commands and options of a fuzzed conversation, and what is promised about
 * their callbacks: one completion, one release of each closure, nothing after
 * it, extents inside of the export, and no byte in a buffer that the server
 * did not send.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/conversation.h"
#include "tests/fuzz/memory.h"

uint8_t fuzz_untouched;
uint64_t fuzz_export_size;

static void
mix(uint64_t *digest, uint64_t value)
{
	*digest = (*digest ^ value) * 0x100000001b3u + 0x9e3779b9u;
}

static void
mix_bytes(uint64_t *digest, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < length; i++)
		mix(digest, at[i]);
}

void
heard_check_text(const char *text)
{
	static const char unprintable[] =
		"\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0d\x0e\x0f\x10\x11"
		"\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f";
	const char *found = text ? strpbrk(text, unprintable) : NULL;

	if (found)
		fuzz_broken("a text holds the byte %d", *found);
}

static void
expect_alive(const struct heard *heard, const char *callback)
{
	if (heard->n_completions > 0 || heard->n_data_frees > 0)
		fuzz_broken("%s callback of command %lld after its end",
			    callback, (long long)heard->cookie);
}

static int
answer(const struct heard *heard, int *error)
{
	if (!(heard->how & HOW_CALLBACK_FAILS))
		return 0;
	*error = EDOM;
	return -1;
}

static int
on_completion(void *user, int *error)
{
	struct heard *heard = user;

	heard->n_completions++;
	heard->error = *error;
	if (heard->buffer && heard->operation != OPERATION_WRITE && *error == 0)
		mix_bytes(&heard->digest, heard->buffer, heard->count);
	if (!(heard->how & HOW_RETIRES_ITSELF))
		return 0;
	heard->is_retired = true;
	return 1;
}

/* From here on the caller may do with its buffer what it likes. */
static void
on_completion_free(void *user)
{
	struct heard *heard = user;

	heard->n_completion_frees++;
	free(heard->buffer);
	heard->buffer = NULL;
}

static void
on_data_free(void *user)
{
	struct heard *heard = user;

	heard->n_data_frees++;
}

static int
on_chunk(void *user, const void *bytes, size_t length, uint64_t offset,
	 unsigned status, int *error)
{
	struct heard *heard = user;

	expect_alive(heard, "chunk");
	if (offset < heard->offset || offset - heard->offset > heard->count ||
	    length > heard->count - (offset - heard->offset))
		fuzz_broken("a chunk outside of its read");
	mix(&heard->digest, offset);
	mix(&heard->digest, status);
	mix_bytes(&heard->digest, bytes, length);
	return answer(heard, error);
}

static void
begin_extents(const struct heard *heard, const char *context, uint64_t offset,
	      size_t n)
{
	expect_alive(heard, "extent");
	if (strcmp(context, "base:allocation") != 0 &&
	    strcmp(context, "x-other:thing") != 0)
		fuzz_broken("extents of a context nobody asked for");
	if (offset != heard->offset || n == 0)
		fuzz_broken("extents that begin elsewhere, or none");
}

static void
add_extent(struct heard *heard, uint64_t *at, uint64_t length, uint64_t flags)
{
	if (length == 0 || length > INT64_MAX)
		fuzz_broken("an extent of %llu bytes",
			    (unsigned long long)length);
	if (__builtin_add_overflow(*at, length, at) || *at > fuzz_export_size)
		fuzz_broken("extents beyond the end of the export");
	mix(&heard->digest, length);
	mix(&heard->digest, flags);
}

static int
on_extents(void *user, const char *context, uint64_t offset, uint32_t *entries,
	   size_t n_entries, int *error)
{
	struct heard *heard = user;
	uint64_t at = offset;

	begin_extents(heard, context, offset, n_entries);
	if (n_entries % 2)
		fuzz_broken("half an extent");
	for (size_t i = 0; i < n_entries; i += 2)
		add_extent(heard, &at, entries[i], entries[i + 1]);
	return answer(heard, error);
}

static int
on_extents_wide(void *user, const char *context, uint64_t offset,
		nbd_extent *entries, size_t n_entries, int *error)
{
	struct heard *heard = user;
	uint64_t at = offset;

	begin_extents(heard, context, offset, n_entries);
	for (size_t i = 0; i < n_entries; i++)
		add_extent(heard, &at, entries[i].length, entries[i].flags);
	return answer(heard, error);
}

static int
on_list(void *user, const char *name, const char *description)
{
	struct heard *heard = user;

	expect_alive(heard, "list");
	if (strlen(name) > 4096 || strlen(description) > 4096)
		fuzz_broken("a listed name that is too long");
	return 0;
}

static int
on_context(void *user, const char *name)
{
	struct heard *heard = user;

	expect_alive(heard, "context");
	if (strlen(name) > 4096)
		fuzz_broken("a context's name that is too long");
	return 0;
}

static struct heard *
next(struct heard_all *all)
{
	if (all->n_items == MAX_COMMANDS)
		return NULL;
	return &all->items[all->n_items];
}

static nbd_completion_callback
completion_of(struct heard *heard)
{
	return (nbd_completion_callback){ .callback = on_completion,
					  .user_data = heard,
					  .free = on_completion_free };
}

static int64_t
start_status(struct heard *heard, struct nbd_handle *h, uint32_t flags)
{
	static char base[] = "base:allocation";
	static char other[] = "x-other:thing";
	char *contexts[] = { base, other, NULL };
	nbd_extent_callback narrow = { .callback = on_extents,
				       .user_data = heard,
				       .free = on_data_free };
	nbd_extent64_callback wide = { .callback = on_extents_wide,
				       .user_data = heard,
				       .free = on_data_free };
	nbd_completion_callback completion = completion_of(heard);

	heard->has_data_callback = true;
	if (heard->how & HOW_RETIRES_ITSELF)
		contexts[1] = NULL;
	switch (heard->operation) {
	case OPERATION_STATUS:
		return nbd_aio_block_status(h, heard->count, heard->offset,
					    narrow, completion, flags);
	case OPERATION_STATUS_WIDE:
		return nbd_aio_block_status_64(h, heard->count, heard->offset,
					       wide, completion, flags);
	default:
		return nbd_aio_block_status_filter(h, heard->count,
						   heard->offset, contexts,
						   wide, completion, flags);
	}
}

static int64_t
start_data(struct heard *heard, struct nbd_handle *h, uint32_t flags)
{
	nbd_chunk_callback chunk = { .callback = on_chunk,
				     .user_data = heard,
				     .free = on_data_free };
	nbd_completion_callback completion = completion_of(heard);

	heard->count %= MAX_DATA + 1;
	/* On the heap: who reaches beyond is seen. */
	heard->buffer = fuzz_allocate(heard->count);
	memset(heard->buffer, fuzz_untouched, heard->count);
	if (heard->operation == OPERATION_WRITE)
		return nbd_aio_pwrite(h, heard->buffer, heard->count,
				      heard->offset, completion, flags);
	if (heard->operation == OPERATION_READ)
		return nbd_aio_pread(h, heard->buffer, heard->count,
				     heard->offset, completion, flags);
	heard->has_data_callback = true;
	return nbd_aio_pread_structured(h, heard->buffer, heard->count,
					heard->offset, chunk, completion,
					flags);
}

static int64_t
start(struct heard *heard, struct nbd_handle *h, uint32_t flags)
{
	nbd_completion_callback completion = completion_of(heard);
	uint64_t count = heard->count;
	uint64_t offset = heard->offset;

	switch (heard->operation) {
	case OPERATION_FLUSH:
		return nbd_aio_flush(h, completion, flags);
	case OPERATION_TRIM:
		return nbd_aio_trim(h, count, offset, completion, flags);
	case OPERATION_CACHE:
		return nbd_aio_cache(h, count, offset, completion, flags);
	case OPERATION_ZERO:
		return nbd_aio_zero(h, count, offset, completion, flags);
	case OPERATION_STATUS:
	case OPERATION_STATUS_WIDE:
	case OPERATION_STATUS_FILTER:
		return start_status(heard, h, flags);
	default:
		return start_data(heard, h, flags);
	}
}

void
heard_start_command(struct heard_all *all, struct nbd_handle *h,
		    enum operation operation, uint8_t how, uint32_t count,
		    uint64_t offset)
{
	struct heard *heard = next(all);

	if (!heard)
		return;
	all->n_items++;
	*heard = (struct heard){
		.operation = operation,
		.how = how,
		.count = count,
		.offset = offset,
	};
	heard->cookie = start(heard, h, how >> HOW_FLAGS_SHIFT);
	heard->was_refused = heard->cookie == -1;
	if (heard->was_refused)
		heard_check_text(nbd_get_error());
}

static int
ask(struct heard *heard, struct nbd_handle *h, enum option_asked asked)
{
	nbd_completion_callback completion = completion_of(heard);
	nbd_list_callback list = { .callback = on_list,
				   .user_data = heard,
				   .free = on_data_free };
	nbd_context_callback context = { .callback = on_context,
					 .user_data = heard,
					 .free = on_data_free };

	heard->has_data_callback = asked >= ASK_LIST && asked <= ASK_SET_META;
	switch (asked) {
	case ASK_GO:
		return nbd_aio_opt_go(h, completion);
	case ASK_INFO:
		return nbd_aio_opt_info(h, completion);
	case ASK_LIST:
		return nbd_aio_opt_list(h, list, completion);
	case ASK_LIST_META:
		return nbd_aio_opt_list_meta_context(h, context, completion);
	case ASK_SET_META:
		return nbd_aio_opt_set_meta_context(h, context, completion);
	case ASK_STRUCTURED:
		return nbd_aio_opt_structured_reply(h, completion);
	case ASK_EXTENDED:
		return nbd_aio_opt_extended_headers(h, completion);
	case ASK_ABORT:
	case N_ASKED:
		break;
	}
	return -1;
}

void
heard_start_option(struct heard_all *all, struct nbd_handle *h,
		   enum option_asked asked)
{
	struct heard *heard = next(all);

	if (asked == ASK_ABORT) {
		if (nbd_aio_opt_abort(h) == -1)
			heard_check_text(nbd_get_error());
		return;
	}
	if (!heard)
		return;
	all->n_items++;
	*heard = (struct heard){ .is_option = true };
	heard->was_refused = ask(heard, h, asked) == -1;
	if (heard->was_refused)
		heard_check_text(nbd_get_error());
}

void
heard_retire(struct heard_all *all, struct nbd_handle *h, unsigned index)
{
	struct heard *heard;
	int result;

	if (all->n_items == 0)
		return;
	heard = &all->items[index % all->n_items];
	if (heard->is_option || heard->was_refused || heard->is_retired)
		return;
	result = nbd_aio_command_completed(h, (uint64_t)heard->cookie);
	if (result == -1 && heard->n_completions == 0)
		return; /* not in a state to be asked */
	if (result != 0 && heard->n_completions != 1)
		fuzz_broken("command %lld is retired and not complete",
			    (long long)heard->cookie);
	if (result == 1 && heard->error != 0)
		fuzz_broken("command %lld succeeds and has failed",
			    (long long)heard->cookie);
	heard->is_retired = result != 0;
}

unsigned
heard_in_flight(const struct heard_all *all)
{
	unsigned n = 0;

	for (unsigned i = 0; i < all->n_items; i++)
		n += !all->items[i].is_option && !all->items[i].was_refused &&
		     all->items[i].n_completions == 0;
	return n;
}

void
heard_check_complete(const struct heard_all *all)
{
	for (unsigned i = 0; i < all->n_items; i++) {
		const struct heard *heard = &all->items[i];
		int wanted = !heard->was_refused;

		/* An option that fails at once may say so in both ways. */
		if (heard->is_option && heard->was_refused &&
		    heard->n_completions == 1)
			continue;
		if (heard->n_completions != wanted)
			fuzz_broken("%s %u: %d completions, not %d",
				    heard->is_option ? "option" : "command", i,
				    heard->n_completions, wanted);
	}
}

void
heard_check_released(const struct heard_all *all)
{
	for (unsigned i = 0; i < all->n_items; i++) {
		const struct heard *heard = &all->items[i];

		if (heard->n_completion_frees != 1 ||
		    heard->n_data_frees != heard->has_data_callback)
			fuzz_broken("%s %u: %d and %d closures released",
				    heard->is_option ? "option" : "command", i,
				    heard->n_completion_frees,
				    heard->n_data_frees);
	}
}

void
heard_done(struct heard_all *all)
{
	for (unsigned i = 0; i < all->n_items; i++)
		free(all->items[i].buffer);
	all->n_items = 0;
}
