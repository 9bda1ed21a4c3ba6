/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From clear text to TLS and what a handle then knows, with a server that is
 * played here: on a socketpair, in the same thread, in clear or inside of a
 * session of GnuTLS's. Comments name rows of the catalogue of hostile servers.
 */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <libnbd.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client-lib/wire/protocol.h"
#include "client-lib/wire/writer.h"
#include "common/byteorder.h"
#include "common/cleanup.h"
#include "tests/support/workdir.h"
#include "tests/unit/api/support.h"
#include "tests/unit/stream/tls_server.h"

enum {
	DISK = 1 << 20,
	CONTEXT_ID = 7,
};

struct world {
	struct nbd_handle *h;
	int fd; /* the server's end */
	gnutls_session_t session;
	gnutls_psk_server_credentials_t credentials;
	bool is_secure; /* the server speaks through the session */
	char *dir;
	char *keys;
};

static int
make_world(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	world->fd = -1;
	world->dir = workdir_make();
	world->keys = tls_server_key_file(world->dir);
	world->h = nbd_create();
	assert_int_equal(nbd_set_opt_mode(world->h, true), 0);
	assert_int_equal(nbd_set_tls_psk_file(world->h, world->keys), 0);
	assert_int_equal(nbd_set_tls_username(world->h, "alice"), 0);
	*state = world;
	return 0;
}

static int
unmake_world(void **state)
{
	struct world *world = *state;

	nbd_close(world->h);
	gnutls_deinit(world->session);
	gnutls_psk_free_server_credentials(world->credentials);
	if (world->fd >= 0)
		close(world->fd);
	workdir_remove(world->dir);
	free(world->keys);
	free(world);
	return 0;
}

/* Is what the handle waits for there? Never waits. */
static short
happens(struct nbd_handle *h)
{
	const unsigned direction = nbd_aio_get_direction(h);
	struct pollfd pollfd = { .fd = nbd_aio_get_fd(h) };

	if (pollfd.fd == -1)
		return 0;
	if (direction & LIBNBD_AIO_DIRECTION_READ)
		pollfd.events |= POLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		pollfd.events |= POLLOUT;
	return poll(&pollfd, 1, 0) == 1 ? pollfd.revents : 0;
}

/* The client does what it can; -1 once one of its steps has failed. */
static int
let_client_work(struct nbd_handle *h)
{
	short events;

	while ((events = happens(h)) != 0) {
		if ((events & (POLLIN | POLLHUP) ? nbd_aio_notify_read(h)
						 : nbd_aio_notify_write(h)) < 0)
			return -1;
	}
	return 0;
}

static void
say(struct world *world, const struct writer *writer, const uint8_t *bytes)
{
	const size_t size = (size_t)(writer->at - bytes);
	ssize_t n;

	assert_false(writer->is_full);
	n = world->is_secure ? gnutls_record_send(world->session, bytes, size)
			     : send(world->fd, bytes, size, 0);
	assert_int_equal(n, size);
}

static ssize_t
receive(struct world *world, void *bytes, size_t size)
{
	return world->is_secure
		       ? gnutls_record_recv(world->session, bytes, size)
		       : recv(world->fd, bytes, size, MSG_DONTWAIT);
}

/* The client has sent nothing that was not heard. */
static void
assert_silence(struct world *world)
{
	uint8_t byte;

	assert_true(receive(world, &byte, 1) < 0);
}

/* Hears an option, with data that counts for nothing here. */
static void
hear_option(struct world *world, uint32_t option)
{
	uint8_t header[NBD_OPTION_HEADER_SIZE];
	uint8_t data[256];
	uint32_t length;

	assert_int_equal(receive(world, header, sizeof(header)),
			 sizeof(header));
	assert_int_equal(load_be64(header), NBD_IHAVEOPT);
	assert_int_equal(load_be32(header + 8), option);
	length = load_be32(header + 12);
	assert_true(length <= sizeof(data));
	if (length > 0)
		assert_int_equal(receive(world, data, length), length);
}

static void
write_reply(struct writer *writer, uint32_t option, uint32_t type,
	    uint32_t length)
{
	writer_u64(writer, NBD_REP_MAGIC);
	writer_u32(writer, option);
	writer_u32(writer, type);
	writer_u32(writer, length);
}

/* Hears OPTION and answers it with TYPE and nothing else. */
static int
answer(struct world *world, uint32_t option, uint32_t type)
{
	uint8_t bytes[NBD_OPTION_REPLY_SIZE];
	struct writer writer = writer_over(bytes, sizeof(bytes));

	hear_option(world, option);
	write_reply(&writer, option, type, 0);
	say(world, &writer, bytes);
	return let_client_work(world->h);
}

/* Connects as far as the first option. */
static void
greet(struct world *world)
{
	uint8_t bytes[18];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	uint8_t flags[4];
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX,
				    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				    0, pair),
			 0);
	world->fd = pair[1];
	tls_server_make(&world->session, &world->credentials, world->fd,
			SERVER_PRIORITY);
	assert_int_equal(nbd_aio_connect_socket(world->h, pair[0]), 0);
	writer_u64(&writer, NBD_MAGIC);
	writer_u64(&writer, NBD_IHAVEOPT);
	writer_u16(&writer, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	say(world, &writer, bytes);
	assert_int_equal(let_client_work(world->h), 0);
	assert_int_equal(receive(world, flags, sizeof(flags)), sizeof(flags));
}

/* Both take turns until the handshake is over. */
static void
shake_hands(struct world *world)
{
	int result;

	do {
		result = gnutls_handshake(world->session);
		assert_false(gnutls_error_is_fatal(result));
		assert_int_equal(let_client_work(world->h), 0);
	} while (result != 0);
	world->is_secure = true;
}

static int
note(void *user_data, int *error)
{
	*(int *)user_data = *error;
	return 1;
}

static nbd_completion_callback
completion(int *error)
{
	*error = -1;
	return (nbd_completion_callback){ .callback = note,
					  .user_data = error };
}

/* The handle has TLS, and nothing else yet. */
static void
begin_securely(struct world *world)
{
	assert_int_equal(nbd_set_tls(world->h, LIBNBD_TLS_REQUIRE), 0);
	greet(world);
	assert_int_equal(answer(world, NBD_OPT_STARTTLS, NBD_REP_ACK), 0);
	shake_hands(world);
}

/* The connection goes on as if it had begun here. */
static void
inside_of_tls_everything_is_asked_for(void **state)
{
	struct world *world = *state;

	begin_securely(world);
	assert_int_equal(
		answer(world, NBD_OPT_EXTENDED_HEADERS, NBD_REP_ERR_UNSUP), 0);
	assert_int_equal(answer(world, NBD_OPT_STRUCTURED_REPLY, NBD_REP_ACK),
			 0);
	assert_int_equal(nbd_aio_is_negotiating(world->h), 1);
	assert_int_equal(nbd_get_structured_replies_negotiated(world->h), 1);
	assert_int_equal(nbd_get_tls_negotiated(world->h), 1);
	assert_silence(world);
}

/* Row 87. */
static void
tls_is_not_begun_inside_of_tls(void **state)
{
	struct world *world = *state;
	int error;

	assert_int_equal(nbd_set_request_structured_replies(world->h, false),
			 0);
	begin_securely(world);
	assert_int_equal(nbd_aio_opt_starttls(world->h, completion(&error)), 0);
	assert_int_equal(answer(world, NBD_OPT_STARTTLS, NBD_REP_ACK), -1);
	assert_int_equal(nbd_get_errno(), EPROTO);
	assert_non_null(strstr(nbd_get_error(), "TLS is already there"));
	assert_int_equal(nbd_aio_is_dead(world->h), 1);
	assert_int_equal(error, EPROTO);
}

/* And who refuses loses nothing. */
static void
tls_that_is_there_stays_when_more_is_refused(void **state)
{
	struct world *world = *state;
	int error;

	assert_int_equal(nbd_set_request_structured_replies(world->h, false),
			 0);
	begin_securely(world);
	assert_int_equal(nbd_aio_opt_starttls(world->h, completion(&error)), 0);
	assert_int_equal(answer(world, NBD_OPT_STARTTLS, NBD_REP_ERR_INVALID),
			 0);
	assert_int_equal(error, EINVAL);
	assert_int_equal(nbd_aio_is_negotiating(world->h), 1);
	assert_int_equal(nbd_get_tls_negotiated(world->h), 1);
}

/* The server says in clear what an export and its contexts are. */
static void
learn_in_clear(struct world *world)
{
	static const char name[] = LIBNBD_CONTEXT_BASE_ALLOCATION;
	const uint32_t name_size = sizeof(name) - 1;
	uint8_t bytes[256];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	int error;

	assert_int_equal(answer(world, NBD_OPT_STRUCTURED_REPLY, NBD_REP_ACK),
			 0);
	assert_int_equal(nbd_add_meta_context(world->h, name), 0);
	assert_int_equal(nbd_aio_opt_info(world->h, completion(&error)), 0);
	hear_option(world, NBD_OPT_SET_META_CONTEXT);
	write_reply(&writer, NBD_OPT_SET_META_CONTEXT, NBD_REP_META_CONTEXT,
		    4 + name_size);
	writer_u32(&writer, CONTEXT_ID);
	writer_bytes(&writer, name, name_size);
	write_reply(&writer, NBD_OPT_SET_META_CONTEXT, NBD_REP_ACK, 0);
	say(world, &writer, bytes);
	assert_int_equal(let_client_work(world->h), 0);

	hear_option(world, NBD_OPT_INFO);
	writer = writer_over(bytes, sizeof(bytes));
	write_reply(&writer, NBD_OPT_INFO, NBD_REP_INFO, 12);
	writer_u16(&writer, NBD_INFO_EXPORT);
	writer_u64(&writer, DISK);
	writer_u16(&writer, NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH);
	write_reply(&writer, NBD_OPT_INFO, NBD_REP_INFO, 14);
	writer_u16(&writer, NBD_INFO_BLOCK_SIZE);
	writer_u32(&writer, 1);
	writer_u32(&writer, 4096);
	writer_u32(&writer, DISK);
	write_reply(&writer, NBD_OPT_INFO, NBD_REP_ACK, 0);
	say(world, &writer, bytes);
	assert_int_equal(let_client_work(world->h), 0);
	assert_int_equal(error, 0);
}

/* Row 86: whoever sits on the line could have said it. */
static void
what_was_learnt_in_clear_is_forgotten(void **state)
{
	struct world *world = *state;
	struct nbd_handle *h = world->h;
	int error;

	assert_int_equal(nbd_set_request_extended_headers(h, false), 0);
	greet(world);
	learn_in_clear(world);
	assert_int_equal(nbd_get_size(h), DISK);
	assert_int_equal(nbd_can_flush(h), 1);
	assert_int_equal(nbd_get_block_size(h, LIBNBD_SIZE_PREFERRED), 4096);
	assert_int_equal(
		nbd_can_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION), 1);

	assert_int_equal(nbd_aio_opt_starttls(h, completion(&error)), 0);
	assert_int_equal(answer(world, NBD_OPT_STARTTLS, NBD_REP_ACK), 0);
	shake_hands(world);
	assert_int_equal(error, 0);
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
	assert_int_equal(nbd_get_tls_negotiated(h), 1);
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 0);
	assert_fails_with(nbd_get_size(h), EINVAL, "has not returned");
	assert_fails_with(nbd_can_flush(h), EINVAL, "has not returned");
	assert_fails_with(nbd_get_block_size(h, LIBNBD_SIZE_PREFERRED), EINVAL,
			  "has not returned");
	assert_fails_with(
		nbd_can_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION), EINVAL,
		"");
	/* The program that began TLS itself asks for the rest itself. */
	assert_silence(world);
}

/* Row 85: a loop that waits for the direction sleeps. */
static void
a_handshake_that_waits_does_not_turn(void **state)
{
	static char bulk[65536];
	struct world *world = *state;
	uint8_t bytes[NBD_OPTION_REPLY_SIZE];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	int raw;

	assert_int_equal(nbd_set_tls(world->h, LIBNBD_TLS_REQUIRE), 0);
	greet(world);
	hear_option(world, NBD_OPT_STARTTLS);
	/* Somebody fills the socket, so that the handshake cannot begin. */
	raw = nbd_aio_get_fd(world->h);
	while (send(raw, bulk, sizeof(bulk), MSG_DONTWAIT) > 0)
		;
	write_reply(&writer, NBD_OPT_STARTTLS, NBD_REP_ACK, 0);
	say(world, &writer, bytes);
	assert_int_equal(let_client_work(world->h), 0);
	assert_true(nbd_aio_get_direction(world->h) &
		    LIBNBD_AIO_DIRECTION_WRITE);
	assert_int_equal(nbd_poll(world->h, 0), 0);
	while (recv(world->fd, bulk, sizeof(bulk), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(let_client_work(world->h), 0);
	/* Now it has begun and the server is silent. */
	assert_int_equal(nbd_aio_get_direction(world->h),
			 LIBNBD_AIO_DIRECTION_READ);
	assert_int_equal(nbd_poll(world->h, 0), 0);
	shake_hands(world);
	hear_option(world, NBD_OPT_EXTENDED_HEADERS);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_world, unmake_world)
	const struct CMUnitTest tests[] = {
		TEST(inside_of_tls_everything_is_asked_for),
		TEST(tls_is_not_begun_inside_of_tls),
		TEST(tls_that_is_there_stays_when_more_is_refused),
		TEST(what_was_learnt_in_clear_is_forgotten),
		TEST(a_handshake_that_waits_does_not_turn),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
