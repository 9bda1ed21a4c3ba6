/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * By what a volume knows its export again after a connection was lost: size,
 * read-only flag, block sizes, the canonical name that an endpoint tells, and
 * the bytes of Fingerprint=. Bytes there that we have written ourselves since
 * do not count: a server may have lost them. No connection is needed here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct export_info;
struct fingerprint_settings;

/* What one connection shows. */
struct identity_view {
	const struct export_info *export;
	/* Which of the volume's endpoints. */
	size_t endpoint;
	/* NULL: none is asked for. */
	const unsigned char *fingerprint;
};

/* Zero bytes: nothing is known yet. */
struct identity {
	bool is_known;
	uint64_t size;
	bool is_read_only;
	uint32_t block_minimum;
	uint32_t block_preferred;
	uint32_t block_maximum;
	/* By endpoint; NULL: not told. */
	char **canonical_names;
	size_t n_endpoints;
	uint64_t fingerprint_offset;
	size_t fingerprint_length;
	unsigned char *fingerprint;
	/* As many; true: we wrote there. */
	bool *is_written;
};

/* 0 or -ENOMEM. IDENTITY is all zero. */
int identity_init(struct identity *identity,
		  const struct fingerprint_settings *fingerprint,
		  size_t n_endpoints);
void identity_done(struct identity *identity);

/* VIEW is what the volume is from now on; what it was is forgotten. 0 or
 * -ENOMEM. */
int identity_adopt(struct identity *identity, const struct identity_view *view);
/* What VIEW alone can tell, such as the name of another endpoint. 0 or
 * -ENOMEM. */
int identity_learn(struct identity *identity, const struct identity_view *view);

/* What differs, as the end of a sentence that the caller frees: "its size is 5
 * and was 7". NULL if nothing does, or if nothing is known yet. */
char *identity_difference(const struct identity *identity,
			  const struct identity_view *view);

/* [START, END) is about to be written by us. */
void identity_note_write(struct identity *identity, uint64_t start,
			 uint64_t end);
