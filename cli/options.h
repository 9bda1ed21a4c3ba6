/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line: one list of options, one parser. Global options stand
 * before or after the command's words, a command's own options only after
 * them. Values are checked here, so that commands see numbers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/strings.h"

/*
 * X(symbol, letter or 0, name, argument or NULL, help). An argument in
 * brackets may be absent and follows "=". The first ones are global.
 */
/* clang-format off */
#define GLOBAL_OPTIONS(X)                                                     \
	X(ADDRESS, 'a', "address", "SOCKET",                                  \
	  "the daemon's socket (else NBDCTL_ADDRESS)")                        \
	X(TIMEOUT, 't', "timeout", "TIME",                                    \
	  "give up a request after this long, such as 5s or 2min")            \
	X(OUTPUT, 'o', "output", "FORMAT", "table, json, jsonl or value")     \
	X(COLUMNS, 0, "columns", "LIST", "print these columns only")          \
	X(NO_HEADERS, 0, "no-headers", NULL, "no line of column names")       \
	X(COLOR, 0, "color", "WHEN", "auto, always or never (NO_COLOR)")      \
	X(QUIET, 'q', "quiet", NULL, "only errors on standard error")         \
	X(VERBOSE, 'v', "verbose", NULL, "say more; twice: debugging")        \
	X(PROGRESS, 0, "progress", "[=HOW]",                                  \
	  "bar, json, or a file descriptor for N/100 lines")                  \
	X(YES, 'y', "yes", NULL, "do not ask")                                \
	X(DRY_RUN, 0, "dry-run", NULL, "say what would be done, do nothing")  \
	X(DIRECT, 0, "direct", NULL,                                          \
	  "connect to NBD URIs without the daemon")                           \
	X(HELP, 'h', "help", NULL, "this help")

#define COMMAND_OPTIONS(X)                                                    \
	X(OFFSET, 0, "offset", "BYTES", "where to begin (0)")                 \
	X(LENGTH, 0, "length", "BYTES", "how many bytes (to the end)")        \
	X(FUA, 0, "fua", NULL, "return when it is on stable storage")         \
	X(NO_HOLE, 0, "no-hole", NULL, "allocate, do not punch a hole")       \
	X(FAST, 0, "fast", NULL, "fail rather than write zeroes slowly")      \
	X(CONTEXT, 'c', "context", "NAME",                                    \
	  "this metadata context; may be repeated (base:allocation)")         \
	X(TOTALS, 0, "totals", NULL, "only the sum for each kind of extent")  \
	X(JOBS, 'j', "jobs", "N", "requests in flight, 1 to 1024")            \
	X(VERIFY, 0, "verify", NULL, "read both ends again and compare")      \
	X(RATE, 0, "rate", "BYTES", "at most so many bytes a second")         \
	X(DESTINATION_IS_ZERO, 0, "destination-is-zero", NULL,                \
	  "the destination reads as zeroes: skip holes")                      \
	X(ALGORITHM, 0, "algorithm", "NAME", "of the checksum (sha256)")      \
	X(FIND_ZEROES, 0, "find-zeroes", NULL,                                \
	  "look for zeroes in the data, too")                                 \
	X(ALLOCATED, 0, "allocated", NULL,                                    \
	  "write zeroes that allocate, not holes")                            \
	X(CONNECTIONS, 0, "connections", "N",                                 \
	  "connections to open, where the server allows several")             \
	X(READ_ONLY, 0, "read-only", NULL, "refuse writes")                   \
	X(WATCH, 0, "watch", NULL, "repeat every second until interrupted")   \
	X(SINCE, 0, "since", "TOKEN",                                         \
	  "what came after this event, or oldest: all that is kept")          \
	X(ONCE, 0, "once", NULL, "print what there is, once")                 \
	X(INTERVAL, 0, "interval", "TIME", "between two looks (1s)")          \
	X(NAMES, 0, "names", NULL, "names only: do not ask for details")      \
	X(READ_WRITE, 0, "rw", "WHAT", "read or write, random: randread, randwrite") \
	X(BLOCK_SIZE, 0, "bs", "BYTES", "bytes in one request (4K)")          \
	X(DEPTH, 0, "iodepth", "N", "requests in flight (16)")                \
	X(SECONDS, 0, "time", "TIME", "how long (5s)")
/* clang-format on */

enum option_id {
#define X(symbol, ...) OPTION_##symbol,
	GLOBAL_OPTIONS(X)
	COMMAND_OPTIONS(X)
#undef X
		N_OPTIONS,
};

/* A set of options: bit numbers are enum option_id. */
#define OPTION(symbol) (UINT64_C(1) << OPTION_##symbol)

enum output_format {
	OUTPUT_TABLE,
	OUTPUT_JSON,
	OUTPUT_JSONL,
	OUTPUT_VALUE,
};

enum color_mode {
	COLOR_AUTO,
	COLOR_ALWAYS,
	COLOR_NEVER,
};

enum progress_mode {
	/* A bar if standard error is a terminal. */
	PROGRESS_AUTO,
	PROGRESS_BAR,
	PROGRESS_JSON,
	PROGRESS_FD,
};

struct command;

/* What the command line says. Strings are argv's. */
struct options {
	const struct command *command;
	/* The word before a verb that is missing, for help on it. */
	const char *noun;
	/* Which options were given. */
	uint64_t given;
	/* The words after the command. */
	char **args;
	int n_args;

	const char *address;
	uint32_t timeout_ms;
	enum output_format output;
	const char *columns;
	enum color_mode color;
	unsigned int verbose;
	enum progress_mode progress;
	int progress_fd;

	uint64_t offset;
	uint64_t length;
	struct string_list contexts;
	unsigned int jobs;
	uint64_t rate;
	unsigned int connections;
	const char *read_write;
	const char *algorithm;
	uint64_t block_size;
	unsigned int depth;
	uint32_t bench_ms;
	const char *since;
	uint32_t interval_ms;
};

struct option_row {
	char letter;
	const char *name;
	const char *argument;
	const char *help;
};

/* The list above; index is enum option_id. */
extern const struct option_row option_rows[N_OPTIONS];

/* Is the option one that every command takes? */
bool option_is_global(enum option_id id);

/*
 * Reads the command line into OPTIONS, which is filled with defaults first.
 * Returns EXIT_OK or the code of a recorded failure. ARGV's words are moved:
 * args points into it.
 */
int options_parse(struct options *options, int argc, char **argv);
void options_done(struct options *options);

static inline bool
options_has(const struct options *options, enum option_id id)
{
	return options->given >> id & 1;
}

/* Is text on STREAM to be coloured? */
bool options_use_color(const struct options *options, FILE *stream);
