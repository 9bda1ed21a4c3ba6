/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every synchronous call, with a server that never answers: each ends when its
 * time is over and when somebody cancels it, and leaves a connection that is
 * dead and owes nobody anything.
 */
#include <errno.h>
#include <libnbd-ext.h>
#include <libnbd.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/support/workdir.h"
#include "tests/unit/api/support.h"
#include "tests/unit/stream/tls_server.h"

enum stage {
	UNCONNECTED, /* the server has said nothing at all */
	NEGOTIATING, /* with structured replies */
	UPGRADING,   /* the same, and it has agreed to one more option: TLS */
	CONNECTED,
};

/* What the server says ahead of being asked. */
static const char oldstyle[152] = "NBDMAGIC\x00\x00\x42\x02\x81\x86\x12\x53"
				  "\x00\x00\x00\x00\x00\x10\x00\x00"
				  "\x00\x00\x00\x05";
static const char newstyle[18] = "NBDMAGICIHAVEOPT\x00\x03";
static const char structured_ack[20] = "\x00\x03\xe8\x89\x04\x55\x65\xa9"
				       "\x00\x00\x00\x08\x00\x00\x00\x01";
static const char starttls_ack[20] = "\x00\x03\xe8\x89\x04\x55\x65\xa9"
				     "\x00\x00\x00\x05\x00\x00\x00\x01";

static char *dir;
static char *keys;
static int client = -1; /* the socket of a handle that is not connected yet */
static int server = -1;
static char buffer[512];
static char *nothing[] = { NULL };

static int
on_anything(void)
{
	fail_msg("a callback ran though the server said nothing");
	return -1;
}

static int
on_chunk(void *data, const void *bytes, size_t count, uint64_t offset,
	 unsigned status, int *error)
{
	(void)data;
	(void)bytes;
	(void)count;
	(void)offset;
	(void)status;
	(void)error;
	return on_anything();
}

static int
on_extents(void *data, const char *context, uint64_t offset, uint32_t *extents,
	   size_t n, int *error)
{
	(void)data;
	(void)context;
	(void)offset;
	(void)extents;
	(void)n;
	(void)error;
	return on_anything();
}

static int
on_extents_64(void *data, const char *context, uint64_t offset,
	      nbd_extent *extents, size_t n, int *error)
{
	(void)data;
	(void)context;
	(void)offset;
	(void)extents;
	(void)n;
	(void)error;
	return on_anything();
}

static int
on_export(void *data, const char *name, const char *description)
{
	(void)data;
	(void)name;
	(void)description;
	return on_anything();
}

static int
on_context(void *data, const char *name)
{
	(void)data;
	(void)name;
	return on_anything();
}

static const nbd_chunk_callback chunk = { .callback = on_chunk };
static const nbd_extent_callback extent = { .callback = on_extents };
static const nbd_extent64_callback extent64 = { .callback = on_extents_64 };
static const nbd_list_callback list = { .callback = on_export };
static const nbd_context_callback context = { .callback = on_context };

/* clang-format off */
#define CALLS(X) \
	X(UNCONNECTED, connect_socket,                 (h, take_client())) \
	X(NEGOTIATING, opt_go,                         (h)) \
	X(NEGOTIATING, opt_info,                       (h)) \
	X(NEGOTIATING, opt_list,                       (h, list)) \
	X(NEGOTIATING, opt_list_meta_context,          (h, context)) \
	X(NEGOTIATING, opt_list_meta_context_queries,  (h, nothing, context)) \
	X(NEGOTIATING, opt_set_meta_context,           (h, context)) \
	X(NEGOTIATING, opt_set_meta_context_queries,   (h, nothing, context)) \
	X(NEGOTIATING, opt_structured_reply,           (h)) \
	X(NEGOTIATING, opt_extended_headers,           (h)) \
	X(NEGOTIATING, opt_starttls,                   (h)) \
	X(UPGRADING,   opt_starttls,                   (h)) \
	X(CONNECTED,   pread,                          (h, buffer, 512, 0, 0)) \
	X(CONNECTED,   pread_structured,               (h, buffer, 512, 0, chunk, 0)) \
	X(CONNECTED,   pwrite,                         (h, buffer, 512, 0, 0)) \
	X(CONNECTED,   flush,                          (h, 0)) \
	X(CONNECTED,   trim,                           (h, 512, 0, 0)) \
	X(CONNECTED,   cache,                          (h, 512, 0, 0)) \
	X(CONNECTED,   zero,                           (h, 512, 0, 0)) \
	X(CONNECTED,   block_status,                   (h, 512, 0, extent, 0)) \
	X(CONNECTED,   block_status_64,                (h, 512, 0, extent64, 0)) \
	X(CONNECTED,   block_status_filter,            (h, 512, 0, nothing, extent64, 0)) \
	X(CONNECTED,   shutdown,                       (h, 0))
/* clang-format on */

static int
take_client(void)
{
	return TAKE_FD(client);
}

struct row {
	enum stage stage;
	const char *name;
	int (*call)(struct nbd_handle *h);
};

#define DEFINE_CALL(stage, function, arguments)               \
	static int call_##stage##_##function(                 \
		__attribute__((unused)) struct nbd_handle *h) \
	{                                                     \
		return nbd_##function arguments;              \
	}
CALLS(DEFINE_CALL)
#undef DEFINE_CALL

static const struct row rows[] = {
#define CALL_ROW(stage, function, arguments) \
	{ stage, #function, call_##stage##_##function },
	CALLS(CALL_ROW)
#undef CALL_ROW
};

enum {
	N_ROWS = sizeof(rows) / sizeof(rows[0]),
};

static void
say(const char *bytes, size_t size)
{
	assert_int_equal(write(server, bytes, size), size);
}

static struct nbd_handle *
make_handle(enum stage stage)
{
	struct nbd_handle *h = nbd_create();
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	client = pair[0];
	server = pair[1];
	assert_int_equal(nbd_set_opt_mode(h, true), 0);
	assert_int_equal(nbd_set_request_extended_headers(h, false), 0);
	assert_int_equal(nbd_set_tls_psk_file(h, keys), 0);
	assert_int_equal(nbd_set_tls_username(h, "alice"), 0);
	/* What is not offered can be asked for all the same. */
	assert_int_equal(nbd_set_strict_mode(h, 0), 0);
	if (stage == UNCONNECTED)
		return h;
	if (stage == CONNECTED) {
		say(oldstyle, sizeof(oldstyle));
	} else {
		say(newstyle, sizeof(newstyle));
		say(structured_ack, sizeof(structured_ack));
	}
	if (nbd_connect_socket(h, take_client()) != 0)
		fail_msg("%s", nbd_get_error());
	if (stage == UPGRADING)
		say(starttls_ack, sizeof(starttls_ack));
	return h;
}

static void
assert_given_up(struct nbd_handle *h, const struct row *row, int errnum)
{
	if (row->call(h) != -1 || nbd_get_errno() != errnum)
		fail_msg("%s: expected errno %d: %s", row->name, errnum,
			 nbd_get_error());
	assert_int_equal(nbd_aio_is_dead(h), 1);
	assert_int_equal(nbd_aio_in_flight(h), 0);
	assert_int_equal(nbd_aio_get_direction(h), 0);
	/* Nothing is left to be waited for. */
	assert_fails_with(nbd_aio_peek_command_completed(h), EINVAL, "");
	assert_int_equal(nbd_poll(h, -1), -1);
	nbd_close(h);
	if (client >= 0)
		close(TAKE_FD(client));
	close(TAKE_FD(server));
}

static void
every_call_ends_when_its_time_is_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) {
		struct nbd_handle *h = make_handle(rows[i].stage);

		assert_int_equal(nbd_ext_set_call_timeout(h, 1), 0);
		assert_int_equal(nbd_ext_set_connect_timeout(h, 1), 0);
		assert_given_up(h, &rows[i], ETIMEDOUT);
	}
}

static void
every_call_can_be_cancelled(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ROWS; i++) {
		struct nbd_handle *h = make_handle(rows[i].stage);

		assert_int_equal(nbd_ext_set_cancellable(h, true), 0);
		/* Before the call, so that no thread is needed. */
		assert_int_equal(nbd_ext_cancel(h), 0);
		assert_given_up(h, &rows[i], ECANCELED);
	}
}

/* A server that agrees to TLS and then is silent counts as connecting. */
static void
the_handshake_of_tls_belongs_to_connecting(void **state)
{
	struct nbd_handle *h = make_handle(UNCONNECTED);

	(void)state;
	say(newstyle, sizeof(newstyle));
	say(starttls_ack, sizeof(starttls_ack));
	assert_int_equal(nbd_set_tls(h, LIBNBD_TLS_REQUIRE), 0);
	/* Enough to get there. */
	assert_int_equal(nbd_ext_set_connect_timeout(h, 200), 0);
	assert_fails_with(nbd_connect_socket(h, take_client()), ETIMEDOUT, "");
	assert_int_equal(nbd_aio_is_dead(h), 1);
	nbd_close(h);
	close(TAKE_FD(server));
}

static int
make_keys(void **state)
{
	(void)state;
	dir = workdir_make();
	keys = tls_server_key_file(dir);
	return 0;
}

static int
remove_keys(void **state)
{
	(void)state;
	free(keys);
	workdir_remove(dir);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_ends_when_its_time_is_over),
		cmocka_unit_test(every_call_can_be_cancelled),
		cmocka_unit_test(the_handshake_of_tls_belongs_to_connecting),
	};

	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, make_keys, remove_keys);
}
