/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes on the screen. */
#include "cli/volume_facts.h"

#include "cli/daemon.h"
#include "cli/errors.h"
#include "cli/options.h"
#include "cli/output.h"
#include "nbdclientd/v1/volumes.pb-c.h"

static const struct output_column volume_columns[] = {
	{ "NAME", OUTPUT_TEXT },
	{ "STATE", OUTPUT_STATE },
	{ "SIZE", OUTPUT_BYTES },
	{ "READ_ONLY", OUTPUT_BOOL },
	{ "AD_HOC", OUTPUT_BOOL },
	{ "CONNECTIONS", OUTPUT_NUMBER },
	{ "CONNECTIONS_MIN", OUTPUT_NUMBER },
	{ "CONNECTIONS_MAX", OUTPUT_NUMBER },
	{ "IN_FLIGHT", OUTPUT_NUMBER },
	{ "WAITING", OUTPUT_NUMBER },
	{ "ENDPOINTS", OUTPUT_LIST },
	{ "CONTEXTS", OUTPUT_LIST },
	{ "TLS", OUTPUT_BOOL },
	{ "HANDSHAKE", OUTPUT_TEXT },
	{ "READS", OUTPUT_NUMBER },
	{ "WRITES", OUTPUT_NUMBER },
	{ "OTHERS", OUTPUT_NUMBER },
	{ "BYTES_READ", OUTPUT_BYTES },
	{ "BYTES_WRITTEN", OUTPUT_BYTES },
	{ "ERRORS", OUTPUT_NUMBER },
	{ "RECONNECTS", OUTPUT_NUMBER },
	{ "RETRIES", OUTPUT_NUMBER },
	{ "REPLAYED", OUTPUT_NUMBER },
	{ "EARLY_FLUSHES", OUTPUT_NUMBER },
	{ "UNFLUSHED", OUTPUT_TEXT },
	{ "UNFLUSHED_BYTES", OUTPUT_BYTES },
	{ "UNFLUSHED_LIMIT", OUTPUT_BYTES },
	{ "LAST_ERROR", OUTPUT_TEXT },
	{ "LAST_ERROR_AGE", OUTPUT_TIME },
};

#define N_VOLUME_COLUMNS (sizeof(volume_columns) / sizeof(volume_columns[0]))

static const char *
state_name(Nbdclientd__V1__VolumeState state)
{
	switch (state) {
	case NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_CONNECTING:
		return "connecting";
	case NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_READY:
		return "ready";
	case NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_RECOVERING:
		return "recovering";
	case NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_DRAINING:
		return "draining";
	case NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_QUARANTINED:
		return "quarantined";
	case NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_PAUSED:
		return "paused";
	case NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_GIVEN_UP:
		return "given up";
	case NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_UNSPECIFIED:
	case _NBDCLIENTD__V1__VOLUME_STATE_IS_INT_SIZE:
		break;
	}
	return "unknown";
}

static void
add_counters(struct output *output, const Nbdclientd__V1__Counters *counters)
{
	static const Nbdclientd__V1__Counters none =
		NBDCLIENTD__V1__COUNTERS__INIT;

	if (!counters)
		counters = &none;
	output_number(output, counters->reads);
	output_number(output, counters->writes);
	output_number(output, counters->others);
	output_number(output, counters->bytes_read);
	output_number(output, counters->bytes_written);
	output_number(output, counters->errors);
	output_number(output, counters->reconnects);
	output_number(output, counters->retries);
	output_number(output, counters->replayed);
	output_number(output, counters->early_flushes);
}

/* What only a connection tells is empty before the first. */
static void
add_export(struct output *output, const Nbdclientd__V1__Export *export)
{
	if (export) {
		output_number(output, export->size);
		output_bool(output, export->read_only);
	} else {
		output_nothing(output);
		output_nothing(output);
	}
}

static void
add_protocol(struct output *output,
	     const Nbdclientd__V1__ProtocolInfo *protocol)
{
	if (protocol) {
		output_bool(output, protocol->tls);
		output_text(output, protocol->handshake);
	} else {
		output_nothing(output);
		output_nothing(output);
	}
}

static void
add_volume(struct output *output, const Nbdclientd__V1__Volume *volume)
{
	const Nbdclientd__V1__Export *export = volume->export;

	output_text(output, volume->name);
	output_text(output, state_name(volume->state));
	add_export(output, export);
	output_bool(output, volume->ad_hoc);
	output_number(output, volume->connections_ready);
	output_number(output, volume->connections_min);
	output_number(output, volume->connections_max);
	output_number(output, volume->in_flight);
	output_number(output, volume->waiting);
	output_list(output, volume->endpoints, volume->n_endpoints);
	output_list(output, export ? export->contexts : NULL,
		    export ? export->n_contexts : 0);
	add_protocol(output, volume->protocol);
	add_counters(output, volume->counters);
	output_text(output, volume->unflushed);
	output_number(output, volume->unflushed_bytes);
	output_number(output, volume->unflushed_limit);
	if (*volume->last_error) {
		output_text(output, volume->last_error);
		output_number(output, volume->last_error_age_ms);
	} else {
		output_nothing(output);
		output_nothing(output);
	}
}

int
volume_check(const struct options *options, char *name)
{
	Nbdclientd__V1__GetVolumeRequest request =
		NBDCLIENTD__V1__GET_VOLUME_REQUEST__INIT;
	void *volume;

	request.name = name;
	volume = daemon_call(options, RPC_VOLUMES_GET_VOLUME, &request);
	codec_message_free(volume);
	return volume ? EXIT_OK : (int)failure_code();
}

struct output *
volume_rows(const struct options *options,
	    Nbdclientd__V1__Volume *const *volumes, size_t n_volumes)
{
	struct output *output = output_new(options, "volumes", OUTPUT_ROWS,
					   volume_columns, N_VOLUME_COLUMNS);

	output_default_columns(output,
			       "NAME,STATE,SIZE,READ_ONLY,CONNECTIONS,"
			       "IN_FLIGHT,WAITING,ENDPOINTS,LAST_ERROR");
	for (size_t i = 0; i < n_volumes; i++)
		add_volume(output, volumes[i]);
	return output;
}

struct output *
volume_facts(const struct options *options,
	     const Nbdclientd__V1__Volume *volume)
{
	struct output *output = output_new(options, "volume", OUTPUT_FACTS,
					   volume_columns, N_VOLUME_COLUMNS);

	add_volume(output, volume);
	return output;
}
