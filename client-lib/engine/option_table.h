/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one option is: a row with its number, when it applies, how it is sent
 * and what its replies mean. The rows are listed in the order in which a
 * connection sends them; option.c walks them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client-lib/engine/option.h"
#include "client-lib/engine/states.h"

struct nbd_handle;

/* A reply whose header is plausible. PAYLOAD lies in the receive buffer. */
struct option_answer {
	uint32_t type; /* NBD_REP_ACK, the row's item, or an error */
	const uint8_t *payload;
	uint32_t length;
};

/* What a reply means for the sequence of options. */
enum option_outcome {
	OPTION_MORE,    /* further replies follow */
	OPTION_GO_ON,   /* settled; the next option may follow */
	OPTION_SECURE,  /* settled; the next byte either way is TLS */
	OPTION_REFUSED, /* the goal is out of reach; recorded */
	OPTION_FATAL,   /* the server broke the protocol; recorded */
};

#define GOAL_BIT(goal) (1U << (goal))

struct option {
	uint32_t number;
	const char *name;
	unsigned goals; /* GOAL_BIT()s of the goals that it serves */
	bool (*applies)(const struct nbd_handle *h); /* NULL: always */
	void (*encode)(struct nbd_handle *h);        /* NULL: no data */
	enum state after_sending;                    /* 0: OPTION_REPLY */

	/* The one reply type that carries items, 0 if there is none, and
	 * what is acceptable of it. */
	uint32_t item;
	uint32_t item_minimum;
	uint32_t item_maximum;
	bool skips_long_items; /* instead of giving up */
	uint32_t max_items;

	enum option_outcome (*on_reply)(struct nbd_handle *h,
					const struct option_answer *answer);
};

extern const struct option option_starttls;
extern const struct option option_extended_headers;
extern const struct option option_structured_reply;
extern const struct option option_list;
extern const struct option option_list_meta_context;
extern const struct option option_set_meta_context;
extern const struct option option_info;
extern const struct option option_go;
extern const struct option option_export_name;
extern const struct option option_abort;

/* Records the error that ANSWER reports for OPTION and returns its errno. */
int option_answer_error(struct nbd_handle *h, const struct option *option,
			const struct option_answer *answer);

/* Takes over the description of the export in h->option.offer, with which the
 * transmission phase can begin. */
void option_adopt_offer(struct nbd_handle *h);

/* Between the files that walk the table. */

/* Starts from the first row, towards GOAL. */
void option_begin_goal(struct nbd_handle *h, enum option_goal goal);

/* The goal is out of reach; the error is recorded. An automatic connection
 * is given up, a user's request completes. */
enum step option_goal_refused(struct nbd_handle *h);

/* The user's request is over: its completion runs, once. */
void option_complete_request(struct nbd_handle *h, int errnum, bool refused);
