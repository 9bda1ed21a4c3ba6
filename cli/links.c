/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* conn and client: the daemon's connections to servers, and those of programs to
 * the daemon. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/daemon.h"
#include "cli/errors.h"
#include "cli/families.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/stats_tables.h"
#include "nbdclientd/v1/admin.pb-c.h"

/* The number that a command's argument is. */
static int
parse_id(const char *text, uint64_t *id)
{
	char *end;

	errno = 0;
	*id = strtoull(text, &end, 10);
	if (text[strspn(text, "0123456789")] || end == text || errno ||
	    *id == 0)
		return fail(EXIT_USAGE, EINVAL, NULL,
			    "\"%s\" is no number of one; ls lists them", text);
	return EXIT_OK;
}

/* One thing as facts, and what is counted of it behind. FACTS is taken. */
static int
show(const struct options *options, struct output *facts,
     Nbdclientd__V1__StatsScope scope, uint64_t id)
{
	CLEANUP_MESSAGE Nbdclientd__V1__GetStatsResponse *response = NULL;
	struct output *outputs[1 + STATS_TABLES] = { facts };
	size_t n = 1;

	response = stats_ask(options, scope, NULL, id);
	/* One that connects has no statistics yet. */
	if (!response && failure_code() == EXIT_UNKNOWN_VOLUME)
		failure_clear();
	if (response && response->n_stats > 0)
		n += stats_tables(options, response->stats[0], outputs + 1);
	if (failure_code() != EXIT_OK) {
		output_discard(facts);
		return (int)failure_code();
	}
	return output_print(outputs, n);
}

static int
refuse_columns(const struct options *options)
{
	if (!options->columns)
		return EXIT_OK;
	return fail(EXIT_USAGE, EINVAL, "use --columns with ls",
		    "show prints several tables");
}

/* Connections to servers. */

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

static const struct output_column connection_columns[] = {
	{ "ID", OUTPUT_NUMBER },        { "VOLUME", OUTPUT_TEXT },
	{ "STATE", OUTPUT_STATE },      { "ENDPOINT", OUTPUT_TEXT },
	{ "AGE", OUTPUT_TIME },         { "TLS", OUTPUT_BOOL },
	{ "IN_FLIGHT", OUTPUT_NUMBER }, { "SENT", OUTPUT_BYTES },
	{ "RECEIVED", OUTPUT_BYTES },   { "ROUND_TRIP", OUTPUT_LATENCY },
	{ "ANSWER", OUTPUT_LATENCY },   { "RETRY_IN", OUTPUT_TIME },
};

#define N_CONNECTION_COLUMNS \
	(sizeof(connection_columns) / sizeof(connection_columns[0]))

static void
add_number_or_nothing(struct output *output, uint64_t number)
{
	if (number)
		output_number(output, number);
	else
		output_nothing(output);
}

static void
add_connection(struct output *output,
	       const Nbdclientd__V1__Connection *connection)
{
	/* What is backing off is no connection yet. */
	add_number_or_nothing(output, connection->id);
	output_text(output, connection->volume);
	output_text(output, connection_state_name(connection->state));
	output_text(output, connection->endpoint);
	output_number(output, connection->age_ms);
	output_bool(output, connection->tls);
	output_number(output, connection->in_flight);
	output_number(output, connection->bytes_sent);
	output_number(output, connection->bytes_received);
	add_number_or_nothing(output, connection->round_trip_us);
	add_number_or_nothing(output, connection->answer_us);
	add_number_or_nothing(output, connection->retry_in_ms);
}

static Nbdclientd__V1__ListConnectionsResponse *
list_connections(const struct options *options, char *volume)
{
	Nbdclientd__V1__ListConnectionsRequest request =
		NBDCLIENTD__V1__LIST_CONNECTIONS_REQUEST__INIT;

	if (volume)
		request.volume = volume;
	return daemon_call(options, RPC_ADMIN_LIST_CONNECTIONS, &request);
}

int
run_conn_ls(const struct options *options)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ListConnectionsResponse *response =
		NULL;
	struct output *output;

	attempt("list the connections");
	response = list_connections(
		options, options->n_args > 0 ? options->args[0] : NULL);
	if (!response)
		return (int)failure_code();
	output = output_new(options, "connections", OUTPUT_ROWS,
			    connection_columns, N_CONNECTION_COLUMNS);
	for (size_t i = 0; i < response->n_connections; i++)
		add_connection(output, response->connections[i]);
	return output_finish(output);
}

static const Nbdclientd__V1__Connection *
find_connection(const Nbdclientd__V1__ListConnectionsResponse *response,
		uint64_t id)
{
	for (size_t i = 0; i < response->n_connections; i++)
		if (response->connections[i]->id == id)
			return response->connections[i];
	return NULL;
}

int
run_conn_show(const struct options *options)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ListConnectionsResponse *response =
		NULL;
	const Nbdclientd__V1__Connection *connection;
	struct output *facts;
	uint64_t id;

	attempt("show the connection %s", options->args[0]);
	if (refuse_columns(options) != EXIT_OK ||
	    parse_id(options->args[0], &id) != EXIT_OK)
		return (int)failure_code();
	response = list_connections(options, NULL);
	if (!response)
		return (int)failure_code();
	connection = find_connection(response, id);
	if (!connection)
		return fail(EXIT_UNKNOWN_VOLUME, ENOENT,
			    "nbdctl conn ls lists those there are",
			    "there is no such connection");
	facts = output_new(options, "connection", OUTPUT_FACTS,
			   connection_columns, N_CONNECTION_COLUMNS);
	add_connection(facts, connection);
	return show(options, facts,
		    NBDCLIENTD__V1__STATS_SCOPE__STATS_SCOPE_CONNECTION, id);
}

static int
kill_connection(const struct options *options, uint64_t id)
{
	Nbdclientd__V1__KillConnectionRequest request =
		NBDCLIENTD__V1__KILL_CONNECTION_REQUEST__INIT;
	void *response;

	request.id = id;
	response = daemon_call(options, RPC_ADMIN_KILL_CONNECTION, &request);
	codec_message_free(response);
	return response ? EXIT_OK : (int)failure_code();
}

/* All are looked at before the first is closed. */
static int
kill_all(const struct options *options, const char *what,
	 int (*kill)(const struct options *options, uint64_t id))
{
	int status = EXIT_OK;
	uint64_t id;

	for (int i = 0; i < options->n_args && status == EXIT_OK; i++) {
		attempt("close the %s %s", what, options->args[i]);
		status = parse_id(options->args[i], &id);
	}
	if (options_has(options, OPTION_DRY_RUN))
		return status;
	for (int i = 0; i < options->n_args && status == EXIT_OK; i++) {
		attempt("close the %s %s", what, options->args[i]);
		status = parse_id(options->args[i], &id);
		if (status == EXIT_OK)
			status = kill(options, id);
	}
	return status;
}

int
run_conn_kill(const struct options *options)
{
	return kill_all(options, "connection", kill_connection);
}

/* Programs. */

static const struct output_column client_columns[] = {
	{ "ID", OUTPUT_NUMBER },
	{ "PID", OUTPUT_NUMBER },
	{ "UID", OUTPUT_NUMBER },
	{ "GID", OUTPUT_NUMBER },
	{ "ADMIN", OUTPUT_BOOL },
	{ "AGE", OUTPUT_TIME },
	{ "CALLS", OUTPUT_NUMBER },
	{ "IN_FLIGHT", OUTPUT_NUMBER },
	{ "AD_HOC_VOLUMES", OUTPUT_NUMBER },
	{ "SESSIONS", OUTPUT_NUMBER },
};

#define N_CLIENT_COLUMNS (sizeof(client_columns) / sizeof(client_columns[0]))

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
	output_number(output, client->sessions);
}

static Nbdclientd__V1__ListClientsResponse *
list_clients(const struct options *options)
{
	Nbdclientd__V1__ListClientsRequest request =
		NBDCLIENTD__V1__LIST_CLIENTS_REQUEST__INIT;

	return daemon_call(options, RPC_ADMIN_LIST_CLIENTS, &request);
}

int
run_client_ls(const struct options *options)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ListClientsResponse *response = NULL;
	struct output *output;

	attempt("list the clients");
	response = list_clients(options);
	if (!response)
		return (int)failure_code();
	output = output_new(options, "clients", OUTPUT_ROWS, client_columns,
			    N_CLIENT_COLUMNS);
	for (size_t i = 0; i < response->n_clients; i++)
		add_client(output, response->clients[i]);
	return output_finish(output);
}

static const Nbdclientd__V1__Client *
find_client(const Nbdclientd__V1__ListClientsResponse *response, uint64_t id)
{
	for (size_t i = 0; i < response->n_clients; i++)
		if (response->clients[i]->id == id)
			return response->clients[i];
	return NULL;
}

int
run_client_show(const struct options *options)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ListClientsResponse *response = NULL;
	const Nbdclientd__V1__Client *client;
	struct output *facts;
	uint64_t id;

	attempt("show the client %s", options->args[0]);
	if (refuse_columns(options) != EXIT_OK ||
	    parse_id(options->args[0], &id) != EXIT_OK)
		return (int)failure_code();
	response = list_clients(options);
	if (!response)
		return (int)failure_code();
	client = find_client(response, id);
	if (!client)
		return fail(EXIT_UNKNOWN_VOLUME, ENOENT,
			    "nbdctl client ls lists those there are",
			    "there is no such client");
	facts = output_new(options, "client", OUTPUT_FACTS, client_columns,
			   N_CLIENT_COLUMNS);
	add_client(facts, client);
	return show(options, facts,
		    NBDCLIENTD__V1__STATS_SCOPE__STATS_SCOPE_CLIENT, id);
}

static int
kill_client(const struct options *options, uint64_t id)
{
	Nbdclientd__V1__KillClientRequest request =
		NBDCLIENTD__V1__KILL_CLIENT_REQUEST__INIT;
	void *response;

	request.id = id;
	response = daemon_call(options, RPC_ADMIN_KILL_CLIENT, &request);
	codec_message_free(response);
	return response ? EXIT_OK : (int)failure_code();
}

int
run_client_kill(const struct options *options)
{
	return kill_all(options, "client", kill_client);
}
