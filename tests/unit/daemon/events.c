/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stream of events: order, gaps, tokens, and who is told. */
#include "daemon/core/events.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/unit.h"

static void
tell(enum log_event kind, const char *volume, const char *text)
{
	struct log_subject about = { .event = kind, .volume = volume };

	/* LOG_DEBUG: not for the log, but for the stream all the same. */
	log_write(LOG_DEBUG, &about, "%s", text);
}

static void
events_are_read_in_order_and_with_what_they_are_about(void **state)
{
	struct events *events = events_new();
	struct event event;
	uint64_t missed;

	(void)state;
	assert_int_equal(events_next(events, 0, &event, &missed), 0);
	tell(LOG_EVENT_CONNECTED, "disk0", "first");
	tell(LOG_EVENT_DRAINING, NULL, "second");
	log_write(LOG_DEBUG, NULL, "no event at all");
	assert_int_equal(events_latest(events), 2);

	assert_int_equal(events_next(events, 0, &event, &missed), 1);
	assert_int_equal(event.sequence, 1);
	assert_int_equal(event.kind, LOG_EVENT_CONNECTED);
	assert_string_equal(event.volume, "disk0");
	assert_string_equal(event.text, "first");
	assert_true(event.at_us > 0);
	event_done(&event);
	assert_int_equal(events_next(events, 1, &event, &missed), 1);
	assert_int_equal(event.sequence, 2);
	assert_null(event.volume);
	event_done(&event);
	assert_int_equal(events_next(events, 2, &event, &missed), 0);
	events_free(events);
}

static void
the_ring_is_bounded_and_a_gap_is_counted(void **state)
{
	struct events *events = events_new();
	struct event event;
	uint64_t missed;
	char text[32];

	(void)state;
	for (int i = 1; i <= EVENTS_KEPT + 10; i++) {
		snprintf(text, sizeof(text), "event %d", i);
		tell(LOG_EVENT_LOST, "disk0", text);
	}
	/* 1 has been seen; 2 to 10 are gone. */
	assert_int_equal(events_next(events, 1, &event, &missed), 1);
	assert_int_equal(missed, 9);
	assert_int_equal(event.sequence, 11);
	assert_string_equal(event.text, "event 11");
	event_done(&event);
	assert_int_equal(events_next(events, 10, &event, &missed), 1);
	assert_int_equal(missed, 0);
	event_done(&event);
	events_free(events);
}

static void
a_token_leads_back_to_its_place(void **state)
{
	struct events *events = events_new();
	char token[EVENT_TOKEN_SIZE], longer[EVENT_TOKEN_SIZE + 1];
	uint64_t sequence = 0;

	(void)state;
	tell(LOG_EVENT_LOST, "disk0", "lost");
	tell(LOG_EVENT_CONNECTED, "disk0", "back");
	events_token(events, 1, token);
	assert_int_equal(events_read_token(events, token, &sequence), 0);
	assert_int_equal(sequence, 1);
	events_token(events, 3, token);
	assert_int_equal(events_read_token(events, token, &sequence), -ESTALE);
	snprintf(longer, sizeof(longer), "%sx", token);
	assert_int_equal(events_read_token(events, longer, &sequence), -EINVAL);
	assert_int_equal(events_read_token(events, "", &sequence), -EINVAL);
	assert_int_equal(events_read_token(events, "1-1", &sequence), -EINVAL);
	events_free(events);
}

static void
a_token_of_an_earlier_life_is_known_as_such(void **state)
{
	struct events *events = events_new();
	char token[EVENT_TOKEN_SIZE];
	uint64_t sequence;

	(void)state;
	events_token(events, 0, token);
	events_free(events);
	events = events_new();
	assert_int_equal(events_read_token(events, token, &sequence), -ESTALE);
	events_free(events);
}

struct counting {
	struct events_watcher watcher;
	struct events *events;
	unsigned n_calls;
	uint64_t latest;
};

static void
on_event(struct events_watcher *watcher)
{
	struct counting *counting = container_of(watcher, struct counting,
						 watcher);

	counting->n_calls++;
	counting->latest = events_latest(counting->events);
}

static void
watchers_are_told_until_they_leave(void **state)
{
	struct events *events = events_new();
	struct counting counting = { .watcher.on_event = on_event,
				     .events = events };
	uint64_t counts[LOG_N_EVENTS];

	(void)state;
	tell(LOG_EVENT_LOST, NULL, "before");
	events_watch(events, &counting.watcher);
	assert_int_equal(counting.n_calls, 1);
	assert_int_equal(counting.latest, 1);
	tell(LOG_EVENT_LOST, NULL, "told");
	assert_int_equal(counting.n_calls, 2);
	assert_int_equal(counting.latest, 2);
	events_unwatch(events, &counting.watcher);
	tell(LOG_EVENT_CONNECTED, NULL, "after");
	assert_int_equal(counting.n_calls, 2);
	events_count(events, counts);
	assert_int_equal(counts[LOG_EVENT_LOST], 2);
	assert_int_equal(counts[LOG_EVENT_CONNECTED], 1);
	events_free(events);
}

static void
every_event_has_a_name_and_a_message_id_of_its_own(void **state)
{
	static const char *const ids[] = {
#define X(symbol, name, id) id,
		LOG_EVENTS(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i + 1 < LOG_N_EVENTS; i++) {
		assert_int_equal(strlen(ids[i]), 32);
		assert_int_equal(strspn(ids[i], "0123456789abcdef"), 32);
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(ids[i], ids[j]);
			assert_string_not_equal(event_name(i + 1),
						event_name(j + 1));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			events_are_read_in_order_and_with_what_they_are_about),
		cmocka_unit_test(the_ring_is_bounded_and_a_gap_is_counted),
		cmocka_unit_test(a_token_leads_back_to_its_place),
		cmocka_unit_test(a_token_of_an_earlier_life_is_known_as_such),
		cmocka_unit_test(watchers_are_told_until_they_leave),
		cmocka_unit_test(
			every_event_has_a_name_and_a_message_id_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
