/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a reply means for its command. receive.c moves bytes; this module
 * decides, for each header and each piece of payload, where the next bytes go.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client-lib/engine/states.h"

struct nbd_handle;

enum {
	/* The longest payload that is looked at as a whole: an error with
	 * its longest text and an offset. */
	CHUNK_MAX_FIXED = 4 + 2 + 4096 + 8,
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
