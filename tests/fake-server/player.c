/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server that plays a transcript, one possible step at a time. */
#include "tests/fake-server/player.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/byteorder.h"
#include "common/cleanup.h"
#include "common/strings.h"
#include "tests/support/outcome.h"

void
player_init(struct player *player, const struct script *script, int fd)
{
	*player = (struct player){
		.script = script,
		.fd = fd,
		.max_send = SIZE_MAX,
		.cut_at = UINT64_MAX,
	};
}

static void
hang_up(struct player *player)
{
	if (player->fd < 0)
		return;
	/* Whoever looks into /proc/PID/fd at this moment keeps the socket
	 * open a little longer; the client is to see the end now. */
	shutdown(player->fd, SHUT_RDWR);
	close(player->fd);
	player->fd = -1;
}

void
player_done(struct player *player)
{
	hang_up(player);
	free(player->failure);
	player->failure = NULL;
}

const struct line *
player_line(const struct player *player)
{
	if (player->line >= player->script->n_lines)
		return NULL;
	return &player->script->lines[player->line];
}

static enum player_result fail(struct player *player, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static enum player_result
fail(struct player *player, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(&player->failure, format, args) < 0)
		test_broken("out of memory");
	va_end(args);
	return PLAYER_FAILED;
}

static enum player_result
next_line(struct player *player)
{
	player->line++;
	player->at = 0;
	player->record_length = 0;
	player->repeat = 0;
	return PLAYER_MOVED;
}

/* Nothing more is sent; what the client still says is of no interest. */
static enum player_result
cut(struct player *player)
{
	player->is_cut = true;
	if (player->cut_ending == PLAYER_CLOSES)
		hang_up(player);
	else
		shutdown(player->fd, SHUT_WR);
	return PLAYER_MOVED;
}

static enum player_result
step_after_cut(struct player *player)
{
	if (player->fd < 0)
		return PLAYER_DONE;
	if (recv(player->fd, player->received, sizeof(player->received),
		 MSG_DONTWAIT) > 0)
		return PLAYER_MOVED;
	return errno == EAGAIN ? PLAYER_WAITS : PLAYER_DONE;
}

static size_t
min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The bytes of a message, with the value of its cookie filled in. */
static void
fill_in_cookie(const struct player *player, const struct message *message)
{
	if (message->cookie != MESSAGE_NO_COOKIE)
		store_be64(message->bytes + message->cookie_at,
			   player->cookies[message->cookie]);
}

static enum player_result
step_send(struct player *player, const struct line *line)
{
	const struct message *message = &line->message;
	uint64_t until_cut = player->cut_at - player->n_sent;
	size_t length = min_size(message->length - player->at,
				 player->max_send);
	ssize_t n;

	fill_in_cookie(player, message);
	length = min_size(length, until_cut);
	n = send(player->fd, message->bytes + player->at, length,
		 MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno == EAGAIN)
		return PLAYER_WAITS;
	if (n < 0) {
		player->hung_up = true;
		return PLAYER_DONE;
	}
	player->n_sent += (uint64_t)n;
	player->at += (size_t)n;
	if (player->at == message->length) {
		player->at = 0;
		if (++player->repeat >= message->times)
			next_line(player);
	}
	return PLAYER_MOVED;
}

static char *
hex(const uint8_t *bytes, size_t length)
{
	struct string_builder text = STRING_BUILDER_INIT;

	for (size_t i = 0; i < min_size(length, 64); i++)
		string_builder_printf(&text, "%02x", bytes[i]);
	return string_builder_take(&text);
}

static enum player_result
compare(struct player *player, const struct line *line, size_t length)
{
	const struct message *message = &line->message;
	const uint8_t *bytes = message->bytes + player->at;
	const uint8_t *mask = message->mask + player->at;

	/* Mostly all of it is as expected, and nothing has to be left out. */
	if (memcmp(player->received, bytes, length) == 0)
		return PLAYER_MOVED;
	for (size_t i = 0; i < length; i++)
		if ((player->received[i] ^ bytes[i]) & mask[i]) {
			CLEANUP_FREE char *want = hex(bytes, length);
			CLEANUP_FREE char *got = hex(player->received, length);

			return fail(player,
				    "%s:%u: %s: the client sent something "
				    "else (byte %zu)\n  expected %s\n"
				    "  received %s",
				    line->file, line->number, line->text,
				    player->at + i, want, got);
		}
	return PLAYER_MOVED;
}

static void
learn_cookie(struct player *player, const struct message *message, size_t n)
{
	size_t at = message->cookie_at;

	if (message->cookie == MESSAGE_NO_COOKIE)
		return;
	for (size_t i = at; i < at + 8; i++)
		if (i >= player->at && i < player->at + n) {
			uint64_t *cookie = &player->cookies[message->cookie];

			*cookie = *cookie << 8 |
				  player->received[i - player->at];
		}
}

/* The last two bytes of a TLS record's header say how much follows it. */
static void
learn_record_length(struct player *player, const struct message *message,
		    size_t n)
{
	size_t end = player->at + n;

	if (!message->is_record || player->at >= message->length)
		return;
	for (size_t i = 3; i < message->length; i++)
		if (i >= player->at && i < end)
			player->record_length =
				(i == 3 ? 0 : player->record_length << 8) +
				player->received[i - player->at];
}

/* How much of the message is still to come, as far as is known. */
static size_t
rest_of(const struct player *player, const struct message *message)
{
	if (player->at < message->length)
		return message->length - player->at;
	return message->length + player->record_length - player->at;
}

static enum player_result
step_expect(struct player *player, const struct line *line)
{
	const struct message *message = &line->message;
	size_t length = min_size(rest_of(player, message),
				 sizeof(player->received));
	ssize_t n = recv(player->fd, player->received, length, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return PLAYER_WAITS;
	if (n <= 0)
		return fail(player, "%s:%u: %s: the client hung up instead",
			    line->file, line->number, line->text);
	if (player->at < message->length &&
	    compare(player, line, (size_t)n) == PLAYER_FAILED)
		return PLAYER_FAILED;
	learn_cookie(player, message, (size_t)n);
	learn_record_length(player, message, (size_t)n);
	player->at += (size_t)n;
	return rest_of(player, message) == 0 ? next_line(player) : PLAYER_MOVED;
}

static enum player_result
step_expect_end(struct player *player, const struct line *line)
{
	ssize_t n = recv(player->fd, player->received, sizeof(player->received),
			 MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return PLAYER_WAITS;
	if (n > 0 && line->kind == LINE_EXPECT_ANYTHING)
		return PLAYER_MOVED;
	if (n > 0) {
		CLEANUP_FREE char *got = hex(player->received, (size_t)n);

		return fail(player, "%s:%u: the client sent %s instead",
			    line->file, line->number, got);
	}
	return next_line(player);
}

enum player_result
player_step(struct player *player)
{
	const struct line *line = player_line(player);

	if (player->failure)
		return PLAYER_FAILED;
	if (player->is_cut)
		return step_after_cut(player);
	if (player->n_sent == player->cut_at)
		return cut(player);
	if (!line || player->fd < 0 || player->hung_up)
		return PLAYER_DONE;
	switch (line->kind) {
	case LINE_CLIENT:
		return next_line(player);
	case LINE_SEND:
		return step_send(player, line);
	case LINE_EXPECT:
		return step_expect(player, line);
	case LINE_EXPECT_END:
	case LINE_EXPECT_ANYTHING:
		return step_expect_end(player, line);
	case LINE_CLOSE:
		hang_up(player);
		return next_line(player);
	case LINE_HALF_CLOSE:
		shutdown(player->fd, SHUT_WR);
		return next_line(player);
	}
	return PLAYER_DONE;
}

void
player_run(struct player *player)
{
	enum player_result result;

	while ((result = player_step(player)) == PLAYER_MOVED ||
	       result == PLAYER_WAITS) {
		const struct line *line = player_line(player);
		struct pollfd wait = { .fd = player->fd, .events = POLLIN };

		if (line && line->kind == LINE_SEND)
			wait.events = POLLOUT;
		if (result == PLAYER_WAITS)
			poll(&wait, 1, -1);
	}
	/* A client that waits must learn that nothing more will come. */
	if (result == PLAYER_FAILED)
		hang_up(player);
}

/* A client that hung up early may have said it before its time. */
static bool
expects_anything(const struct player *player)
{
	for (size_t i = player->line; i < player->script->n_lines; i++)
		if (player->script->lines[i].kind == LINE_EXPECT_ANYTHING)
			return true;
	return false;
}

size_t
player_count_surplus(struct player *player)
{
	size_t surplus = 0;
	ssize_t n;

	if (player->fd < 0 || expects_anything(player))
		return 0;
	while ((n = recv(player->fd, player->received, sizeof(player->received),
			 MSG_DONTWAIT)) > 0)
		surplus += (size_t)n;
	return surplus;
}

uint64_t
player_total(const struct script *script)
{
	uint64_t total = 0;

	for (size_t i = 0; i < script->n_lines; i++)
		if (script->lines[i].kind == LINE_SEND)
			total += script->lines[i].message.length *
				 script->lines[i].message.times;
	return total;
}
