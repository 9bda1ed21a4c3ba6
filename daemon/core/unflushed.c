/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's own flushes. */
#include "daemon/core/unflushed.h"

#include <inttypes.h>

#include "common/cleanup.h"
#include "daemon/core/log.h"
#include "daemon/core/volume_private.h"

/* Before the next attempt, after a flush has failed. ns */
#define PAUSE 1000000000ull

static const char *const policy_names[] = {
	[UNFLUSHED_REPLAY] = "replay",
	[UNFLUSHED_REPORT] = "report",
	[UNFLUSHED_IGNORE] = "ignore",
};

const char *
unflushed_text(const struct volume *volume)
{
	return volume->unflushed ? volume->unflushed : "";
}

void
unflushed_adopt_export(struct volume *volume)
{
	struct journal *journal = &volume->target.journal;
	const struct export_info *export = &volume->target.export;
	enum unflushed_policy policy = volume->settings->unflushed;
	struct log_subject about = { .volume = volume->name };
	bool is_writable = !export->is_read_only &&
			   !volume->target.is_read_only;

	if (is_writable && !export->can_flush && policy != UNFLUSHED_IGNORE) {
		log_write(LOG_WARNING, &about,
			  "the server cannot flush: what it acknowledges is "
			  "lost if it is lost");
		volume->unflushed = "cannot flush";
		policy = UNFLUSHED_IGNORE;
	} else {
		volume->unflushed = policy_names[policy];
	}
	if (!is_writable)
		policy = UNFLUSHED_IGNORE;
	if (volume->estate_size > 0 && volume->estate_size != export->size)
		journal_give_up_all(journal);
	volume->estate_size = 0;
	/* What was kept while it could flush is written again once more. */
	journal_set(journal, policy, volume->settings->unflushed_limit);
}

static void
on_pause_over(struct timer *timer)
{
	unflushed_consider(container_of(timer, struct volume, flush_pause));
}

void
unflushed_init(struct volume *volume)
{
	volume->flush_pause.on_due = on_pause_over;
}

static void
note_flush(struct volume *volume)
{
	const struct request_times *times = &volume->early_flush.times;

	journal_note_flush(&volume->target.journal,
			   times->ended - times->arrived,
			   times->arrived - volume->flushed_early_at);
	volume->flushed_early_at = times->ended;
}

static void
on_flushed(struct request *request)
{
	struct volume *volume = request->user;

	if (request->failure.errnum) {
		struct log_subject about = { .volume = volume->name };

		log_write(LOG_WARNING, &about,
			  "flushing %llu unflushed bytes: %s; again in a "
			  "second",
			  volume->target.journal.bytes,
			  failure_text(&request->failure));
		loop_set_timer(volume->loop, &volume->flush_pause,
			       loop_now(volume->loop) + PAUSE);
	} else {
		note_flush(volume);
	}
	volume->is_flushing_early = false;
	request_done(request);
	target_dispatch_later(&volume->target);
}

void
unflushed_flush_early(struct volume *volume)
{
	const struct journal *journal = &volume->target.journal;

	if (journal->is_on && journal->bytes > 0)
		unflushed_flush_all(volume);
}

void
unflushed_flush_all(struct volume *volume)
{
	struct request_target *target = &volume->target;

	/* What is replayed can only be flushed afterwards. */
	if (target->journal.needs_replay || volume->is_flushing_early ||
	    volume->flush_pause.place)
		return;
	volume->is_flushing_early = true;
	volume->early_flush = (struct request){
		.command = REQUEST_FLUSH,
		.on_done = on_flushed,
		.user = volume,
	};
	METRIC_ADD(&volume->metrics, early_flushes, 1);
	target_admit(target, &volume->early_flush);
}

void
unflushed_consider(struct volume *volume)
{
	const struct request_target *target = &volume->target;

	if (target->waits_for_flush || journal_wants_flush(&target->journal))
		unflushed_flush_early(volume);
}

bool
unflushed_is_any(const struct volume *volume)
{
	const struct request_target *target = &volume->target;

	/* One that has not connected yet may have a journal already. */
	return target->journal.bytes > 0 ||
	       (!target->journal.is_on && target->is_dirty);
}

void
unflushed_done(struct volume *volume)
{
	struct journal *journal = &volume->target.journal;
	struct log_subject about = { .volume = volume->name };
	CLEANUP(failure_done) struct failure failure = { 0 };

	loop_stop_timer(volume->loop, &volume->flush_pause);
	/* What was there at last was no disk of ours: nothing is written to
	 * that. */
	if (volume->hands_over && !volume->is_stopped)
		return;
	journal_give_up_all(journal);
	if (lost_ranges_is_empty(&journal->lost))
		return;
	lost_ranges_tell(&journal->lost, "closing", &failure);
	log_write(LOG_ERR, &about, "%s", failure_text(&failure));
}
