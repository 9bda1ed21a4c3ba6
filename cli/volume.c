/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* volume ls, show, open, close: what the daemon manages. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/daemon.h"
#include "cli/errors.h"
#include "cli/families.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/volume_facts.h"
#include "nbdclientd/v1/volumes.pb-c.h"

int
run_volume_ls(const struct options *options)
{
	Nbdclientd__V1__ListVolumesRequest request =
		NBDCLIENTD__V1__LIST_VOLUMES_REQUEST__INIT;
	CLEANUP_MESSAGE Nbdclientd__V1__ListVolumesResponse *response = NULL;

	attempt("list the volumes");
	response = daemon_call(options, RPC_VOLUMES_LIST_VOLUMES, &request);
	if (!response)
		return (int)failure_code();
	return output_finish(
		volume_rows(options, response->volumes, response->n_volumes));
}

int
run_volume_show(const struct options *options)
{
	Nbdclientd__V1__GetVolumeRequest request =
		NBDCLIENTD__V1__GET_VOLUME_REQUEST__INIT;
	CLEANUP_MESSAGE Nbdclientd__V1__Volume *volume = NULL;

	attempt("show the volume %s", options->args[0]);
	request.name = options->args[0];
	volume = daemon_call(options, RPC_VOLUMES_GET_VOLUME, &request);
	if (!volume)
		return (int)failure_code();
	return output_finish(volume_facts(options, volume));
}

/* An ad-hoc volume lives as long as the connection that opened it, so this
 * stays until the end of its input, or a signal. */
int
run_volume_open(const struct options *options)
{
	Nbdclientd__V1__OpenVolumeRequest request =
		NBDCLIENTD__V1__OPEN_VOLUME_REQUEST__INIT;
	CLEANUP_MESSAGE Nbdclientd__V1__Volume *volume = NULL;
	char ignored[256];
	int status;

	attempt("open %s", options->args[0]);
	request.uri = options->args[0];
	request.connections = options->connections;
	request.read_only = options_has(options, OPTION_READ_ONLY);
	request.timeout_ms = options->timeout_ms;
	volume = daemon_call(options, RPC_VOLUMES_OPEN_VOLUME, &request);
	if (!volume)
		return (int)failure_code();
	/* That it can be opened is all that was asked: it closes with us. */
	if (options_has(options, OPTION_DRY_RUN))
		return EXIT_OK;
	status = output_finish(volume_facts(options, volume));
	fflush(stdout);
	if (status == EXIT_OK && !options_has(options, OPTION_QUIET))
		fprintf(stderr,
			"nbdctl: %s is open until the end of standard "
			"input\n",
			volume->name);
	while (status == EXIT_OK &&
	       read(STDIN_FILENO, ignored, sizeof(ignored)) > 0)
		;
	return status;
}

int
run_volume_close(const struct options *options)
{
	Nbdclientd__V1__CloseVolumeRequest request =
		NBDCLIENTD__V1__CLOSE_VOLUME_REQUEST__INIT;
	void *response;

	attempt("close the volume %s", options->args[0]);
	request.name = options->args[0];
	if (options_has(options, OPTION_DRY_RUN))
		return volume_check(options, options->args[0]);
	response = daemon_call(options, RPC_VOLUMES_CLOSE_VOLUME, &request);
	codec_message_free(response);
	return response ? EXIT_OK : (int)failure_code();
}
