/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far long work has come. */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/options.h"
#include "cli/sizes.h"

#define SHOW_EVERY_MS 100

uint64_t
progress_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int
percent_of(uint64_t done, uint64_t total)
{
	if (total == 0 || done >= total)
		return 100;
	return (int)((double)done * 100 / (double)total);
}

void
progress_format(char *text, unsigned long size, uint64_t done, uint64_t total,
		uint64_t elapsed_ms)
{
	double seconds = (double)(elapsed_ms ? elapsed_ms : 1) / 1000;
	double rate = (double)done / seconds;
	struct size_text amount = size_format_pair(done, total);
	struct size_text speed = size_format((uint64_t)rate);
	struct size_text rest = time_format(
		rate > 0 && total > done
			? (uint64_t)((double)(total - done) / rate)
			: (uint64_t)seconds);
	bool is_done = done >= total;

	/* Before the first bytes there is no telling how long it takes. */
	snprintf(text, size, "%d %% %s %s/s%s%s", percent_of(done, total),
		 amount.text, speed.text,
		 is_done    ? " in "
		 : rate > 0 ? " ETA "
			    : "",
		 is_done || rate > 0 ? rest.text : "");
}

void
progress_start(struct progress *progress, const struct options *options,
	       uint64_t total)
{
	*progress = (struct progress){
		.options = options,
		.total = total,
		.started_at = progress_now(),
		.last_percent = -1,
		.is_silent = options->progress == PROGRESS_AUTO &&
			     (options_has(options, OPTION_QUIET) ||
			      !isatty(STDERR_FILENO)),
	};
}

/* "[#####     ] " with as many columns as the terminal leaves beside TEXT; ""
 * if it is narrow. */
static void
format_bar(char *bar, size_t size, const struct progress *progress,
	   size_t text_length)
{
	struct winsize window = { 0 };
	size_t width = 80, room, filled;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col)
		width = window.ws_col;
	bar[0] = '\0';
	if (width < text_length + 14)
		return;
	room = width - text_length - 4;
	if (room > 40)
		room = 40;
	if (room + 4 > size)
		room = size - 4;
	filled = room * (size_t)percent_of(progress->done, progress->total) /
		 100;
	bar[0] = '[';
	memset(bar + 1, '#', filled);
	memset(bar + 1 + filled, ' ', room - filled);
	memcpy(bar + 1 + room, "] ", 3);
}

static void
show_bar(const struct progress *progress, uint64_t elapsed_ms)
{
	char text[128], bar[64];

	progress_format(text, sizeof(text), progress->done, progress->total,
			elapsed_ms);
	format_bar(bar, sizeof(bar), progress, strlen(text));
	fprintf(stderr, "\r%s%s\033[K", bar, text);
	fflush(stderr);
}

static void
show_json(const struct progress *progress, uint64_t elapsed_ms)
{
	fprintf(stderr,
		"{\"progress\":{\"done\":%" PRIu64 ",\"total\":%" PRIu64
		",\"elapsed_ms\":%" PRIu64 "}}\n",
		progress->done, progress->total, elapsed_ms);
}

/* One line for each whole percent. */
static void
show_fd(struct progress *progress)
{
	int percent = percent_of(progress->done, progress->total);

	if (percent == progress->last_percent)
		return;
	progress->last_percent = percent;
	dprintf(progress->options->progress_fd, "%d/100\n", percent);
}

static void
progress_show(struct progress *progress, uint64_t now)
{
	uint64_t elapsed_ms = now - progress->started_at;

	progress->shown_at = now;
	switch (progress->options->progress) {
	case PROGRESS_AUTO:
	case PROGRESS_BAR:
		show_bar(progress, elapsed_ms);
		break;
	case PROGRESS_JSON:
		show_json(progress, elapsed_ms);
		break;
	case PROGRESS_FD:
		show_fd(progress);
		break;
	}
}

void
progress_add(struct progress *progress, uint64_t bytes)
{
	uint64_t now;

	progress->done += bytes;
	if (progress->is_silent)
		return;
	now = progress_now();
	if (now - progress->shown_at >= SHOW_EVERY_MS)
		progress_show(progress, now);
}

void
progress_finish(struct progress *progress)
{
	if (progress->is_silent)
		return;
	progress_show(progress, progress_now());
	if (progress->options->progress == PROGRESS_AUTO ||
	    progress->options->progress == PROGRESS_BAR)
		fputc('\n', stderr);
}
