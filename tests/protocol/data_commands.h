/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The data commands of libnbd by the names of transcripts: each verb's
 * asynchronous and synchronous call, with callbacks that write down what they
 * are told.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/protocol/commands.h"

struct data_command;

/* The words of a data command, read. */
struct arguments {
	const struct data_command *data;
	const char *name;
	uint64_t count;
	uint64_t offset;
	uint32_t flags;
	const char *contexts; /* of a filter: names between commas, or NULL */
	int callback_error;
	bool retires_itself;
};

struct data_command {
	const char *verb;
	bool has_range;
	bool has_data_callback; /* which is told about chunks or extents */
	int64_t (*start)(struct nbd_handle *h, struct command *c,
			 const struct arguments *a);
	int (*call)(struct nbd_handle *h, struct command *c,
		    const struct arguments *a);
};

/* NULL if there is no such verb. */
const struct data_command *data_command_find(const char *verb);
