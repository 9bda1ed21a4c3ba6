/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The few words of ECMA-48 that a screen needs, and keys without Return. */
#include "cli/screen.h"

#include <poll.h>
#include <stdio.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cli/interrupt.h"

static struct termios before;
static bool is_begun;

bool
screen_is_possible(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

void
screen_begin(void)
{
	/* A page leaves as one piece, so that it does not flicker. */
	static char page[64 * 1024];
	struct termios keys;

	interrupt_defer();
	setvbuf(stdout, page, _IOFBF, sizeof(page));
	if (!screen_is_possible() || tcgetattr(STDIN_FILENO, &before) < 0)
		return;
	keys = before;
	keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	keys.c_cc[VMIN] = 0;
	keys.c_cc[VTIME] = 0;
	is_begun = tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
}

void
screen_end(void)
{
	if (is_begun)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	is_begun = false;
}

void
screen_start_page(void)
{
	/* To the first column of the first line, and clear what follows. */
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[J", stdout);
}

void
screen_finish_page(void)
{
	fflush(stdout);
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool
is_quit_key(void)
{
	char keys[16];
	ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));

	for (ssize_t i = 0; i < n; i++)
		if (keys[i] == 'q' || keys[i] == 'Q')
			return true;
	return false;
}

bool
screen_pause(uint32_t milliseconds)
{
	struct pollfd input = { .fd = is_begun ? STDIN_FILENO : -1,
				.events = POLLIN };
	int64_t until = now_ms() + milliseconds;
	int64_t rest;

	while (!interrupted() && (rest = until - now_ms()) > 0) {
		/* A signal ends the wait. */
		if (poll(&input, 1, (int)rest) <= 0)
			continue;
		if ((input.revents & POLLIN) && is_quit_key())
			return false;
		/* The terminal has gone. */
		if (input.revents & (POLLHUP | POLLERR | POLLNVAL))
			return false;
	}
	return !interrupted();
}
