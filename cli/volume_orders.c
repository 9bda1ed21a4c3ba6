/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* volume accept, pause, resume, reconnect: what an administrator tells a volume
 * to do; and volume wait, which waits for what comes of it. */
#include "cli/daemon.h"
#include "cli/errors.h"
#include "cli/families.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/volume_facts.h"
#include "grpc/health/v1/health.pb-c.h"
#include "nbdclientd/v1/volumes.pb-c.h"
#include "proto/client_stream.h"

/* All four requests are a name and nothing else. */
static int
give_order(const struct options *options, const char *verb,
	   enum rpc_method_id method, const void *request)
{
	CLEANUP_MESSAGE Nbdclientd__V1__Volume *volume = NULL;

	attempt("%s the volume %s", verb, options->args[0]);
	if (options_has(options, OPTION_DRY_RUN))
		return volume_check(options, options->args[0]);
	volume = daemon_call(options, method, request);
	if (!volume)
		return (int)failure_code();
	return output_finish(volume_facts(options, volume));
}

#define ORDER(lower, Upper, UPPER)                                         \
	int run_volume_##lower(const struct options *options)              \
	{                                                                  \
		Nbdclientd__V1__##Upper##VolumeRequest request =           \
			NBDCLIENTD__V1__##UPPER##_VOLUME_REQUEST__INIT;    \
                                                                           \
		request.name = options->args[0];                           \
		return give_order(options, #lower,                         \
				  RPC_VOLUMES_##UPPER##_VOLUME, &request); \
	}

ORDER(accept, Accept, ACCEPT)
ORDER(pause, Pause, PAUSE)
ORDER(resume, Resume, RESUME)
ORDER(reconnect, Reconnect, RECONNECT)

static int
wait_until_serving(struct client_stream *stream)
{
	struct client_error error;
	int r, is_serving = 0;

	do {
		Grpc__Health__V1__HealthCheckResponse *response;

		r = client_stream_receive(stream, &response, &error);
		if (r < 0)
			return daemon_fail(&error);
		if (r == 0)
			break;
		is_serving =
			response->status ==
			GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
		codec_message_free(response);
	} while (!is_serving);
	if (!is_serving)
		return fail(EXIT_BUSY, 0, NULL,
			    "the volume closes before it is ready");
	return EXIT_OK;
}

int
run_volume_wait(const struct options *options)
{
	Grpc__Health__V1__HealthCheckRequest request =
		GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
	struct client_stream *stream;
	struct client_error error;
	struct client *client;
	int status;

	attempt("wait for the volume %s", options->args[0]);
	status = daemon_connect(options, &client);
	/* What does not exist is told at once; Watch would wait for it. */
	if (status == EXIT_OK)
		status = volume_check(options, options->args[0]);
	if (status != EXIT_OK)
		return status;
	request.service = options->args[0];
	stream = client_stream_open(client, RPC_HEALTH_WATCH, &request,
				    daemon_timeout(options), &error);
	if (!stream)
		return daemon_fail(&error);
	status = wait_until_serving(stream);
	client_stream_free(stream);
	return status;
}
