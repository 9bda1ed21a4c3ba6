/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One conversation between a libnbd handle and the fake server. */
#include "tests/protocol/run.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/strings.h"
#include "tests/protocol/calls.h"
#include "tests/protocol/commands.h"
#include "tests/protocol/expectations.h"
#include "tests/protocol/options.h"
#include "tests/support/outcome.h"

static const char *const mode_names[] = {
	[RUN_WHOLE] = "whole",
	[RUN_BYTES] = "byte by byte",
	[RUN_CUT] = "cut",
	[RUN_SYNC] = "synchronous",
};

void
run_fail(struct run *run, const struct line *line, const char *format, ...)
{
	CLEANUP_FREE char *why = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&why, format, args) < 0)
		test_broken("out of memory");
	va_end(args);
	fprintf(stderr, "FAILED %s, %s", run->script->title,
		mode_names[run->mode]);
	if (run->mode == RUN_CUT)
		fprintf(stderr, " after %llu bytes (%s)",
			(unsigned long long)run->player.cut_at,
			run->player.cut_ending == PLAYER_CLOSES
				? "closed"
				: "half-closed");
	if (line)
		fprintf(stderr, "\n  %s:%u: %s", line->file, line->number,
			line->text);
	fprintf(stderr, "\n  %s\n  the handle is %s; its last error: %s\n", why,
		run->h ? run_state(run) : "closed",
		run->error ? run->error : "none");
	run->has_failed = true;
}

void
run_note_text(struct run *run, const char *text)
{
	for (; *text; text++)
		if ((*text < ' ' && *text != '\n' && *text != '\t') ||
		    *text == 0x7f)
			run->unprintable = true;
}

int
run_note_error(struct run *run)
{
	const char *text = nbd_get_error();
	int errnum = nbd_get_errno();

	if (string_replace(&run->error, text) < 0)
		test_broken("out of memory");
	if (text)
		run_note_text(run, text);
	if (run->h && nbd_aio_is_dead(run->h) && run->died_of == 0)
		run->died_of = errnum;
	return errnum;
}

const char *
run_state(const struct run *run)
{
	const struct {
		const char *name;
		int (*is)(struct nbd_handle *h);
	} states[] = {
		{ "created", nbd_aio_is_created },
		{ "connecting", nbd_aio_is_connecting },
		{ "negotiating", nbd_aio_is_negotiating },
		{ "ready", nbd_aio_is_ready },
		{ "processing", nbd_aio_is_processing },
		{ "closed", nbd_aio_is_closed },
		{ "dead", nbd_aio_is_dead },
	};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (states[i].is(run->h))
			return states[i].name;
	return "in no known state";
}

/* The client does what its socket allows now. False if that is nothing. */
static bool
client_turn(struct run *run)
{
	unsigned direction = nbd_aio_get_direction(run->h);
	struct pollfd poll_fd = { .events = 0 };
	int result;

	if (direction == 0)
		return false;
	poll_fd.fd = nbd_aio_get_fd(run->h);
	if (direction & LIBNBD_AIO_DIRECTION_READ)
		poll_fd.events |= POLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		poll_fd.events |= POLLOUT;
	if (poll(&poll_fd, 1, 0) <= 0)
		return false;
	if ((direction & LIBNBD_AIO_DIRECTION_READ) &&
	    (poll_fd.revents & (POLLIN | POLLHUP | POLLERR)))
		result = nbd_aio_notify_read(run->h);
	else
		result = nbd_aio_notify_write(run->h);
	if (result < 0)
		run_note_error(run);
	return true;
}

bool
run_turn(struct run *run)
{
	bool server_moved = player_step(&run->player) == PLAYER_MOVED;

	return client_turn(run) || server_moved;
}

static int
on_debug(void *user_data, const char *context, const char *message)
{
	struct run *run = user_data;

	(void)context;
	run_note_text(run, message);
	string_builder_append(&run->debug, message);
	return 0;
}

static void *
play_in_thread(void *player)
{
	player_run(player);
	return NULL;
}

static void
run_init(struct run *run, const struct script *script, enum run_mode mode,
	 int server)
{
	*run = (struct run){ .script = script, .mode = mode };
	player_init(&run->player, script, server);
	run->h = nbd_create();
	if (!run->h)
		test_broken("nbd_create: %s", nbd_get_error());
	/* Transcripts of extended headers ask for them. */
	nbd_set_request_extended_headers(run->h, false);
	if (mode == RUN_WHOLE) {
		nbd_set_debug_callback(
			run->h, (nbd_debug_callback){ .callback = on_debug,
						      .user_data = run });
		nbd_set_debug(run->h, true);
	}
	if (mode == RUN_BYTES)
		run->player.max_send = 1 + player_total(script) / 65536;
}

/* Lets the conversation end: what is on its way arrives. */
static void
settle(struct run *run)
{
	while (!run->has_thread && run_turn(run))
		;
}

static void
check_server(struct run *run)
{
	const struct line *line;
	size_t surplus;

	if (run->player.failure) {
		run_fail(run, NULL, "%s", run->player.failure);
		return;
	}
	if (run->mode == RUN_CUT)
		return;
	line = player_line(&run->player);
	while (line && line->kind == LINE_CLIENT)
		line = ++run->player.line < run->script->n_lines ? line + 1
								 : NULL;
	if (line && !run->player.hung_up)
		run_fail(run, line, "the server never came past this line");
	surplus = player_count_surplus(&run->player);
	if (surplus > 0)
		run_fail(run, NULL,
			 "the client sent %zu bytes that the transcript does "
			 "not know",
			 surplus);
}

static void
run_done(struct run *run)
{
	if (!run->has_failed && !run->has_thread)
		settle(run);
	commands_retire(run);
	nbd_close(run->h);
	run->h = NULL;
	if (run->socket >= 0)
		close(run->socket);
	if (run->has_thread)
		pthread_join(run->thread, NULL);
	run->has_thread = false;
	/* Only now has the client said its last word. */
	while (player_step(&run->player) == PLAYER_MOVED)
		;
	check_server(run);
	commands_done(run);
	options_done(run);
	if (run->unprintable)
		run_fail(run, NULL,
			 "a text holds bytes that are not printable");
	player_done(&run->player);
	string_builder_done(&run->debug);
	free(run->listed);
	free(run->error);
}

static void
start_thread(struct run *run)
{
	if (run->mode != RUN_SYNC)
		return;
	if (pthread_create(&run->thread, NULL, play_in_thread, &run->player))
		test_broken("cannot start a thread");
	run->has_thread = true;
}

static void
carry_out(struct run *run, size_t index, struct needs *needs)
{
	const struct line *line = &run->script->lines[index];
	struct outcome outcome = call_line(run, line);

	if (run->mode == RUN_CUT)
		expect_sane_after_cut(run, line, &outcome, needs->bytes[index]);
	else
		expect_outcome(run, line, &outcome);
	if (run->mode == RUN_BYTES)
		needs->bytes[index] = outcome.n_bytes;
	free(outcome.text);
}

bool
run_play(const struct script *script, enum run_mode mode, uint64_t cut_at,
	 enum player_ending ending, struct needs *needs)
{
	struct run run;
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		test_broken("socketpair: %s", strerror(errno));
	run_init(&run, script, mode, sockets[1]);
	run.player.cut_at = cut_at;
	run.player.cut_ending = ending;
	run.socket = sockets[0];
	start_thread(&run);
	for (size_t i = 0; i < script->n_lines && !run.has_failed; i++)
		if (script->lines[i].kind == LINE_CLIENT)
			carry_out(&run, i, needs);
	run_done(&run);
	return !run.has_failed;
}
