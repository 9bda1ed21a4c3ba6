/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one table of commands. */
#include "cli/commands.h"

#include <string.h>

#include "cli/families.h"

#define RANGE (OPTION(OFFSET) | OPTION(LENGTH))

/* clang-format off */
const struct command commands[] = {
	/* The daemon. */
	{ NULL, "status", "", "the daemon, its volumes and their last errors on one screen",
	  OPTION(WATCH), 0, 0, run_status },
	{ NULL, "version", "", "versions of nbdctl, the daemon and the library",
	  0, 0, 0, run_version },
	{ NULL, "ping", "", "does the daemon answer, and how fast",
	  0, 0, 0, run_ping },
	{ NULL, "health", "[VOLUME]", "exit 0 if the daemon, or a volume, can serve; 2 if not",
	  OPTION(WATCH), 0, 1, run_health },
	{ NULL, "top", "", "requests a second and their latency, again and again",
	  OPTION(ONCE) | OPTION(INTERVAL), 0, 0, run_top },
	{ NULL, "stats", "[VOLUME]", "what is counted of volumes, and how long requests take",
	  0, 0, 1, run_stats },
	{ NULL, "metrics", "", "all counters and latencies as text for Prometheus",
	  0, 0, 0, run_metrics },
	{ "daemon", "info", "", "the daemon's version, process and memory",
	  0, 0, 0, run_daemon_info },
	{ "daemon", "reload", "", "read the configuration again and apply the difference",
	  0, 0, 0, run_daemon_reload },
	{ "daemon", "drain", "", "finish what is in flight, flush, and exit",
	  0, 0, 0, run_daemon_drain },
	{ "daemon", "events", "", "what happens: connections lost and made, reloads, volumes",
	  OPTION(SINCE) | OPTION(ONCE), 0, 0, run_daemon_events },
	{ "daemon", "log-level", "[LEVEL]", "which lines go to the log, until the next reload",
	  0, 0, 1, run_daemon_log_level },
	{ "config", "check", "[FILE]", "check a configuration without applying it",
	  0, 0, 1, run_config_check },
	{ "config", "show", "[FILE]", "every value of a configuration, and where it comes from",
	  0, 0, 1, run_config_show },
	{ "config", "diff", "[FILE]", "the values that files set, and where",
	  0, 0, 1, run_config_diff },
	{ "config", "default", "", "every key with its default",
	  0, 0, 0, run_config_default },

	/* What it manages. */
	{ "volume", "ls", "", "the volumes that you may use",
	  0, 0, 0, run_volume_ls },
	{ "volume", "show", "VOLUME", "all that is known of one volume",
	  0, 1, 1, run_volume_show },
	{ "volume", "open", "URI", "open a volume ad hoc, and close it at the end of standard input",
	  OPTION(CONNECTIONS) | OPTION(READ_ONLY), 1, 1, run_volume_open },
	{ "volume", "close", "VOLUME", "close an ad-hoc volume",
	  0, 1, 1, run_volume_close },
	{ "volume", "wait", "VOLUME", "return when the volume is ready",
	  0, 1, 1, run_volume_wait },
	{ "volume", "pause", "VOLUME", "finish what is in flight, flush, hang up; requests wait",
	  0, 1, 1, run_volume_pause },
	{ "volume", "resume", "VOLUME", "connect again after a pause",
	  0, 1, 1, run_volume_resume },
	{ "volume", "reconnect", "VOLUME", "drop all connections and make new ones, at once",
	  0, 1, 1, run_volume_reconnect },
	{ "volume", "accept", "VOLUME", "take a quarantined volume as the server shows it now",
	  0, 1, 1, run_volume_accept },
	{ "conn", "ls", "[VOLUME]", "the connections to NBD servers",
	  0, 0, 1, run_conn_ls },
	{ "conn", "show", "ID", "one connection and what is counted of it",
	  0, 1, 1, run_conn_show },
	{ "conn", "kill", "ID...", "close connections; their requests go to others",
	  0, 1, -1, run_conn_kill },
	{ "client", "ls", "", "the programs connected to the daemon",
	  0, 0, 0, run_client_ls },
	{ "client", "show", "ID", "one program and what is counted of it",
	  0, 1, 1, run_client_show },
	{ "client", "kill", "ID...", "close the connections of programs to the daemon",
	  0, 1, -1, run_client_kill },

	/* What a server has. */
	{ NULL, "list", "TARGET", "the exports of a server",
	  OPTION(NAMES), 1, 1, run_list },
	{ NULL, "info", "TARGET", "size, flags and block sizes of an export",
	  0, 1, 1, run_info },
	{ NULL, "uri", "TARGET", "the NBD URIs behind a volume, the preferred one first",
	  0, 1, 1, run_uri },
	{ NULL, "size", "TARGET", "size in bytes",
	  0, 1, 1, run_size },
	{ NULL, "can", "FEATURE TARGET", "exit 0 if the server can do it, 2 if not",
	  0, 2, 2, run_can },
	{ NULL, "is", "FEATURE TARGET", "as can: nbdctl is read-only disk0",
	  0, 2, 2, run_can },
	{ NULL, "has", "FEATURE TARGET", "as can: nbdctl has structured-reply disk0",
	  0, 2, 2, run_can },
	{ NULL, "contexts", "TARGET [QUERY...]", "the metadata contexts of an export",
	  0, 1, -1, run_contexts },
	{ NULL, "negotiate", "TARGET", "option mode step by step, steps from standard input",
	  0, 1, 1, run_negotiate },

	/* Data. */
	{ NULL, "map", "TARGET", "which parts are data, holes or zeroes",
	  RANGE | OPTION(CONTEXT) | OPTION(TOTALS), 1, 1, run_map },
	{ NULL, "read", "TARGET [FILE|-]", "read bytes to a file or standard output",
	  RANGE | OPTION(JOBS), 1, 2, run_read },
	{ NULL, "write", "TARGET [FILE|-]", "write bytes from a file or standard input",
	  RANGE | OPTION(FUA) | OPTION(JOBS), 1, 2, run_write },
	{ NULL, "dump", "TARGET", "print bytes in hexadecimal",
	  RANGE, 1, 1, run_dump },
	{ NULL, "trim", "TARGET", "tell the server that bytes are no longer needed",
	  RANGE | OPTION(FUA), 1, 1, run_trim },
	{ NULL, "zero", "TARGET", "write zeroes",
	  RANGE | OPTION(FUA) | OPTION(NO_HOLE) | OPTION(FAST), 1, 1, run_zero },
	{ NULL, "flush", "TARGET", "have written data put on stable storage",
	  0, 1, 1, run_flush },
	{ NULL, "cache", "TARGET", "have the server read ahead",
	  RANGE, 1, 1, run_cache },
	{ NULL, "copy", "SOURCE DESTINATION", "copy between files, volumes and URIs, holes apart",
	  OPTION(JOBS) | OPTION(CONNECTIONS) | OPTION(VERIFY) | OPTION(RATE) |
	  OPTION(DESTINATION_IS_ZERO) | OPTION(FIND_ZEROES) | OPTION(ALLOCATED),
	  2, 2, run_copy },
	{ NULL, "compare", "A B", "exit 0 if the contents are equal, 2 if they differ",
	  OPTION(JOBS), 2, 2, run_compare },
	{ NULL, "checksum", "TARGET", "of the contents, in the form of sha256sum",
	  RANGE | OPTION(JOBS) | OPTION(ALGORITHM), 1, 1, run_checksum },
	{ NULL, "bench", "TARGET", "requests a second and their latency",
	  OPTION(READ_WRITE) | OPTION(BLOCK_SIZE) | OPTION(DEPTH) | OPTION(SECONDS),
	  1, 1, run_bench },

	{ NULL, "completion", "SHELL", "what makes bash, zsh or fish complete nbdctl's words",
	  0, 1, 1, run_completion },
};
/* clang-format on */

const size_t n_commands = sizeof(commands) / sizeof(commands[0]);

const struct command *
command_find(const char *noun, const char *verb)
{
	for (size_t i = 0; i < n_commands; i++) {
		const struct command *command = &commands[i];

		if (strcmp(command->verb, verb) != 0)
			continue;
		if (noun ? command->noun && strcmp(command->noun, noun) == 0
			 : !command->noun)
			return command;
	}
	return NULL;
}

const char *
command_find_noun(const char *word)
{
	for (size_t i = 0; i < n_commands; i++)
		if (commands[i].noun && strcmp(commands[i].noun, word) == 0)
			return commands[i].noun;
	return NULL;
}
