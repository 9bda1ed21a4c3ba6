/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The whole client against a server of the fuzzer's invention, through the
 * public functions. Each conversation is held twice, with other bytes in the
 * buffers of reads, and once receiving replies ahead, once not: what differs
 * afterwards in a read that succeeded, nobody has sent.
 */
#include "tests/fuzz/conversation.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client-lib/engine/ahead.h"
#include "client-lib/wire/protocol.h"
#include "common/byteorder.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory.h"
#include "tests/fuzz/transport.h"

enum {
	/* What the library may ask for at once, whatever a server says. */
	LARGEST_ALLOCATION = 512 * 1024,
};

static void
note(int result)
{
	if (result == -1)
		heard_check_text(nbd_get_error());
}

/* Requests in flight, counted by both sides. */
static void
check_count(const struct heard_all *all, struct nbd_handle *h)
{
	int counted = nbd_aio_in_flight(h);
	int known = (int)heard_in_flight(all);

	/* A disconnect that waits for its answer counts, too. */
	if (counted != -1 && counted != known && counted != known + 1)
		fuzz_broken("%d commands in flight, not %d", counted, known);
}

static bool
is_over(struct nbd_handle *h)
{
	return nbd_aio_is_dead(h) || nbd_aio_is_closed(h);
}

/* The event loop of a program, until there is nothing to be told. */
static void
pump(struct nbd_handle *h)
{
	size_t patience = 2 * transport.left + 1000;

	while (patience-- > 0) {
		unsigned direction = nbd_aio_get_direction(h);
		bool readable = transport.left > 0 || transport.is_reset ||
				(transport.has_ended &&
				 !transport.end_was_seen);

		if ((direction & LIBNBD_AIO_DIRECTION_READ) && readable)
			note(nbd_aio_notify_read(h));
		else if ((direction & LIBNBD_AIO_DIRECTION_WRITE) &&
			 transport.send_room > 0)
			note(nbd_aio_notify_write(h));
		else
			return;
	}
	fuzz_broken("the library wants to be told the same for ever");
}

static void
deliver(struct nbd_handle *h, const uint8_t *bytes, size_t length)
{
	/* What is left lies before it, when the client did not want it. */
	static uint8_t joined[1 << 20];
	size_t left = transport.left;

	if (left + length > sizeof(joined))
		return;
	memmove(joined, transport.at ? transport.at : joined, left);
	memcpy(joined + left, bytes, length);
	transport.at = joined;
	transport.left = left + length;
	pump(h);
	if (fuzz_export_size == 0 && nbd_aio_is_ready(h))
		fuzz_export_size = (uint64_t)nbd_get_size(h);
}

/* A reply to an option, with an INFO_EXPORT of 1 MiB if it is INFO. */
static void
deliver_reply(struct nbd_handle *h, uint32_t option, uint32_t type)
{
	uint8_t reply[NBD_OPTION_REPLY_SIZE + 12];
	uint32_t length = type == NBD_REP_INFO ? 12 : 0;

	store_be64(reply, NBD_REP_MAGIC);
	store_be32(reply + 8, option);
	store_be32(reply + 12, type);
	store_be32(reply + 16, length);
	store_be16(reply + 20, NBD_INFO_EXPORT);
	store_be64(reply + 22, 1 << 20);
	store_be16(reply + 30, 0x1fff & ~NBD_FLAG_READ_ONLY);
	deliver(h, reply, NBD_OPTION_REPLY_SIZE + length);
}

/* The part of a conversation that a fuzzer need not invent each time. */
static void
begin(struct nbd_handle *h, enum beginning beginning, uint8_t settings)
{
	uint8_t greeting[18];

	if (beginning == BEGINNING_NONE)
		return;
	store_be64(greeting, NBD_MAGIC);
	store_be64(greeting + 8, NBD_IHAVEOPT);
	store_be16(greeting + 16, 3);
	deliver(h, greeting, sizeof(greeting));
	if (beginning == BEGINNING_GREETING)
		return;
	if (settings & SETTING_EXTENDED)
		deliver_reply(h, NBD_OPT_EXTENDED_HEADERS,
			      beginning == BEGINNING_EXTENDED
				      ? NBD_REP_ACK
				      : NBD_REP_ERR_UNSUP);
	if (!(settings & SETTING_NO_STRUCTURED) &&
	    !nbd_get_extended_headers_negotiated(h))
		deliver_reply(h, NBD_OPT_STRUCTURED_REPLY,
			      beginning == BEGINNING_SIMPLE ? NBD_REP_ERR_UNSUP
							    : NBD_REP_ACK);
	if (settings &
	    (SETTING_OPT_MODE | SETTING_CONTEXT | SETTING_OTHER_CONTEXT))
		return;
	deliver_reply(h, NBD_OPT_GO, NBD_REP_INFO);
	deliver_reply(h, NBD_OPT_GO, NBD_REP_ACK);
}

static int
on_debug(void *user, const char *context, const char *message)
{
	(void)user;
	(void)context;
	heard_check_text(message);
	return 0;
}

static void
configure(struct nbd_handle *h, uint8_t first, uint8_t second)
{
	uint32_t handshake = LIBNBD_HANDSHAKE_FLAG_MASK;

	if (second & SETTING_NO_FIXED)
		handshake &= ~LIBNBD_HANDSHAKE_FLAG_FIXED_NEWSTYLE;
	if (second & SETTING_NO_NO_ZEROES)
		handshake &= ~LIBNBD_HANDSHAKE_FLAG_NO_ZEROES;
	note(nbd_set_handshake_flags(h, handshake));
	note(nbd_set_opt_mode(h, first & SETTING_OPT_MODE));
	note(nbd_set_request_structured_replies(
		h, !(first & SETTING_NO_STRUCTURED)));
	note(nbd_set_request_extended_headers(h, first & SETTING_EXTENDED));
	note(nbd_set_request_block_size(h, !(first & SETTING_NO_BLOCK_SIZE)));
	note(nbd_set_request_meta_context(h, !(second & SETTING_NO_META)));
	note(nbd_set_full_info(h, first & SETTING_FULL_INFO));
	/* Zeroes would hide what was not sent. */
	note(nbd_set_pread_initialize(h, false));
	if (first & SETTING_LAX)
		note(nbd_set_strict_mode(h, 0));
	if (first & SETTING_CONTEXT)
		note(nbd_add_meta_context(h, "base:allocation"));
	if (first & SETTING_OTHER_CONTEXT)
		note(nbd_add_meta_context(h, "x-other:thing"));
	if (second & SETTING_EXPORT)
		note(nbd_set_export_name(h, "export"));
	note(nbd_set_debug_callback(
		h, (nbd_debug_callback){ .callback = on_debug }));
	note(nbd_set_debug(h, second & SETTING_DEBUG));
}

static void
operate(struct heard_all *all, struct nbd_handle *h, struct input *input)
{
	enum operation operation = input_byte(input) % N_OPERATIONS;
	const uint8_t *bytes;
	uint64_t number;

	switch (operation) {
	case OPERATION_DELIVER:
		number = input_take(input, input_number(input, 2), &bytes);
		deliver(h, bytes, number);
		return;
	case OPERATION_OPTION:
		heard_start_option(all, h, input_byte(input) % N_ASKED);
		break;
	case OPERATION_RETIRE:
		heard_retire(all, h, input_byte(input));
		break;
	case OPERATION_SEND_ROOM:
		number = input_number(input, 2);
		transport.send_room = number == 0xffff ? SIZE_MAX : number;
		break;
	case OPERATION_DISCONNECT:
		note(nbd_aio_disconnect(h, 0));
		break;
	case OPERATION_END:
		transport.has_ended = true;
		break;
	case OPERATION_RESET:
		transport.is_reset = true;
		break;
	default:
		number = input_byte(input);
		heard_start_command(all, h, operation, (uint8_t)number,
				    (uint32_t)input_number(input, 4),
				    input_number(input, 8));
		break;
	}
	pump(h);
}

/* Holds the conversation with the handle that exists. */
static void
converse(struct heard_all *all, struct nbd_handle *h, struct input *input)
{
	uint8_t first = input_byte(input);
	uint8_t second = input_byte(input);

	transport.max_receive = input_byte(input);
	enum beginning beginning = input_byte(input) % N_BEGINNINGS;

	configure(h, first, second);
	note(nbd_aio_connect_socket(h, eventfd(0, EFD_NONBLOCK)));
	pump(h);
	begin(h, beginning, first);
	while (input->left > 0) {
		operate(all, h, input);
		check_count(all, h);
	}
	/* The end. */
	transport.has_ended = true;
	transport.send_room = SIZE_MAX;
	pump(h);
	if (is_over(h))
		heard_check_complete(all);
}

/* One conversation from its beginning to its end. */
static void
hold(struct heard_all *all, struct input input, uint8_t untouched)
{
	unsigned failing = (unsigned)input_number(&input, 2);
	struct nbd_handle *h;

	fuzz_untouched = untouched;
	fuzz_export_size = 0;
	transport_reset();
	memory_begin(failing);
	h = nbd_create();
	if (h) {
		converse(all, h, &input);
		nbd_close(h);
	}
	memory_end();
	if (transport.is_open)
		fuzz_broken("the stream is never closed");
	heard_check_complete(all);
	heard_check_released(all);
	if (memory_largest() > LARGEST_ALLOCATION)
		fuzz_broken("%zu bytes allocated at once", memory_largest());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct heard_all all[2];
	struct input input = input_over(data, size);

	ahead_at_first = 0;
	ahead_smallest = 1;
	hold(&all[0], input, 0x55);
	ahead_smallest = SIZE_MAX;
	hold(&all[1], input, 0xaa);
	for (unsigned i = 0; i < all[0].n_items; i++)
		if (all[0].items[i].error == 0 &&
		    (all[1].items[i].error != 0 ||
		     all[0].items[i].digest != all[1].items[i].digest))
			fuzz_broken("command %u has brought bytes that nobody "
				    "sent",
				    i);
	heard_done(&all[0]);
	heard_done(&all[1]);
	return 0;
}
