/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why something did not work: one value that is filled where the trouble is
 * found, travels with the request, and becomes a status at the RPC boundary.
 */
#pragma once

#include <stdbool.h>

/* Finer than errno; the same set as ErrorReason of the RPC contract. */
enum failure_reason {
	FAILURE_NONE,
	FAILURE_UNKNOWN_VOLUME,
	FAILURE_UNKNOWN_EXPORT,
	FAILURE_PERMISSION,
	FAILURE_TIMEOUT,
	FAILURE_SERVER_UNREACHABLE,
	/* The server answered with an NBD error; errnum says which. */
	FAILURE_NBD,
	FAILURE_TLS,
	/* The daemon is draining, or the volume is closing. */
	FAILURE_BUSY,
	FAILURE_NOT_SUPPORTED,
	/* Offset, length, flag, name or URI is wrong. */
	FAILURE_INVALID,
	FAILURE_LIMIT,
	/* Writes that were acknowledged may be lost. */
	FAILURE_DATA_LOSS,
	/* The server shows another export than before. */
	FAILURE_IDENTITY,
};

/* Zero bytes are "no failure". The strings are owned, or NULL. */
struct failure {
	/* A positive errno; 0: nothing failed. */
	int errnum;
	enum failure_reason reason;
	/* It was sent, no answer came, and so it may have been carried out. */
	bool maybe_applied;
	/* What was attempted and what was seen. */
	char *message;
	/* What the caller can do about it: one sentence. */
	char *hint;
	/* Where, if one server or volume is concerned. */
	char *endpoint;
	char *volume;
};

/* Fills FAILURE, which the caller may have used before, with a message. If
 * memory is short the errno and reason stand without text. Returns -ERRNUM,
 * so that a function can fail in one line. */
int failure_set(struct failure *failure, int errnum, enum failure_reason reason,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Adds what the caller can do, and where it happened. Short memory leaves the
 * text out. NULL is allowed and changes nothing. */
void failure_set_hint(struct failure *failure, const char *hint);
void failure_set_place(struct failure *failure, const char *volume,
		       const char *endpoint);

/* TO, which is released first, becomes a copy of FROM. */
void failure_copy(struct failure *to, const struct failure *from);

/* The message, or the errno's text where there is none; never NULL. */
const char *failure_text(const struct failure *failure);

/* Releases the strings; FAILURE is "no failure" again. */
void failure_done(struct failure *failure);
