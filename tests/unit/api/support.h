/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the tests of the public functions share. */
#pragma once

#include <libnbd.h>
#include <stdbool.h>
#include <stdlib.h>

#include "tests/support/unit.h"

static inline void
cleanup_handle(struct nbd_handle **h)
{
	nbd_close(*h);
}

/* A handle that is closed when the scope ends. */
#define CLEANUP_HANDLE __attribute__((cleanup(cleanup_handle)))

/* Words for nbdkit: 1 MiB in blocks of 512 bytes, and 1 MiB that does nothing but
 * read and write. */
#define MEMORY_OF_BLOCKS                                  \
	"--filter=blocksize-policy memory 1M "            \
	"blocksize-minimum=512 blocksize-preferred=4096 " \
	"blocksize-maximum=65536"
#define BARE_ZEROES                                            \
	"--filter=nozero eval get_size=echo\t1048576 "         \
	"pread=dd\tif=/dev/zero\tcount=$3\tiflag=count_bytes " \
	"pwrite=cat\t>/dev/null"

/* CALL failed with errno NUMBER and a text that contains PART. */
#define assert_fails_with(call, number, part)                       \
	do {                                                        \
		assert_true((call) == -1);                          \
		assert_int_equal(nbd_get_errno(), (number));        \
		if (!strstr(nbd_get_error(), (part)))               \
			fail_msg("\"%s\" is not in \"%s\"", (part), \
				 nbd_get_error());                  \
	} while (0)

/* A string that is then freed. */
#define assert_text_is(text, expected)                  \
	do {                                            \
		char *text_ = (text);                   \
		assert_non_null(text_);                 \
		assert_string_equal(text_, (expected)); \
		free(text_);                            \
	} while (0)

/* Literals as the char ** that the API takes and does not write to. */
static inline char **
as_words(const char *const *words)
{
	union {
		const char *const *in;
		char **out;
	} both = { .in = words };

	return both.out;
}

#define WORDS(...) as_words((const char *const[]){ __VA_ARGS__, NULL })
