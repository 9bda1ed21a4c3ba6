/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between negotiate's loop over lines (negotiate.c) and its steps
 * (negotiate_steps.c). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nbdclientd/v1/negotiation.pb-c.h"

#define NEGOTIATION_WORDS_MAX 64

struct client_stream;
struct direct_negotiation;
struct options;

struct negotiation {
	const struct options *options;
	/* One of the two. */
	struct client_stream *stream;
	struct direct_negotiation *direct;
	uint64_t last_id;
	bool is_over;
};

/* Does REQUEST, whose id it sets, and prints what came of it. EXIT_OK, or the
 * code of a recorded failure: the server refused the step, or (is_over) the
 * connection is lost. */
int negotiation_step(struct negotiation *negotiation,
		     Nbdclientd__V1__NegotiateRequest *request);

/* A step as a line names it: how many words may follow, and what it does with
 * those N. */
struct negotiation_row {
	const char *name;
	const char *usage;
	size_t min_words;
	size_t max_words;
	int (*run)(struct negotiation *negotiation, char **words, size_t n);
};

/* NULL: no such step. */
const struct negotiation_row *negotiation_find(const char *name);

/* The end; words are ignored. */
int negotiation_abort(struct negotiation *negotiation, char **words, size_t n);
