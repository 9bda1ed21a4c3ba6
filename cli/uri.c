/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uri: where a target is: for programs that speak NBD themselves. */
#include <stdio.h>

#include "cli/daemon.h"
#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/families.h"
#include "cli/options.h"
#include "cli/output.h"
#include "nbdclientd/v1/volumes.pb-c.h"

static int
print(const struct options *options, char *const *uris, size_t n)
{
	static const struct output_column columns[] = {
		{ "URI", OUTPUT_TEXT },
	};
	struct output *output;

	/* For scripts: nothing but the URIs. */
	if (options->output == OUTPUT_TABLE && !options->columns) {
		for (size_t i = 0; i < n; i++)
			puts(uris[i]);
		return EXIT_OK;
	}
	output = output_new(options, "uris", OUTPUT_ROWS, columns, 1);
	for (size_t i = 0; i < n; i++)
		output_text(output, uris[i]);
	return output_finish(output);
}

int
run_uri(const struct options *options)
{
	Nbdclientd__V1__GetVolumeRequest request =
		NBDCLIENTD__V1__GET_VOLUME_REQUEST__INIT;
	CLEANUP_MESSAGE Nbdclientd__V1__Volume *volume = NULL;
	char *target = options->args[0];

	attempt("tell the URI of %s", target);
	if (target_check(target) != EXIT_OK)
		return (int)failure_code();
	if (target_is_uri(target))
		return print(options, &target, 1);
	if (options_has(options, OPTION_DIRECT))
		return target_fail_without_daemon();
	request.name = target;
	volume = daemon_call(options, RPC_VOLUMES_GET_VOLUME, &request);
	if (!volume)
		return (int)failure_code();
	return print(options, volume->endpoints, volume->n_endpoints);
}
