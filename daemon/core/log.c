/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines to the journal or to stderr. */
#include "daemon/core/log.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "common/cleanup.h"
#include "common/strings.h"

static atomic_int max_level = LOG_INFO;
static bool to_journal;

static void (*sink)(void *user, const struct log_subject *subject,
		    const char *message);
static void *sink_user;

static const char *const event_ids[LOG_N_EVENTS] = {
#define X(symbol, name, id) [LOG_EVENT_##symbol] = id,
	LOG_EVENTS(X)
#undef X
};

/* JOURNAL_STREAM names the device and inode of the journal's socket; stderr
 * may have been redirected since it was set. */
static bool
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uint64_t device, inode;
	struct stat status;

	return stream &&
	       sscanf(stream, "%" SCNu64 ":%" SCNu64, &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

void
log_open(void)
{
	to_journal = stderr_is_journal();
}

void
log_set_level(int level)
{
	max_level = level;
}

int
log_level(void)
{
	return max_level;
}

void
log_set_sink(void (*on_event)(void *user, const struct log_subject *subject,
			      const char *message),
	     void *user)
{
	sink = on_event;
	sink_user = user;
}

struct fields {
	struct iovec items[8];
	char *texts[8];
	int n;
};

static void
add_field(struct fields *fields, const char *name, const char *value)
{
	char *text;

	if (!value || asprintf(&text, "%s=%s", name, value) < 0)
		return;
	fields->texts[fields->n] = text;
	fields->items[fields->n++] = (struct iovec){ text, strlen(text) };
}

static void
add_number(struct fields *fields, const char *name, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	add_field(fields, name, number ? text : NULL);
}

static void
write_to_journal(int level, const struct log_subject *subject,
		 const char *message)
{
	struct fields fields = { 0 };
	char priority[4];

	snprintf(priority, sizeof(priority), "%d", level & LOG_PRIMASK);
	add_field(&fields, "MESSAGE", message);
	add_field(&fields, "PRIORITY", priority);
	add_field(&fields, "SYSLOG_IDENTIFIER", "nbd-clientd");
	add_field(&fields, "NBD_VOLUME", subject->volume);
	add_field(&fields, "NBD_ENDPOINT", subject->endpoint);
	add_number(&fields, "NBD_CONNECTION", subject->connection);
	add_number(&fields, "NBD_REQUEST", subject->request);
	add_field(&fields, "MESSAGE_ID", event_ids[subject->event]);
	if (sd_journal_sendv(fields.items, fields.n) < 0)
		fprintf(stderr, "<%d>%s\n", level, message);
	while (fields.n > 0)
		free(fields.texts[--fields.n]);
}

static void
write_line(int level, const struct log_subject *subject, const char *message)
{
	struct string_builder text = STRING_BUILDER_INIT;
	CLEANUP_FREE char *line = NULL;

	if (subject->volume)
		string_builder_printf(&text, "volume %s: ", subject->volume);
	string_builder_append(&text, message);
	line = string_builder_take(&text);
	if (!line)
		return;
	if (to_journal)
		write_to_journal(level, subject, line);
	else
		fprintf(stderr, "nbd-clientd: %s\n", line);
}

void
log_write(int level, const struct log_subject *subject, const char *format, ...)
{
	static const struct log_subject nothing = { 0 };
	CLEANUP_FREE char *message = NULL;
	bool is_event;
	va_list args;
	int length;

	if (!subject)
		subject = &nothing;
	is_event = sink && subject->event != LOG_EVENT_NONE;
	if (level > max_level && !is_event)
		return;
	va_start(args, format);
	length = vasprintf(&message, format, args);
	va_end(args);
	if (length < 0) {
		message = NULL;
		return;
	}
	if (level <= max_level)
		write_line(level, subject, message);
	if (is_event)
		sink(sink_user, subject, message);
}
