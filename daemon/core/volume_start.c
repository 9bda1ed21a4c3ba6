/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a volume begins: at once, or when the one that it takes the place of is
 * through with its servers, so that what the old one still has to write cannot
 * come after what the new one is given. Requests to the new one wait meanwhile.
 * What the old one could not flush the new one writes again, if the servers are
 * the same.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/core/client.h"
#include "daemon/core/log.h"
#include "daemon/core/volume_private.h"

static void
on_start_failed(struct volume *volume, int errnum)
{
	struct failure failure = { 0 };

	failure_set(&failure, errnum, FAILURE_SERVER_UNREACHABLE,
		    "cannot set the volume up: %s", strerror(errnum));
	log_write(LOG_ERR, &(struct log_subject){ .volume = volume->name },
		  "%s", failure_text(&failure));
	failure_copy(&volume->target.last_failure, &failure);
	volume_on_failure(volume, &failure);
	failure_done(&failure);
}

/* The pool is made on the loop, because its child and its timers live there. */
void
volume_on_start(struct message *message)
{
	struct volume *volume = container_of(message, struct volume, start);
	int r = -volume->init_errnum;

	volume->has_predecessor = false;
	journal_move(&volume->target.journal, &volume->estate);
	if (volume->is_shutting) {
		volume_go_on_shutting(volume);
		return;
	}
	if (r == 0)
		r = pool_start(volume);
	if (r < 0)
		on_start_failed(volume, -r);
}

static void
tell_opened(const struct volume *volume)
{
	struct log_subject about = { .volume = volume->name,
				     .event = LOG_EVENT_VOLUME_OPENED };

	if (volume->opener)
		log_write(LOG_DEBUG, &about, "opened by client %" PRIu64,
			  volume->opener->id);
	else
		log_write(LOG_INFO, &about, "opened");
}

/* What must be there before anybody can find the volume. */
static void
prepare(struct volume *volume)
{
	tell_opened(volume);
	/* Sessions use the endpoints too, from their own threads. */
	volume->init_errnum = -pool_init(volume);
}

void
volume_start(struct volume *volume)
{
	prepare(volume);
	loop_send(volume->loop, &volume->start);
}

void
volume_start_after(struct volume *volume, struct volume *predecessor)
{
	volume->has_predecessor = true;
	prepare(volume);
	predecessor->hands_over = volume_settings_same_servers(
		predecessor->settings, volume->settings);
	predecessor->successor = volume_ref(volume);
}

void
volume_start_successor(struct volume *volume)
{
	struct volume *successor = volume->successor;

	if (!successor)
		return;
	volume->successor = NULL;
	if (volume->hands_over) {
		journal_move(&successor->estate, &volume->target.journal);
		successor->estate_size = volume->target.has_export
						 ? volume->target.export.size
						 : volume->estate_size;
	}
	loop_send(successor->loop, &successor->start);
	volume_unref(successor);
}
