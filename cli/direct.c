/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --direct: lists, describes and asks for contexts in option mode. */
#include "cli/direct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/direct_handle.h"
#include "cli/direct_library.h"
#include "cli/errors.h"
#include "cli/export_facts.h"
#include "cli/options.h"
#include "common/strings.h"
#include "proto/codec_free.h"

/* One option on its way. */
struct step {
	bool is_done;
	/* 0, or the positive errno that the server's refusal means. */
	int errnum;
};

static int
on_step_done(void *user, int *error)
{
	struct step *step = user;

	step->is_done = true;
	step->errnum = *error;
	return 1;
}

static int
finish_step(const struct options *options, struct nbd_handle *nbd,
	    struct step *step, int64_t started)
{
	int status;

	if (started < 0)
		return direct_fail(nbd, 0, NULL);
	status = direct_wait(options, nbd, &step->is_done);
	if (status == EXIT_OK && step->errnum)
		return fail(step->errnum == ENOTSUP ? EXIT_NOT_SUPPORTED
						    : EXIT_NBD,
			    step->errnum, NULL, "the server refused: %s",
			    strerror(step->errnum));
	return status;
}

#define STEP_DONE(step)                                       \
	((nbd_completion_callback){ .callback = on_step_done, \
				    .user_data = (step) })

int
direct_step_info(const struct options *options, struct nbd_handle *nbd)
{
	struct step step = { 0 };

	/* An oldstyle server has no options: all is known already. */
	if (sym_nbd_aio_is_negotiating(nbd) != 1)
		return EXIT_OK;
	return finish_step(options, nbd, &step,
			   sym_nbd_aio_opt_info(nbd, STEP_DONE(&step)));
}

int
direct_step_go(const struct options *options, struct nbd_handle *nbd)
{
	struct step step = { 0 };

	if (sym_nbd_aio_is_negotiating(nbd) != 1)
		return EXIT_OK;
	return finish_step(options, nbd, &step,
			   sym_nbd_aio_opt_go(nbd, STEP_DONE(&step)));
}

struct listing {
	Nbdclientd__V1__Export **exports;
	size_t n_exports;
	bool is_out_of_memory;
};

static int
on_listed(void *user, const char *name, const char *description)
{
	struct listing *listing = user;
	Nbdclientd__V1__Export **exports = reallocarray(
		listing->exports, listing->n_exports + 1,
		sizeof(*listing->exports));
	Nbdclientd__V1__Export *export = export_new();

	listing->is_out_of_memory = true;
	if (exports)
		listing->exports = exports;
	if (!exports || !export) {
		export_free(export);
		return -1;
	}
	export->name = strdup(name);
	export->description = strdup(description);
	export->incomplete = true;
	listing->exports[listing->n_exports++] = export;
	listing->is_out_of_memory = !export->name || !export->description;
	return listing->is_out_of_memory ? -1 : 0;
}

int
direct_step_list(const struct options *options, struct nbd_handle *nbd,
		 Nbdclientd__V1__Export ***exports, size_t *n_exports)
{
	struct listing listing = { 0 };
	struct step step = { 0 };
	int status;

	if (sym_nbd_aio_is_negotiating(nbd) != 1)
		return fail(EXIT_NOT_SUPPORTED, ENOTSUP, NULL,
			    "an oldstyle server has one export and no list");
	status = finish_step(
		options, nbd, &step,
		sym_nbd_aio_opt_list(
			nbd,
			(nbd_list_callback){ .callback = on_listed,
					     .user_data = &listing },
			STEP_DONE(&step)));
	if (listing.is_out_of_memory)
		status = fail_errno(ENOMEM, "no memory");
	*exports = listing.exports;
	*n_exports = listing.n_exports;
	return status;
}

static int
on_context(void *user, const char *name)
{
	return string_list_append(user, name);
}

int
direct_step_contexts(const struct options *options, struct nbd_handle *nbd,
		     char *const *queries, struct string_list *contexts)
{
	struct step step = { 0 };

	if (sym_nbd_aio_is_negotiating(nbd) != 1)
		return fail(EXIT_NOT_SUPPORTED, ENOTSUP, NULL,
			    "an oldstyle server has no metadata contexts");
	if (sym_nbd_clear_meta_contexts(nbd) < 0)
		return direct_fail(nbd, 0, NULL);
	for (size_t i = 0; queries[i]; i++)
		if (sym_nbd_add_meta_context(nbd, queries[i]) < 0)
			return direct_fail(nbd, 0, NULL);
	return finish_step(
		options, nbd, &step,
		sym_nbd_aio_opt_list_meta_context(
			nbd,
			(nbd_context_callback){ .callback = on_context,
						.user_data = contexts },
			STEP_DONE(&step)));
}

/* All contexts that the server lists are told, selected or not. A server that
 * has none may not know the question. */
static int
add_contexts(const struct options *options, struct nbd_handle *nbd,
	     Nbdclientd__V1__Export *export)
{
	struct string_list contexts = { 0 };
	char *const all[] = { NULL };
	char **vector;
	bool is_kept;

	if (sym_nbd_aio_is_negotiating(nbd) != 1)
		return EXIT_OK;
	if (direct_step_contexts(options, nbd, all, &contexts) != EXIT_OK) {
		string_list_done(&contexts);
		if (sym_nbd_aio_is_negotiating(nbd) != 1)
			return (int)failure_code();
		failure_clear();
		return EXIT_OK;
	}
	vector = string_list_vector(&contexts);
	is_kept = vector && export_set_contexts(export, vector);
	free(vector);
	string_list_done(&contexts);
	return is_kept ? EXIT_OK : fail_errno(ENOMEM, "no memory");
}

/* Fills in what OPT_INFO tells; a refusal is noted in the export. */
static int
describe(const struct options *options, struct nbd_handle *nbd,
	 Nbdclientd__V1__Export **export)
{
	Nbdclientd__V1__Export *full;

	if (sym_nbd_set_export_name(nbd, (*export)->name) < 0)
		return direct_fail(nbd, 0, NULL);
	attempt("ask for the properties of the export \"%s\"", (*export)->name);
	if (direct_step_info(options, nbd) != EXIT_OK) {
		if (sym_nbd_aio_is_negotiating(nbd) != 1)
			return (int)failure_code();
		failure_clear();
		(*export)->detail = strdup("the server would not describe it");
		return (*export)->detail ? EXIT_OK
					 : fail_errno(ENOMEM, "no memory");
	}
	full = direct_export(nbd, (*export)->name);
	if (!full)
		return (int)failure_code();
	full->description = (*export)->description;
	(*export)->description = strdup("");
	export_free(*export);
	*export = full;
	return add_contexts(options, nbd, full);
}

static int
list_into(const struct options *options, struct nbd_handle *nbd,
	  bool with_details, Nbdclientd__V1__ListExportsResponse *response)
{
	int status = direct_step_list(options, nbd, &response->exports,
				      &response->n_exports);

	for (size_t i = 0;
	     with_details && status == EXIT_OK && i < response->n_exports; i++)
		status = describe(options, nbd, &response->exports[i]);
	if (status != EXIT_OK)
		return status;
	response->protocol = direct_protocol(nbd);
	return response->protocol ? EXIT_OK : (int)failure_code();
}

Nbdclientd__V1__ListExportsResponse *
direct_list(const struct options *options, const char *uri, bool with_details)
{
	struct nbd_handle *nbd = direct_connect(options, uri, true, NULL);
	Nbdclientd__V1__ListExportsResponse *response =
		nbd ? malloc(sizeof(*response)) : NULL;

	if (response) {
		nbdclientd__v1__list_exports_response__init(response);
		if (list_into(options, nbd, with_details, response) !=
		    EXIT_OK) {
			codec_message_free(response);
			response = NULL;
		}
	}
	direct_disconnect(nbd);
	return response;
}

/* GO where the server lacks INFO. */
static int
info_or_go(const struct options *options, struct nbd_handle *nbd)
{
	if (direct_step_info(options, nbd) == EXIT_OK)
		return EXIT_OK;
	if (failure_code() != EXIT_NOT_SUPPORTED)
		return (int)failure_code();
	failure_clear();
	return direct_step_go(options, nbd);
}

static int
info_into(const struct options *options, struct nbd_handle *nbd,
	  Nbdclientd__V1__ExportInfoResponse *response)
{
	char *name = sym_nbd_get_export_name(nbd);
	int status;

	if (!name)
		return direct_fail(nbd, 0, NULL);
	status = info_or_go(options, nbd);
	if (status == EXIT_OK) {
		response->export = direct_export(nbd, name);
		response->protocol = direct_protocol(nbd);
		status = response->export && response->protocol
				 ? add_contexts(options, nbd, response->export)
				 : (int)failure_code();
	}
	free(name);
	return status;
}

Nbdclientd__V1__ExportInfoResponse *
direct_info(const struct options *options, const char *uri)
{
	struct nbd_handle *nbd = direct_connect(options, uri, true, NULL);
	Nbdclientd__V1__ExportInfoResponse *response =
		nbd ? malloc(sizeof(*response)) : NULL;

	if (response) {
		nbdclientd__v1__export_info_response__init(response);
		if (info_into(options, nbd, response) != EXIT_OK) {
			codec_message_free(response);
			response = NULL;
		}
	}
	direct_disconnect(nbd);
	return response;
}

Nbdclientd__V1__ListMetaContextsResponse *
direct_contexts(const struct options *options, const char *uri,
		char *const *queries)
{
	struct nbd_handle *nbd = direct_connect(options, uri, true, NULL);
	Nbdclientd__V1__ListMetaContextsResponse *response =
		nbd ? malloc(sizeof(*response)) : NULL;
	struct string_list contexts = { 0 };

	if (response) {
		nbdclientd__v1__list_meta_contexts_response__init(response);
		if (direct_step_contexts(options, nbd, queries, &contexts) !=
		    EXIT_OK) {
			codec_message_free(response);
			response = NULL;
			string_list_done(&contexts);
		} else {
			/* The message owns them now. */
			response->contexts = contexts.items;
			response->n_contexts = contexts.n_items;
		}
	}
	direct_disconnect(nbd);
	return response;
}
