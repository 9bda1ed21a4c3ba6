/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the time of a slow request went. Of the time from sending to the first
 * answer the kernel knows, for TCP, how much the way takes; the rest is the
 * server's. Without that the two are told as one.
 */
#include "daemon/core/slow.h"

#include <inttypes.h>

#include "common/cleanup.h"
#include "common/strings.h"
#include "daemon/core/endpoint.h"
#include "daemon/core/log.h"
#include "daemon/core/target.h"

/* Seconds and their millionths, for printf. */
#define SECONDS       "%" PRIu64 ".%06" PRIu64 " s"
#define AS_SECONDS(t) (t) / 1000000000, (t) / 1000 % 1000000

bool
slow_is_slow(const struct request_target *target, uint64_t taken)
{
	uint64_t limit = target->slow_request;

	return limit > 0 && taken > limit;
}

static void
describe_request(struct string_builder *text, const struct request *request)
{
	const struct client *client = request->client;

	string_builder_printf(text, "slow request %" PRIu64 ": %s", request->id,
			      request_command_name(request->command));
	if (request->command != REQUEST_FLUSH)
		string_builder_printf(text, " of %" PRIu64 " bytes at %" PRIu64,
				      request->length, request->offset);
	if (client)
		string_builder_printf(
			text, " for client %" PRIu64 " (pid %d, uid %u)",
			client->id, (int)client->pid, client->uid);
}

/* From sending to the first answer. */
static void
describe_server(struct string_builder *text, const struct request_times *times)
{
	uint64_t taken = times->answered - times->sent;
	uint64_t way = times->round_trip;

	if (way > 0 && way <= taken)
		string_builder_printf(text,
				      ", wire " SECONDS ", server " SECONDS,
				      AS_SECONDS(way), AS_SECONDS(taken - way));
	else
		string_builder_printf(text, ", wire and server " SECONDS,
				      AS_SECONDS(taken));
}

static void
describe_times(struct string_builder *text, const struct request *request)
{
	const struct request_times *times = &request->times;

	string_builder_printf(text, " took " SECONDS ": queue " SECONDS,
			      AS_SECONDS(times->ended - times->arrived),
			      AS_SECONDS(request_time_in_queue(request)));
	if (times->answered)
		describe_server(text, times);
	if (times->answered && times->ended > times->answered)
		string_builder_printf(
			text, ", until the end of %u commands " SECONDS,
			request->n_parts,
			AS_SECONDS(times->ended - times->answered));
	if (times->sent && !times->answered)
		string_builder_printf(text, ", no answer for " SECONDS,
				      AS_SECONDS(times->ended - times->sent));
	if (request->failure.errnum)
		string_builder_printf(text, "; it failed: %s",
				      failure_text(&request->failure));
}

void
slow_check(struct request_target *target, struct request *request)
{
	const struct endpoint *endpoint = request->times.endpoint;
	struct log_subject about = {
		.volume = request->failure.volume ? request->failure.volume
						  : target->name,
		.endpoint = endpoint ? endpoint->uri
				     : request->failure.endpoint,
		.connection = request->times.connection,
		.request = request->id,
	};
	struct string_builder builder = STRING_BUILDER_INIT;
	CLEANUP_FREE char *text = NULL;

	if (!slow_is_slow(target,
			  request->times.ended - request->times.arrived))
		return;
	TARGET_COUNT(target, request, slow, 1);
	describe_request(&builder, request);
	describe_times(&builder, request);
	text = string_builder_take(&builder);
	if (text)
		log_write(LOG_WARNING, &about, "%s", text);
}
