/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client begins and asks, counted in bytes that come in any pieces. */
#include "daemon/rpc/frames.h"

#include <string.h>

#include "tests/support/unit.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

enum {
	DATA,
	HEADERS,
	RST_STREAM = 3,
	SETTINGS,
	PING = 6,
	WINDOW_UPDATE = 8,
	CONTINUATION,
};

static uint8_t bytes[65536];
static size_t n_bytes;

static void
put(const void *data, size_t n)
{
	assert_true(n <= sizeof(bytes) - n_bytes);
	memcpy(bytes + n_bytes, data, n);
	n_bytes += n;
}

/* With LENGTH bytes of payload that look like a PING's header. */
static void
put_frame(unsigned type, unsigned flags, uint32_t stream, size_t length)
{
	uint8_t header[FRAME_HEADER_SIZE] = { 0 };
	static const uint8_t filler[FRAME_HEADER_SIZE] = { 0, 0, 0, PING };

	header[1] = (uint8_t)(length >> 8);
	header[2] = (uint8_t)length;
	header[3] = (uint8_t)type;
	header[4] = (uint8_t)flags;
	header[5] = (uint8_t)(stream >> 24);
	header[8] = (uint8_t)stream;
	put(header, sizeof(header));
	for (size_t i = 0; i < length; i++)
		put(&filler[i % sizeof(filler)], 1);
}

static void
put_conversation(void)
{
	n_bytes = 0;
	put(PREFACE, strlen(PREFACE));
	put_frame(SETTINGS, 0, 0, 12);
	put_frame(SETTINGS, 1, 0, 0);
	put_frame(HEADERS, 0, 1, 300);
	put_frame(CONTINUATION, 4, 1, 20);
	put_frame(DATA, 0, 1, 1000);
	put_frame(HEADERS, 5, 1, 10);
	put_frame(HEADERS, 4, 3, 5);
	put_frame(RST_STREAM, 0, 3, 4);
	put_frame(PING, 0, 0, 8);
	put_frame(PING, 1, 0, 8);
	put_frame(WINDOW_UPDATE, 0, 0, 4);
	/* Its first bit means nothing. */
	put_frame(HEADERS, 4, 0x80000005, 5);
	put_frame(DATA, 1, 5, 0);
	put_frame(HEADERS, 4, 3, 5);
}

static void
expect_conversation(const struct frames_seen *seen)
{
	assert_int_equal(seen->calls, 3);
	assert_int_equal(seen->questions, 2);
	assert_int_equal(seen->frames, 14);
}

static void
calls_and_questions_are_counted(void **state)
{
	struct frames_seen seen = { 0 };
	struct frames frames;

	(void)state;
	put_conversation();
	frames_init(&frames);
	frames_look(&frames, bytes, n_bytes, &seen);
	expect_conversation(&seen);
}

static void
pieces_make_no_difference(void **state)
{
	(void)state;
	put_conversation();
	for (size_t piece = 1; piece < 40; piece++) {
		struct frames_seen seen = { 0 };
		struct frames frames;

		frames_init(&frames);
		for (size_t at = 0; at < n_bytes; at += piece)
			frames_look(&frames, bytes + at,
				    at + piece > n_bytes ? n_bytes - at : piece,
				    &seen);
		expect_conversation(&seen);
	}
}

static void
the_largest_frame_is_skipped_whole(void **state)
{
	struct frames_seen seen = { 0 };
	struct frames frames;
	size_t left = 0xffffff;

	(void)state;
	n_bytes = 0;
	put(PREFACE, strlen(PREFACE));
	put("\xff\xff\xff\0\0\0\0\0\x01", FRAME_HEADER_SIZE);
	frames_init(&frames);
	frames_look(&frames, bytes, n_bytes, &seen);
	memset(bytes, PING, sizeof(bytes));
	while (left > 0) {
		size_t part = left < sizeof(bytes) ? left : sizeof(bytes);

		frames_look(&frames, bytes, part, &seen);
		left -= part;
	}
	assert_int_equal(seen.questions, 0);
	n_bytes = 0;
	put_frame(PING, 0, 0, 8);
	frames_look(&frames, bytes, n_bytes, &seen);
	assert_int_equal(seen.questions, 1);
	assert_int_equal(seen.frames, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_and_questions_are_counted),
		cmocka_unit_test(pieces_make_no_difference),
		cmocka_unit_test(the_largest_frame_is_skipped_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
