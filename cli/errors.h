/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How nbdctl fails. A failure has three parts: what was attempted, what was
 * seen, and what the user can do. attempt() says what is being done now;
 * fail() records what was seen and gives the exit code, which every function
 * passes up unchanged; main() prints the failure once. The first failure of a
 * command is the one that counts.
 *
 * One thread only, as everything in cli/.
 */
#pragma once

#include <stdbool.h>

/* X(symbol, exit code, what it means) */
/* clang-format off */
#define EXIT_CODES(X)                                                         \
	X(OK,                 0, "ok")                                        \
	X(GENERAL,            1, "general failure")                           \
	X(NO,                 2, "the answer is no, or it differs")           \
	X(USAGE,              3, "usage: bad option, value or URI")           \
	X(UNKNOWN_VOLUME,     4, "unknown volume")                            \
	X(NO_DAEMON,          5, "the daemon cannot be reached")              \
	X(PERMISSION,         6, "not permitted, or read-only")               \
	X(TIMEOUT,            7, "timed out")                                 \
	X(SERVER_UNREACHABLE, 8, "the NBD server cannot be reached")          \
	X(NBD,                9, "NBD error (errno in JSON)")                 \
	X(TLS,               10, "TLS or authentication failed")              \
	X(DATA_LOSS,         11, "data loss reported")                        \
	X(IDENTITY,          12, "the server's identity does not match")      \
	X(BUSY,              13, "busy or paused")                            \
	X(CANCELLED,         14, "cancelled")                                 \
	X(PARTIAL,           15, "partly done")                               \
	X(NOT_SUPPORTED,     16, "not supported by the server")
/* clang-format on */

enum exit_code {
#define X(symbol, code, meaning) EXIT_##symbol = code,
	EXIT_CODES(X)
#undef X
};

struct options;

/* Says what is being attempted from here on: completes the sentence "cannot
 * ...", such as "read 4096 bytes at offset 0 of demo". */
void attempt(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Records a failure of what is being attempted, unless one is recorded
 * already. ERRNUM is a positive errno or 0. TODO, which is copied, is what the
 * user can do: one sentence, or NULL to let the exit code choose it. FORMAT
 * says what was seen. Returns CODE.
 */
int fail(enum exit_code code, int errnum, const char *todo, const char *format,
	 ...) __attribute__((format(printf, 4, 5)));

/* As fail(), for a failed system call or allocation: what was seen is WHAT and
 * the text of ERRNUM. The exit code follows the errno. */
int fail_errno(int errnum, const char *what);

/* Is a failure recorded, and with which code? EXIT_OK if none is. */
enum exit_code failure_code(void);

/* Replaces the recorded failure's code and adds to what was seen: for work
 * that was partly done. */
int failure_amend(enum exit_code code, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Forgets the recorded failure: it turned out not to matter. */
void failure_clear(void);

/* Replaces what the user can do about the recorded failure. */
void failure_advise(const char *todo);

/* Prints the recorded failure on standard error, as text or JSON, and forgets
 * it. Does nothing if there is none. */
void failure_print(const struct options *options);
