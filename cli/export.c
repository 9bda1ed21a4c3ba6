/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list, info, size, can (is, has), contexts: what a server has, asked for on a
 * connection of its own by the daemon or, with --direct, by libnbd. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/daemon.h"
#include "cli/direct.h"
#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/export_facts.h"
#include "cli/families.h"
#include "cli/options.h"
#include "cli/output.h"
#include "common/cleanup.h"
#include "nbdclientd/v1/negotiation.pb-c.h"

/* Is libnbd to do it? *STATUS is EXIT_USAGE, recorded, if it cannot. */
static bool
is_direct(const struct options *options, const char *target, int *status)
{
	*status = target_check(target);
	if (*status != EXIT_OK || !options_has(options, OPTION_DIRECT))
		return false;
	if (!target_is_uri(target))
		*status = target_fail_without_daemon();
	return *status == EXIT_OK;
}

static Nbdclientd__V1__ListExportsResponse *
list_exports(const struct options *options, char *target)
{
	Nbdclientd__V1__ListExportsRequest request =
		NBDCLIENTD__V1__LIST_EXPORTS_REQUEST__INIT;
	bool describe = !options_has(options, OPTION_NAMES);
	int status;

	if (is_direct(options, target, &status))
		return direct_list(options, target, describe);
	if (status != EXIT_OK)
		return NULL;
	request.target = target;
	request.describe = describe;
	return daemon_call(options, RPC_NEGOTIATION_LIST_EXPORTS, &request);
}

int
run_list(const struct options *options)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ListExportsResponse *response = NULL;

	attempt("list the exports of %s", options->args[0]);
	response = list_exports(options, options->args[0]);
	if (!response)
		return (int)failure_code();
	if (response->truncated && !options_has(options, OPTION_QUIET))
		fprintf(stderr,
			"nbdctl: the server has more exports than the "
			"%zu shown\n",
			response->n_exports);
	return export_print_rows(options, response->exports,
				 response->n_exports,
				 !options_has(options, OPTION_NAMES));
}

static Nbdclientd__V1__ExportInfoResponse *
export_info(const struct options *options, char *target)
{
	Nbdclientd__V1__ExportInfoRequest request =
		NBDCLIENTD__V1__EXPORT_INFO_REQUEST__INIT;
	int status;

	attempt("ask for the properties of %s", target);
	if (is_direct(options, target, &status))
		return direct_info(options, target);
	if (status != EXIT_OK)
		return NULL;
	request.target = target;
	return daemon_call(options, RPC_NEGOTIATION_EXPORT_INFO, &request);
}

/* The same; NULL: *STATUS says what to exit with. A response without the export
 * is a daemon's mistake. */
static Nbdclientd__V1__ExportInfoResponse *
checked_info(const struct options *options, char *target, int *status)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ExportInfoResponse *response =
		export_info(options, target);

	if (!response) {
		*status = (int)failure_code();
		return NULL;
	}
	if (!response->export) {
		*status = fail(EXIT_GENERAL, EPROTO,
			       "nbdctl and daemon must be of one version",
			       "the daemon did not describe the export");
		return NULL;
	}
	return TAKE_PTR(response);
}

/* QUERIES ends in NULL. */
static Nbdclientd__V1__ListMetaContextsResponse *
list_contexts(const struct options *options, char *target, char **queries)
{
	Nbdclientd__V1__ListMetaContextsRequest request =
		NBDCLIENTD__V1__LIST_META_CONTEXTS_REQUEST__INIT;
	int status;

	attempt("list the metadata contexts of %s", target);
	if (is_direct(options, target, &status))
		return direct_contexts(options, target, queries);
	if (status != EXIT_OK)
		return NULL;
	request.target = target;
	request.queries = queries;
	while (queries[request.n_queries])
		request.n_queries++;
	return daemon_call(options, RPC_NEGOTIATION_LIST_META_CONTEXTS,
			   &request);
}

int
run_info(const struct options *options)
{
	int status;
	CLEANUP_MESSAGE Nbdclientd__V1__ExportInfoResponse *response =
		checked_info(options, options->args[0], &status);

	if (!response)
		return status;
	return export_print_facts(options, response->export,
				  response->protocol);
}

int
run_size(const struct options *options)
{
	static const struct output_column columns[] = {
		{ "SIZE", OUTPUT_NUMBER },
	};
	int status;
	CLEANUP_MESSAGE Nbdclientd__V1__ExportInfoResponse *response =
		checked_info(options, options->args[0], &status);
	struct output *output;

	if (!response)
		return status;
	/* For scripts: the bare number. */
	if (options->output == OUTPUT_TABLE) {
		printf("%" PRIu64 "\n", response->export->size);
		return EXIT_OK;
	}
	output = output_new(options, "export", OUTPUT_FACTS, columns, 1);
	output_number(output, response->export->size);
	return output_finish(output);
}

int
run_can(const struct options *options)
{
	int status;
	CLEANUP_MESSAGE Nbdclientd__V1__ExportInfoResponse *response =
		checked_info(options, options->args[1], &status);

	if (!response)
		return status;
	return export_has_feature(response->export, response->protocol,
				  options->args[0]);
}

int
run_contexts(const struct options *options)
{
	static const struct output_column columns[] = {
		{ "CONTEXT", OUTPUT_TEXT },
	};
	CLEANUP_MESSAGE Nbdclientd__V1__ListMetaContextsResponse *response =
		NULL;
	struct output *output;

	response = list_contexts(options, options->args[0], options->args + 1);
	if (!response)
		return (int)failure_code();
	output = output_new(options, "contexts", OUTPUT_ROWS, columns, 1);
	for (size_t i = 0; i < response->n_contexts; i++)
		output_text(output, response->contexts[i]);
	return output_finish(output);
}
