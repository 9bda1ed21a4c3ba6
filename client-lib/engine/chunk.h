/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a reply means for its command. receive.c moves bytes; this module
 * decides, for each header and each piece of payload, where the next bytes go.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client-lib/engine/receive.h"
#include "client-lib/engine/states.h"

struct command;
struct nbd_handle;

enum {
	/* The longest payload that is looked at as a whole: an error with
	 * its longest text and an offset. */
	CHUNK_MAX_FIXED = 4 + 2 + 4096 + 8,
	/* So many chunks that no correct reply has a server may send for one
	 * command before it is left. */
	CHUNK_MAX_EXCESS = 1000,
};

/* A header is in h->receive.reply: finds the command and sets the state of
 * the receiver. AGAIN or FAILED. */
enum step chunk_begin(struct nbd_handle *h);

/* How many bytes of payload the state RECEIVE_CHUNK needs at once. */
size_t chunk_fixed_size(const struct nbd_handle *h);

/* These bytes are there, at PAYLOAD. AGAIN or FAILED. */
enum step chunk_fixed(struct nbd_handle *h, const uint8_t *payload,
		      size_t length);

/* The payload has been received; its command, if any, may be complete. */
enum step chunk_end(struct nbd_handle *h);

/* Between the files of this module. */

/* What the receiver does next with the payload. AGAIN. */
enum step chunk_expect(struct nbd_handle *h, enum receive_state state);

/* The rest of the payload means nothing. AGAIN. */
enum step chunk_skip(struct nbd_handle *h);

/* The chunk is wrong: its command fails, the rest of it is skipped. AGAIN, or
 * FAILED when there were too many. */
enum step chunk_reject(struct nbd_handle *h, const char *why);

/* The fixed parts of the payloads, by type. */
enum step chunk_take_data(struct nbd_handle *h, const uint8_t *payload);
enum step chunk_take_hole(struct nbd_handle *h, const uint8_t *payload);
enum step chunk_take_status(struct nbd_handle *h, const uint8_t *payload);
enum step chunk_take_error(struct nbd_handle *h, const uint8_t *payload,
			   size_t length);

/* Content has arrived where the receiver was told to put it. */
void chunk_report_content(struct command *command,
			  const struct receive *receive, unsigned status);
