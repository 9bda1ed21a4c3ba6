/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* negotiate's steps with libnbd. */
#include "cli/direct_negotiate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/direct_handle.h"
#include "cli/direct_library.h"
#include "cli/errors.h"
#include "cli/options.h"
#include "common/cleanup.h"
#include "common/strings.h"
#include "proto/codec_free.h"

/* As much as one step reads or writes. */
#define IO_MAX (64u << 20)

struct direct_negotiation {
	const struct options *options;
	struct nbd_handle *nbd;
	/* What go is to select. */
	struct string_list contexts;
};

struct direct_negotiation *
direct_negotiation_open(const struct options *options, const char *uri)
{
	struct direct_negotiation *negotiation = calloc(1,
							sizeof(*negotiation));

	if (!negotiation) {
		fail_errno(ENOMEM, "no memory");
		return NULL;
	}
	negotiation->options = options;
	negotiation->nbd = direct_connect(options, uri, true, NULL);
	if (!negotiation->nbd) {
		direct_negotiation_close(negotiation);
		return NULL;
	}
	return negotiation;
}

void
direct_negotiation_close(struct direct_negotiation *negotiation)
{
	if (!negotiation)
		return;
	direct_disconnect(negotiation->nbd);
	string_list_done(&negotiation->contexts);
	free(negotiation);
}

static int
list(struct direct_negotiation *negotiation,
     Nbdclientd__V1__NegotiateResponse *response)
{
	Nbdclientd__V1__NegotiateListed *listed = malloc(sizeof(*listed));

	if (!listed)
		return fail_errno(ENOMEM, "no memory");
	nbdclientd__v1__negotiate_listed__init(listed);
	response->result_case =
		NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_LISTED;
	response->listed = listed;
	return direct_step_list(negotiation->options, negotiation->nbd,
				&listed->exports, &listed->n_exports);
}

/* The contexts that were set are asked for again: listing changes the
 * handle's. */
static int
restore_contexts(struct direct_negotiation *negotiation)
{
	if (sym_nbd_clear_meta_contexts(negotiation->nbd) < 0)
		return direct_fail(negotiation->nbd, 0, NULL);
	for (size_t i = 0; i < negotiation->contexts.n_items; i++)
		if (sym_nbd_add_meta_context(negotiation->nbd,
					     negotiation->contexts.items[i]) <
		    0)
			return direct_fail(negotiation->nbd, 0, NULL);
	return EXIT_OK;
}

static int
describe(struct direct_negotiation *negotiation, const char *name, bool is_go,
	 Nbdclientd__V1__NegotiateResponse *response)
{
	Nbdclientd__V1__Export *export;
	int status = restore_contexts(negotiation);

	if (status != EXIT_OK)
		return status;
	if (sym_nbd_set_export_name(negotiation->nbd, name) < 0)
		return direct_fail(negotiation->nbd, 0, NULL);
	status = is_go ? direct_step_go(negotiation->options, negotiation->nbd)
		       : direct_step_info(negotiation->options,
					  negotiation->nbd);
	if (status != EXIT_OK)
		return status;
	export = direct_export(negotiation->nbd, name);
	if (!export)
		return (int)failure_code();
	if (is_go) {
		response->result_case =
			NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_GONE;
		response->gone = export;
	} else {
		response->result_case =
			NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_INFO;
		response->info = export;
	}
	return EXIT_OK;
}

static int
answer_contexts(Nbdclientd__V1__NegotiateResponse *response,
		struct string_list *names)
{
	Nbdclientd__V1__NegotiateContexts *contexts = malloc(sizeof(*contexts));

	if (!contexts) {
		string_list_done(names);
		return fail_errno(ENOMEM, "no memory");
	}
	nbdclientd__v1__negotiate_contexts__init(contexts);
	contexts->contexts = names->items;
	contexts->n_contexts = names->n_items;
	*names = (struct string_list){ 0 };
	response->result_case =
		NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_CONTEXTS;
	response->contexts = contexts;
	return EXIT_OK;
}

/* The message's list, which has no NULL at its end. */
static int
copy_list(struct string_list *to, char *const *items, size_t n_items)
{
	string_list_done(to);
	for (size_t i = 0; i < n_items; i++)
		if (string_list_append(to, items[i]) < 0)
			return fail_errno(ENOMEM, "no memory");
	return EXIT_OK;
}

static int
list_contexts(struct direct_negotiation *negotiation,
	      const Nbdclientd__V1__NegotiateListContexts *wanted,
	      Nbdclientd__V1__NegotiateResponse *response)
{
	CLEANUP_FREE char **queries = calloc(wanted->n_queries + 1,
					     sizeof(*queries));
	struct string_list names = { 0 };
	int status;

	if (!queries)
		return fail_errno(ENOMEM, "no memory");
	for (size_t i = 0; i < wanted->n_queries; i++)
		queries[i] = wanted->queries[i];
	if (sym_nbd_set_export_name(negotiation->nbd, wanted->export) < 0)
		return direct_fail(negotiation->nbd, 0, NULL);
	status = direct_step_contexts(negotiation->options, negotiation->nbd,
				      queries, &names);
	if (status != EXIT_OK) {
		string_list_done(&names);
		return status;
	}
	return answer_contexts(response, &names);
}

static int
set_contexts(struct direct_negotiation *negotiation,
	     const Nbdclientd__V1__NegotiateSetContexts *wanted,
	     Nbdclientd__V1__NegotiateResponse *response)
{
	struct string_list names = { 0 };
	int status = copy_list(&negotiation->contexts, wanted->contexts,
			       wanted->n_contexts);

	if (status == EXIT_OK)
		status = copy_list(&names, wanted->contexts,
				   wanted->n_contexts);
	return status == EXIT_OK ? answer_contexts(response, &names) : status;
}

/* Adds to the reply's extents: one ContextExtents for each call. */
static int
on_extents(void *user, const char *context, uint64_t offset, uint32_t *entries,
	   size_t n_entries, int *error)
{
	Nbdclientd__V1__IoReply *io = user;
	Nbdclientd__V1__ContextExtents *extents = malloc(sizeof(*extents));
	Nbdclientd__V1__ContextExtents **all = reallocarray(
		io->extents, io->n_extents + 1, sizeof(*all));

	if (all)
		io->extents = all;
	if (!extents || !all) {
		free(extents);
		*error = ENOMEM;
		return -1;
	}
	nbdclientd__v1__context_extents__init(extents);
	extents->offset = offset;
	io->extents[io->n_extents++] = extents;
	extents->context = strdup(context);
	extents->extents = calloc(n_entries / 2 + 1, sizeof(void *));
	for (size_t i = 0; extents->extents && i + 1 < n_entries; i += 2) {
		Nbdclientd__V1__Extent *extent = malloc(sizeof(*extent));

		if (!extent)
			break;
		nbdclientd__v1__extent__init(extent);
		extent->length = entries[i];
		extent->flags = entries[i + 1];
		extents->extents[extents->n_extents++] = extent;
	}
	return 0;
}

static int
run_io(struct nbd_handle *nbd, const Nbdclientd__V1__IoRequest *asked,
       Nbdclientd__V1__IoReply *io)
{
	nbd_extent_callback extents = { .callback = on_extents,
					.user_data = io };

	switch ((int)asked->command) {
	case NBDCLIENTD__V1__COMMAND__COMMAND_READ:
		io->data.data = malloc(asked->length + 1);
		io->data.len = asked->length;
		if (!io->data.data)
			return fail_errno(ENOMEM, "no memory");
		return sym_nbd_pread(nbd, io->data.data, asked->length,
				     asked->offset, asked->flags);
	case NBDCLIENTD__V1__COMMAND__COMMAND_WRITE:
		return sym_nbd_pwrite(nbd, asked->data.data, asked->data.len,
				      asked->offset, asked->flags);
	case NBDCLIENTD__V1__COMMAND__COMMAND_FLUSH:
		return sym_nbd_flush(nbd, asked->flags);
	case NBDCLIENTD__V1__COMMAND__COMMAND_TRIM:
		return sym_nbd_trim(nbd, asked->length, asked->offset,
				    asked->flags);
	case NBDCLIENTD__V1__COMMAND__COMMAND_CACHE:
		return sym_nbd_cache(nbd, asked->length, asked->offset,
				     asked->flags);
	case NBDCLIENTD__V1__COMMAND__COMMAND_WRITE_ZEROES:
		return sym_nbd_zero(nbd, asked->length, asked->offset,
				    asked->flags);
	case NBDCLIENTD__V1__COMMAND__COMMAND_BLOCK_STATUS:
		return sym_nbd_block_status(nbd, asked->length, asked->offset,
					    extents, asked->flags);
	}
	return fail(EXIT_USAGE, EINVAL, NULL, "no such command");
}

static int
answer_io(struct direct_negotiation *negotiation,
	  const Nbdclientd__V1__IoRequest *asked,
	  Nbdclientd__V1__NegotiateResponse *response)
{
	Nbdclientd__V1__IoReply *io = malloc(sizeof(*io));

	if (!io)
		return fail_errno(ENOMEM, "no memory");
	nbdclientd__v1__io_reply__init(io);
	response->result_case = NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_IO;
	response->io = io;
	if (asked->command == NBDCLIENTD__V1__COMMAND__COMMAND_READ &&
	    asked->length > IO_MAX)
		return fail(EXIT_USAGE, EINVAL, "read less at once",
			    "more than 64 MiB");
	if (run_io(negotiation->nbd, asked, io) != 0)
		return direct_fail(negotiation->nbd, 0, NULL);
	return EXIT_OK;
}

static int
answer(struct direct_negotiation *negotiation,
       const Nbdclientd__V1__NegotiateRequest *request,
       Nbdclientd__V1__NegotiateResponse *response)
{
	switch (request->step_case) {
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_LIST:
		return list(negotiation, response);
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_INFO:
		return describe(negotiation, request->info->export, false,
				response);
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_GO:
		return describe(negotiation, request->go->export, true,
				response);
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_LIST_CONTEXTS:
		return list_contexts(negotiation, request->list_contexts,
				     response);
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_SET_CONTEXTS:
		return set_contexts(negotiation, request->set_contexts,
				    response);
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_IO:
		return answer_io(negotiation, request->io, response);
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_ABORT:
		direct_disconnect(negotiation->nbd);
		negotiation->nbd = NULL;
		response->result_case =
			NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_ABORTED;
		return EXIT_OK;
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_CONNECT:
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP__NOT_SET:
	case _NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP__CASE_IS_INT_SIZE:
		break;
	}
	return fail(EXIT_GENERAL, EINVAL, NULL, "no such step");
}

Nbdclientd__V1__NegotiateResponse *
direct_negotiation_step(struct direct_negotiation *negotiation,
			const Nbdclientd__V1__NegotiateRequest *request)
{
	Nbdclientd__V1__NegotiateResponse *response = malloc(sizeof(*response));

	if (!response) {
		fail_errno(ENOMEM, "no memory");
		return NULL;
	}
	nbdclientd__v1__negotiate_response__init(response);
	response->id = request->id;
	if (answer(negotiation, request, response) != EXIT_OK) {
		codec_message_free(response);
		return NULL;
	}
	return response;
}
