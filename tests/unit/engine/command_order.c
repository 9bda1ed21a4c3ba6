/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which error a request gets that is wrong in many ways: programs tell them
 * apart by errno, so the order is part of the interface. Each request starts
 * with everything wrong; one thing after the other is mended, and what is next
 * in the order must show.
 */
#include <errno.h>
#include <libnbd.h>
#include <limits.h>
#include <string.h>

#include "client-lib/base/error.h"
#include "tests/unit/engine/peer.h"

enum {
	BLOCK = 4096,
	CAP = 1 << 20,
};

static char name[] = "base:allocation";
static char unknown[] = "x-no:such";
static char *wrong_contexts[] = { name, unknown, NULL };
static char *right_contexts[] = { name, NULL };

static void
assert_refused(struct peer *peer, struct command_request *request, int errnum,
	       const char *part)
{
	assert_int_equal(command_submit(peer->h, request), -1);
	if (error_last_errno() != errnum || !strstr(error_last_text(), part))
		fail_msg("expected errno %d and \"%s\", got: %s", errnum, part,
			 error_last_text());
}

/* A connection to an export that offers nothing and may not be changed. */
static struct peer *
offer_nothing(void **state)
{
	struct peer *peer = *state;

	peer_get_ready(peer, true);
	peer->h->export.flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_READ_ONLY;
	peer->h->export.size = 64 * BLOCK;
	peer->h->export.block_minimum = BLOCK;
	peer->h->export.payload_cap = CAP;
	return peer;
}

static void
writes_are_checked_in_order(void **state)
{
	struct peer *peer = offer_nothing(state);
	struct nbd_handle *h = peer->h;
	static uint8_t payload[CAP + BLOCK];
	struct command_request request = {
		.type = NBD_CMD_WRITE,
		.flags = LIBNBD_CMD_FLAG_DF | LIBNBD_CMD_FLAG_FUA,
		.accepts = LIBNBD_CMD_FLAG_FUA | LIBNBD_CMD_FLAG_PAYLOAD_LEN,
		.payload = payload,
		.offset = 64 * BLOCK + 1,
	};
	int n_in_flight;

	h->is_disconnecting = true;
	assert_refused(peer, &request, EINVAL, "invalid value for flag");
	request.flags = LIBNBD_CMD_FLAG_FUA;
	assert_refused(peer, &request, EPERM, "read-only");
	h->export.flags &= (uint16_t)~NBD_FLAG_READ_ONLY;
	assert_refused(peer, &request, EINVAL, "FUA");
	h->export.flags |= NBD_FLAG_SEND_FUA;
	n_in_flight = h->n_in_flight;
	h->n_in_flight = INT_MAX;
	assert_refused(peer, &request, EINVAL, "NBD_CMD_DISC");
	h->is_disconnecting = false;
	assert_refused(peer, &request, ENOMEM, "too many");
	h->n_in_flight = n_in_flight;
	assert_refused(peer, &request, EINVAL, "count");
	request.count = sizeof(payload);
	assert_refused(peer, &request, ENOSPC, "beyond");
	h->export.size = 1 << 30;
	assert_refused(peer, &request, EINVAL, "minimum block size");
	request.offset = 0;
	assert_refused(peer, &request, ERANGE, "payload");
	h->export.payload_cap = 2 * CAP;
	assert_true(command_submit(h, &request) > 0);
}

static void
zeroing_is_checked_in_order(void **state)
{
	struct peer *peer = offer_nothing(state);
	struct nbd_handle *h = peer->h;
	struct command_request request = {
		.type = NBD_CMD_WRITE_ZEROES,
		.flags = LIBNBD_CMD_FLAG_FAST_ZERO,
		.accepts = LIBNBD_CMD_FLAG_FAST_ZERO,
		.offset = 64 * BLOCK + 1,
	};

	/* Whether it is offered counts more than whether it is permitted. */
	assert_refused(peer, &request, EINVAL, "does not support it");
	h->export.flags |= NBD_FLAG_SEND_WRITE_ZEROES;
	assert_refused(peer, &request, EPERM, "read-only");
	h->export.flags &= (uint16_t)~NBD_FLAG_READ_ONLY;
	assert_refused(peer, &request, EINVAL, "FAST_ZERO");
	h->export.flags |= NBD_FLAG_SEND_FAST_ZERO;
	assert_refused(peer, &request, EINVAL, "count");
	request.count = UINT64_C(1) << 32;
	assert_refused(peer, &request, ENOSPC, "beyond");
	h->export.size = UINT64_C(1) << 40;
	assert_refused(peer, &request, EINVAL, "minimum block size");
	request.offset = 0;
	assert_refused(peer, &request, ERANGE, "extended headers");
	request.count = UINT32_MAX - BLOCK + 1;
	assert_true(command_submit(h, &request) > 0);
}

static void
reads_are_checked_in_order(void **state)
{
	struct peer *peer = offer_nothing(state);
	struct nbd_handle *h = peer->h;
	static uint8_t buffer[NBD_MAX_REQUEST];
	struct command_request request = {
		.type = NBD_CMD_READ,
		.flags = LIBNBD_CMD_FLAG_DF,
		.accepts = LIBNBD_CMD_FLAG_DF,
		.buffer = buffer,
		.offset = 64 * BLOCK + 1,
	};

	assert_refused(peer, &request, EINVAL, "DF");
	h->export.flags |= NBD_FLAG_SEND_DF;
	assert_refused(peer, &request, EINVAL, "count");
	request.count = NBD_MAX_REQUEST + BLOCK;
	assert_refused(peer, &request, EINVAL, "beyond");
	h->export.size = 1 << 30;
	assert_refused(peer, &request, EINVAL, "minimum block size");
	request.offset = 0;
	/* What is written at once is limited by the server, reads are not. */
	assert_refused(peer, &request, ERANGE, "maximum");
	request.count = NBD_MAX_REQUEST;
	assert_true(command_submit(h, &request) > 0);
}

static int
ignore_extents(void *data, const char *context, uint64_t offset,
	       nbd_extent *extents, size_t n, int *error)
{
	(void)data;
	(void)context;
	(void)offset;
	(void)extents;
	(void)n;
	(void)error;
	return 0;
}

static void
filters_are_checked_in_order(void **state)
{
	struct peer *peer = offer_nothing(state);
	struct nbd_handle *h = peer->h;
	nbd_extent64_callback extent64 = { .callback = ignore_extents };
	struct command_request request = {
		.type = NBD_CMD_BLOCK_STATUS,
		.accepts = LIBNBD_CMD_FLAG_PAYLOAD_LEN,
		.contexts = wrong_contexts,
		.extent64 = &extent64,
		.offset = 64 * BLOCK + 1,
	};

	h->is_disconnecting = true;
	assert_refused(peer, &request, ENOTSUP, "extended headers");
	h->negotiated.extended_headers = true;
	assert_refused(peer, &request, EINVAL, "takes no filters");
	h->export.flags |= NBD_FLAG_BLOCK_STATUS_PAYLOAD;
	h->negotiated.structured_replies = false;
	assert_refused(peer, &request, ENOTSUP, "structured replies");
	h->negotiated.structured_replies = true;
	assert_refused(peer, &request, ENOTSUP, "no meta context");
	assert_int_equal(
		export_info_add_context(&h->export, 1, name, strlen(name)), 0);
	h->export.contexts_valid = true;
	assert_refused(peer, &request, EINVAL, unknown);
	request.contexts = right_contexts;
	assert_refused(peer, &request, EINVAL, "NBD_CMD_DISC");
	h->is_disconnecting = false;
	assert_refused(peer, &request, EINVAL, "count");
	request.count = BLOCK;
	assert_refused(peer, &request, EINVAL, "beyond");
	request.offset = 1;
	assert_refused(peer, &request, EINVAL, "minimum block size");
	request.offset = 0;
	assert_true(command_submit(h, &request) > 0);
}

/* A flush has no range that could be wrong. */
static void
a_flush_has_no_range(void **state)
{
	struct peer *peer = offer_nothing(state);
	struct command_request request = { .type = NBD_CMD_FLUSH,
					   .offset = UINT64_MAX };

	assert_refused(peer, &request, EINVAL, "does not support it");
	peer->h->export.flags |= NBD_FLAG_SEND_FLUSH;
	assert_true(command_submit(peer->h, &request) > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(writes_are_checked_in_order),
		PEER_TEST(zeroing_is_checked_in_order),
		PEER_TEST(reads_are_checked_in_order),
		PEER_TEST(filters_are_checked_in_order),
		PEER_TEST(a_flush_has_no_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
