/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* volume ls, show, open, close; conn ls; client ls: what the daemon manages. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/daemon.h"
#include "cli/errors.h"
#include "cli/families.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/volume_facts.h"
#include "nbdclientd/v1/admin.pb-c.h"
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
		return EXIT_OK;
	response = daemon_call(options, RPC_VOLUMES_CLOSE_VOLUME, &request);
	codec_message_free(response);
	return response ? EXIT_OK : (int)failure_code();
}

static const char *
connection_state_name(Nbdclientd__V1__ConnectionState state)
{
	switch (state) {
	case NBDCLIENTD__V1__CONNECTION_STATE__CONNECTION_STATE_CONNECTING:
		return "connecting";
	case NBDCLIENTD__V1__CONNECTION_STATE__CONNECTION_STATE_IDLE:
		return "idle";
	case NBDCLIENTD__V1__CONNECTION_STATE__CONNECTION_STATE_BUSY:
		return "busy";
	case NBDCLIENTD__V1__CONNECTION_STATE__CONNECTION_STATE_DRAINING:
		return "draining";
	case NBDCLIENTD__V1__CONNECTION_STATE__CONNECTION_STATE_BACKING_OFF:
		return "backing off";
	case NBDCLIENTD__V1__CONNECTION_STATE__CONNECTION_STATE_UNSPECIFIED:
	case _NBDCLIENTD__V1__CONNECTION_STATE_IS_INT_SIZE:
		break;
	}
	return "unknown";
}

static void
add_connection(struct output *output,
	       const Nbdclientd__V1__Connection *connection)
{
	output_number(output, connection->id);
	output_text(output, connection->volume);
	output_text(output, connection_state_name(connection->state));
	output_text(output, connection->endpoint);
	output_number(output, connection->age_ms);
	output_bool(output, connection->tls);
	output_number(output, connection->in_flight);
	output_number(output, connection->bytes_sent);
	output_number(output, connection->bytes_received);
	if (connection->retry_in_ms)
		output_number(output, connection->retry_in_ms);
	else
		output_nothing(output);
}

int
run_conn_ls(const struct options *options)
{
	static const struct output_column columns[] = {
		{ "ID", OUTPUT_NUMBER },        { "VOLUME", OUTPUT_TEXT },
		{ "STATE", OUTPUT_STATE },      { "ENDPOINT", OUTPUT_TEXT },
		{ "AGE", OUTPUT_TIME },         { "TLS", OUTPUT_BOOL },
		{ "IN_FLIGHT", OUTPUT_NUMBER }, { "SENT", OUTPUT_BYTES },
		{ "RECEIVED", OUTPUT_BYTES },   { "RETRY_IN", OUTPUT_TIME },
	};
	Nbdclientd__V1__ListConnectionsRequest request =
		NBDCLIENTD__V1__LIST_CONNECTIONS_REQUEST__INIT;
	CLEANUP_MESSAGE Nbdclientd__V1__ListConnectionsResponse *response =
		NULL;
	struct output *output;

	attempt("list the connections");
	if (options->n_args > 0)
		request.volume = options->args[0];
	response = daemon_call(options, RPC_ADMIN_LIST_CONNECTIONS, &request);
	if (!response)
		return (int)failure_code();
	output = output_new(options, "connections", OUTPUT_ROWS, columns,
			    sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < response->n_connections; i++)
		add_connection(output, response->connections[i]);
	return output_finish(output);
}

static void
add_client(struct output *output, const Nbdclientd__V1__Client *client)
{
	output_number(output, client->id);
	output_number(output, client->pid);
	output_number(output, client->uid);
	output_number(output, client->gid);
	output_bool(output, client->admin);
	output_number(output, client->age_ms);
	output_number(output, client->calls);
	output_number(output, client->in_flight);
	output_number(output, client->ad_hoc_volumes);
}

int
run_client_ls(const struct options *options)
{
	static const struct output_column columns[] = {
		{ "ID", OUTPUT_NUMBER },
		{ "PID", OUTPUT_NUMBER },
		{ "UID", OUTPUT_NUMBER },
		{ "GID", OUTPUT_NUMBER },
		{ "ADMIN", OUTPUT_BOOL },
		{ "AGE", OUTPUT_TIME },
		{ "CALLS", OUTPUT_NUMBER },
		{ "IN_FLIGHT", OUTPUT_NUMBER },
		{ "AD_HOC_VOLUMES", OUTPUT_NUMBER },
	};
	Nbdclientd__V1__ListClientsRequest request =
		NBDCLIENTD__V1__LIST_CLIENTS_REQUEST__INIT;
	CLEANUP_MESSAGE Nbdclientd__V1__ListClientsResponse *response = NULL;
	struct output *output;

	attempt("list the clients");
	response = daemon_call(options, RPC_ADMIN_LIST_CLIENTS, &request);
	if (!response)
		return (int)failure_code();
	output = output_new(options, "clients", OUTPUT_ROWS, columns,
			    sizeof(columns) / sizeof(columns[0]));
	for (size_t i = 0; i < response->n_clients; i++)
		add_client(output, response->clients[i]);
	return output_finish(output);
}
