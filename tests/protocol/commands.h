/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commands in flight: their buffers, what their callbacks were told, and the
 * promises about callbacks: called once, freed once, never after that.
 */
#pragma once

#include "common/strings.h"
#include "tests/protocol/run.h"

struct command {
	struct command *next;
	struct run *run;
	char *name;
	const struct line *line;
	uint8_t *buffer;
	uint8_t *copy; /* of the buffer when the command was retired */
	size_t size;
	uint64_t offset;
	struct string_builder events; /* chunks or extents, as text */
	char *contexts[9];            /* of a filter, owned */
	int64_t cookie;               /* -1 if the call failed, 0 if sync */
	unsigned n_completions;
	unsigned n_completion_frees;
	unsigned n_data_frees; /* of the chunk or extent callback */
	bool has_data_callback;
	bool retires_itself;
	bool is_retired;
	int completion_error;
	int callback_error; /* what our data callback answers, or 0 */
	int result;         /* 1 or -1 once retired */
	int errnum;
	uint64_t n_bytes; /* what the server had sent at completion */
};

/* "start VERB NAME ...": issues the command. */
struct outcome command_start(struct run *run, const struct line *line);

/* "wait NAME": until it is done or nothing can move any more. */
struct outcome command_wait(struct run *run, const struct line *line);

/* "call VERB NAME ...": both, or the synchronous function in RUN_SYNC. */
struct outcome command_call(struct run *run, const struct line *line);

/* Is VERB the name of a data command? */
bool command_is_verb(const char *verb);

/* The command of this name; ends the process if there is none. */
struct command *command_find(const struct run *run, const struct line *line,
			     const char *name);

/* Retires what is done. Before the handle is closed. */
void commands_retire(struct run *run);

/* Checks the promises about callbacks and buffers, and frees all commands.
 * After the handle was closed. */
void commands_done(struct run *run);
