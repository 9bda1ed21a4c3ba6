/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each family of metrics once, and under it a sample for each volume,
 * connection or client. Of the histograms of commands only those are told that
 * were ever asked for.
 */
#include "daemon/core/prometheus.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/core/client.h"
#include "daemon/core/daemon.h"
#include "daemon/core/events.h"
#include "daemon/core/exposition.h"
#include "daemon/core/loop.h"
#include "daemon/core/metrics_report.h"

#define PREFIX      "nbd_clientd_"
#define NAME_LENGTH 80

static const struct {
	enum metric_scope scope;
	const char *name;
} scopes[] = {
	{ METRIC_VOLUME, "volume" },
	{ METRIC_CONNECTION, "connection" },
	{ METRIC_CLIENT, "client" },
};

/* A subject and its labels; for each command, with the command. */
struct entry {
	const struct metrics_subject *subject;
	char *labels;
	char *command_labels[REQUEST_N_COMMANDS];
};

struct page {
	struct string_builder text;
	struct metrics_report report;
	struct entry *entries;
};

/* What stands between the braces; COMMAND NULL: not of one command. */
static char *
make_labels(const struct metrics_subject *subject, const char *command)
{
	struct string_builder labels = STRING_BUILDER_INIT;

	switch (subject->scope) {
	case METRIC_CONNECTION:
		exposition_number_label(&labels, "connection", subject->id);
		exposition_label(&labels, "endpoint", subject->endpoint);
		exposition_label(&labels, "volume", subject->volume);
		break;
	case METRIC_VOLUME:
		exposition_label(&labels, "volume", subject->volume);
		break;
	case METRIC_CLIENT:
		exposition_number_label(&labels, "client", subject->id);
		exposition_number_label(&labels, "pid", subject->pid);
		exposition_number_label(&labels, "uid", subject->uid);
		break;
	}
	if (command)
		exposition_label(&labels, "command", command);
	return string_builder_take(&labels);
}

/* False: no memory. */
static bool
fill_entry(struct entry *entry, const struct metrics_subject *subject)
{
	entry->subject = subject;
	entry->labels = make_labels(subject, NULL);
	for (int i = 0; i < REQUEST_N_COMMANDS; i++) {
		entry->command_labels[i] = make_labels(
			subject,
			request_command_label((enum request_command)i));
		if (!entry->command_labels[i])
			return false;
	}
	return entry->labels;
}

static bool
fill_entries(struct page *page)
{
	page->entries = calloc(page->report.n + 1, sizeof(*page->entries));
	for (size_t i = 0; page->entries && i < page->report.n; i++)
		if (!fill_entry(&page->entries[i], page->report.subjects[i]))
			return false;
	return page->entries;
}

static void
page_done(struct page *page)
{
	for (size_t i = 0; page->entries && i < page->report.n; i++) {
		free(page->entries[i].labels);
		for (int j = 0; j < REQUEST_N_COMMANDS; j++)
			free(page->entries[i].command_labels[j]);
	}
	free(page->entries);
	metrics_report_done(&page->report);
	string_builder_done(&page->text);
}

static void
append_counters(struct string_builder *text, const char *name,
		const struct entry *entry, const atomic_ullong *cells)
{
	for (int i = 0; i < REQUEST_N_COMMANDS; i++)
		exposition_number(
			text,
			&(struct sample){ name, entry->command_labels[i] },
			cells[i]);
}

static void
append_latencies(struct string_builder *text, const char *name,
		 const struct entry *entry, const struct histogram *histograms)
{
	const struct metrics *values = &entry->subject->values;

	for (int i = 0; i < REQUEST_N_COMMANDS; i++)
		if (values->requests[i] > 0)
			exposition_histogram(
				text,
				&(struct sample){ name,
						  entry->command_labels[i] },
				&histograms[i]);
}

static void
append_entry(struct string_builder *text, const char *name,
	     const struct metric *row, const struct entry *entry)
{
	const struct metrics *values = &entry->subject->values;
	struct sample sample = { name, entry->labels };

	switch (row->kind) {
	case METRIC_KIND_COUNTER:
	case METRIC_KIND_GAUGE:
		exposition_number(text, &sample, *metric_cells(values, row));
		break;
	case METRIC_KIND_COUNTERS:
		append_counters(text, name, entry, metric_cells(values, row));
		break;
	case METRIC_KIND_LATENCY:
		exposition_histogram(text, &sample,
				     metric_histograms(values, row));
		break;
	case METRIC_KIND_LATENCIES:
		append_latencies(text, name, entry,
				 metric_histograms(values, row));
		break;
	}
}

static const char *
type_of(enum metric_kind kind)
{
	switch (kind) {
	case METRIC_KIND_COUNTER:
	case METRIC_KIND_COUNTERS:
		return "counter";
	case METRIC_KIND_GAUGE:
		return "gauge";
	case METRIC_KIND_LATENCY:
	case METRIC_KIND_LATENCIES:
		break;
	}
	return "histogram";
}

static void
append_row(struct page *page, enum metric_scope scope, const char *scope_name,
	   const struct metric *row)
{
	char name[NAME_LENGTH];

	snprintf(name, sizeof(name), PREFIX "%s_%s", scope_name, row->name);
	exposition_family(&page->text, name, type_of(row->kind), row->help);
	for (size_t i = 0; i < page->report.n; i++)
		if (page->entries[i].subject->scope == scope)
			append_entry(&page->text, name, row, &page->entries[i]);
}

static void
append_rows(struct page *page)
{
	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
		for (unsigned row = 0; row < n_metric_rows; row++)
			if (metric_rows[row].scopes & scopes[i].scope)
				append_row(page, scopes[i].scope,
					   scopes[i].name, &metric_rows[row]);
}

/* What is no counting but a state. */

static void
append_volume_gauge(struct page *page, const char *name, const char *help,
		    uint64_t (*value)(const struct metrics_subject *subject))
{
	exposition_family(&page->text, name, "gauge", help);
	for (size_t i = 0; i < page->report.n; i++) {
		const struct entry *entry = &page->entries[i];

		if (entry->subject->scope == METRIC_VOLUME)
			exposition_number(
				&page->text,
				&(struct sample){ name, entry->labels },
				value(entry->subject));
	}
}

static uint64_t
is_up(const struct metrics_subject *subject)
{
	return subject->is_up;
}

static uint64_t
n_connections(const struct metrics_subject *subject)
{
	return subject->n_connections;
}

static void
append_round_trips(struct page *page)
{
	static const char name[] = PREFIX "connection_round_trip_seconds";

	exposition_family(&page->text, name, "gauge",
			  "What the kernel says of the way to the server and "
			  "back, for TCP.");
	for (size_t i = 0; i < page->report.n; i++) {
		const struct entry *entry = &page->entries[i];

		if (entry->subject->round_trip)
			exposition_seconds(
				&page->text,
				&(struct sample){ name, entry->labels },
				entry->subject->round_trip);
	}
}

/* The daemon itself. */

static void
append_gauge(struct page *page, const char *name, const char *labels,
	     uint64_t value, const char *help)
{
	exposition_family(&page->text, name, "gauge", help);
	exposition_number(&page->text, &(struct sample){ name, labels }, value);
}

/* When the daemon started, in seconds of the calendar's clock. */
static uint64_t
start_time(const struct daemon *daemon)
{
	uint64_t age = (clock_now() - daemon_started_at(daemon)) / 1000000000;

	return (uint64_t)time(NULL) - age;
}

static void
append_daemon(struct page *page, struct daemon *daemon, const char *version)
{
	struct string_builder builder = STRING_BUILDER_INIT;
	CLEANUP_FREE char *labels = NULL;

	exposition_label(&builder, "library", daemon_library_version());
	exposition_label(&builder, "version", version);
	labels = string_builder_take(&builder);
	append_gauge(page, PREFIX "build_info", labels, 1,
		     "The daemon's version and the library it runs on.");
	append_gauge(page, PREFIX "start_time_seconds", NULL,
		     start_time(daemon),
		     "When the daemon started, since 1970.");
	append_gauge(page, PREFIX "resident_memory_bytes", NULL,
		     daemon_resident_memory(),
		     "Memory that the daemon occupies.");
	append_gauge(page, PREFIX "clients", NULL, clients_count(daemon),
		     "Programs that are connected to the daemon.");
}

static void
append_events(struct page *page, struct daemon *daemon)
{
	static const char name[] = PREFIX "events_total";
	uint64_t counts[LOG_N_EVENTS];

	events_count(daemon_events(daemon), counts);
	exposition_family(&page->text, name, "counter",
			  "What has happened, by kind.");
	for (int i = LOG_EVENT_NONE + 1; i < LOG_N_EVENTS; i++) {
		struct string_builder builder = STRING_BUILDER_INIT;
		CLEANUP_FREE char *labels = NULL;

		exposition_label(&builder, "event",
				 event_name((enum log_event)i));
		labels = string_builder_take(&builder);
		exposition_number(&page->text, &(struct sample){ name, labels },
				  counts[i]);
	}
}

char *
prometheus_text(struct daemon *daemon, const char *version)
{
	struct metrics_query everything = {
		.scopes = METRIC_VOLUME | METRIC_CONNECTION | METRIC_CLIENT,
	};
	CLEANUP(page_done) struct page page = { .text = STRING_BUILDER_INIT };

	if (metrics_collect(daemon, NULL, &everything, &page.report) < 0 ||
	    !fill_entries(&page))
		return NULL;
	append_daemon(&page, daemon, version);
	append_events(&page, daemon);
	append_volume_gauge(&page, PREFIX "volume_up",
			    "Whether a connection of the volume is ready.",
			    is_up);
	append_volume_gauge(&page, PREFIX "volume_connections",
			    "Connections of the volume that are ready.",
			    n_connections);
	append_round_trips(&page);
	append_rows(&page);
	return string_builder_take(&page.text);
}
