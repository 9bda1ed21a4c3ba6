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

static const char *const event_ids[] = {
	[LOG_EVENT_CONNECTED] = "5c2f1d8e0f6b4a3e9d7c41b0a6e2f813",
	[LOG_EVENT_LOST] = "a91e64b75d2c4f0c8b3e7f12d0c5a946",
	[LOG_EVENT_RELOADED] = "3d70c9f4e81b4b6fa25e90d7c3618ab2",
	[LOG_EVENT_DRAINING] = "e4b8a2136f9d4c75b01d58c7f2903e6d",
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

struct fields {
	struct iovec items[6];
	char *texts[6];
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
	add_field(&fields, "MESSAGE_ID", event_ids[subject->event]);
	if (sd_journal_sendv(fields.items, fields.n) < 0)
		fprintf(stderr, "<%d>%s\n", level, message);
	while (fields.n > 0)
		free(fields.texts[--fields.n]);
}

void
log_write(int level, const struct log_subject *subject, const char *format, ...)
{
	static const struct log_subject nothing = { 0 };
	struct string_builder text = STRING_BUILDER_INIT;
	CLEANUP_FREE char *message = NULL;
	va_list args;

	if (level > max_level)
		return;
	if (!subject)
		subject = &nothing;
	if (subject->volume)
		string_builder_printf(&text, "volume %s: ", subject->volume);
	va_start(args, format);
	string_builder_vprintf(&text, format, args);
	va_end(args);
	message = string_builder_take(&text);
	if (!message)
		return;
	if (to_journal)
		write_to_journal(level, subject, message);
	else
		fprintf(stderr, "nbd-clientd: %s\n", message);
}
