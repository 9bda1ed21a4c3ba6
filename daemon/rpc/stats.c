/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Admin.GetMetrics and GetStats: what is counted, as text and as messages. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "daemon/core/client.h"
#include "daemon/core/failure.h"
#include "daemon/core/loop.h"
#include "daemon/core/metrics_report.h"
#include "daemon/core/prometheus.h"
#include "daemon/core/volume.h"
#include "daemon/rpc/admin.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/handlers.h"
#include "daemon/rpc/stats_message.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "proto/codec_free.h"

#define SCOPE(name) NBDCLIENTD__V1__STATS_SCOPE__STATS_SCOPE_##name

static void
on_get_metrics(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__GetMetricsRequest *message = NULL;
	Nbdclientd__V1__GetMetricsResponse response =
		NBDCLIENTD__V1__GET_METRICS_RESPONSE__INIT;
	CLEANUP_FREE char *text = NULL;

	if (!rpc_call_decode(call, bytes, &message) ||
	    !admin_is_allowed(call, "read the metrics"))
		return;
	text = prometheus_text(rpc_call_daemon(call), NBD_CLIENTD_VERSION);
	if (!text) {
		admin_fail_without_memory(call);
		return;
	}
	response.text = text;
	response.content_type = borrow_text(PROMETHEUS_CONTENT_TYPE);
	rpc_call_reply(call, &response);
}

static void
reply_with_stats(struct rpc_call *call, const struct metrics_report *report)
{
	Nbdclientd__V1__GetStatsResponse response =
		NBDCLIENTD__V1__GET_STATS_RESPONSE__INIT;
	CLEANUP_FREE Nbdclientd__V1__Stats **stats = calloc(report->n + 1,
							    sizeof(*stats));

	response.stats = stats;
	while (stats && response.n_stats < report->n) {
		stats[response.n_stats] = stats_message_new(
			report->subjects[response.n_stats]);
		if (!stats[response.n_stats])
			break;
		response.n_stats++;
	}
	if (!stats || response.n_stats < report->n) {
		admin_fail_without_memory(call);
	} else {
		response.time_ns = clock_now();
		rpc_call_reply(call, &response);
	}
	for (size_t i = 0; i < response.n_stats; i++)
		protobuf_c_message_free_unpacked(&stats[i]->base, NULL);
}

static unsigned
scope_of(Nbdclientd__V1__StatsScope scope)
{
	switch (scope) {
	case SCOPE(VOLUME):
		return METRIC_VOLUME;
	case SCOPE(CONNECTION):
		return METRIC_CONNECTION;
	case SCOPE(CLIENT):
		return METRIC_CLIENT;
	case SCOPE(UNSPECIFIED):
	case _NBDCLIENTD__V1__STATS_SCOPE_IS_INT_SIZE:
		break;
	}
	return 0;
}

/* Is there such a volume, and may the caller look? False: the call has been
 * failed. */
static bool
check_query(struct rpc_call *call, const struct metrics_query *query)
{
	struct volume *volume;

	if (query->scopes == 0) {
		rpc_call_fail_with_code(call, GRPC_STATUS_INVALID_ARGUMENT,
					"no scope: volume, connection or "
					"client");
		return false;
	}
	if (query->scopes != METRIC_VOLUME &&
	    !admin_is_allowed(call, "look at connections and other clients"))
		return false;
	if (!query->volume)
		return true;
	volume = rpc_call_find_volume(call, query->volume);
	volume_unref(volume);
	return volume;
}

static void
on_get_stats(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__GetStatsRequest *message = NULL;
	struct metrics_report report;
	struct metrics_query query;

	if (!rpc_call_decode(call, bytes, &message))
		return;
	query = (struct metrics_query){
		.scopes = scope_of(message->scope),
		.volume = message->volume[0] ? message->volume : NULL,
		.id = message->id,
	};
	if (!check_query(call, &query))
		return;
	if (metrics_collect(rpc_call_daemon(call), rpc_call_client(call),
			    &query, &report) < 0) {
		admin_fail_without_memory(call);
		return;
	}
	if (query.id && report.n == 0)
		rpc_call_fail_with_code(
			call, GRPC_STATUS_NOT_FOUND, "there is no %s %" PRIu64,
			query.scopes == METRIC_CLIENT ? "client"
						      : "ready connection",
			query.id);
	else
		reply_with_stats(call, &report);
	metrics_report_done(&report);
}

const struct rpc_handler rpc_handler_ADMIN_GET_METRICS = {
	.size = sizeof(struct rpc_call),
	.on_message = on_get_metrics,
};

const struct rpc_handler rpc_handler_ADMIN_GET_STATS = {
	.size = sizeof(struct rpc_call),
	.on_message = on_get_stats,
};
