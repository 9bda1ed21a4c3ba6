/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lifetime of callbacks: whatever becomes of a call, free runs exactly
 * once, when the callback can no longer run.
 */
#include <errno.h>
#include <libnbd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/server.h"
#include "tests/unit/api/support.h"

static struct server server;

static int
start_server(void **state)
{
	(void)state;
	server_start_line(&server, SERVER_UNIX,
			  "nbdkit memory 1M --filter=exportname "
			  "exportname-strict=true exportname=");
	return 0;
}

static int
stop_server(void **state)
{
	(void)state;
	server_stop(&server);
	return 0;
}

/* One call's closures. EVENTS gets a letter for each thing that happens:
 * m (chunk, extent, list, context), c (completion), M and C their frees. */
struct closures {
	char events[32];
	int completion_result;
	int completion_error; /* what the completion saw */
};

static void
note(struct closures *closures, char event)
{
	size_t length = strlen(closures->events);

	assert_true(length + 1 < sizeof(closures->events));
	closures->events[length] = event;
	closures->events[length + 1] = '\0';
}

static void
free_main(void *data)
{
	note(data, 'M');
}

static void
free_completion(void *data)
{
	note(data, 'C');
}

static int
on_completion(void *data, int *error)
{
	struct closures *closures = data;

	closures->completion_error = *error;
	note(closures, 'c');
	return closures->completion_result;
}

static int
on_chunk(void *data, const void *subbuf, size_t count, uint64_t offset,
	 unsigned status, int *error)
{
	(void)subbuf;
	(void)count;
	(void)offset;
	(void)status;
	(void)error;
	note(data, 'm');
	return 0;
}

static int
on_extent(void *data, const char *metacontext, uint64_t offset,
	  uint32_t *entries, size_t nr_entries, int *error)
{
	(void)metacontext;
	(void)offset;
	(void)entries;
	(void)nr_entries;
	(void)error;
	note(data, 'm');
	return 0;
}

static int
on_extent64(void *data, const char *metacontext, uint64_t offset,
	    nbd_extent *entries, size_t nr_entries, int *error)
{
	(void)metacontext;
	(void)offset;
	(void)entries;
	(void)nr_entries;
	(void)error;
	note(data, 'm');
	return 0;
}

static int
on_list(void *data, const char *name, const char *description)
{
	(void)name;
	(void)description;
	note(data, 'm');
	return 0;
}

static int
on_context(void *data, const char *name)
{
	(void)name;
	note(data, 'm');
	return 0;
}

#define COMPLETION \
	((nbd_completion_callback){ on_completion, one, free_completion })
#define CHUNK    ((nbd_chunk_callback){ on_chunk, one, free_main })
#define EXTENT   ((nbd_extent_callback){ on_extent, one, free_main })
#define EXTENT64 ((nbd_extent64_callback){ on_extent64, one, free_main })
#define LIST     ((nbd_list_callback){ on_list, one, free_main })
#define CONTEXT  ((nbd_context_callback){ on_context, one, free_main })

static char buffer[512];
static char *no_strings[] = { NULL };

/* X(function, arguments between the handle and the closures' end, frees):
 * every function that takes a closure, but the debug callback. */
/* clang-format off */
#define CALLS(X) \
	X(pread_structured,                  (h, buffer, 512, 0, CHUNK, 0),                "M") \
	X(block_status,                      (h, 512, 0, EXTENT, 0),                       "M") \
	X(block_status_64,                   (h, 512, 0, EXTENT64, 0),                     "M") \
	X(block_status_filter,               (h, 512, 0, no_strings, EXTENT64, 0),         "M") \
	X(aio_pread,                         (h, buffer, 512, 0, COMPLETION, 0),           "C") \
	X(aio_pread_structured,              (h, buffer, 512, 0, CHUNK, COMPLETION, 0),    "CM") \
	X(aio_pwrite,                        (h, buffer, 512, 0, COMPLETION, 0),           "C") \
	X(aio_flush,                         (h, COMPLETION, 0),                           "C") \
	X(aio_trim,                          (h, 512, 0, COMPLETION, 0),                   "C") \
	X(aio_cache,                         (h, 512, 0, COMPLETION, 0),                   "C") \
	X(aio_zero,                          (h, 512, 0, COMPLETION, 0),                   "C") \
	X(aio_block_status,                  (h, 512, 0, EXTENT, COMPLETION, 0),           "CM") \
	X(aio_block_status_64,               (h, 512, 0, EXTENT64, COMPLETION, 0),         "CM") \
	X(aio_block_status_filter,           (h, 512, 0, no_strings, EXTENT64, COMPLETION, 0), "CM") \
	X(opt_list,                          (h, LIST),                                    "M") \
	X(opt_list_meta_context,             (h, CONTEXT),                                 "M") \
	X(opt_list_meta_context_queries,     (h, no_strings, CONTEXT),                     "M") \
	X(opt_set_meta_context,              (h, CONTEXT),                                 "M") \
	X(opt_set_meta_context_queries,      (h, no_strings, CONTEXT),                     "M") \
	X(aio_opt_go,                        (h, COMPLETION),                              "C") \
	X(aio_opt_info,                      (h, COMPLETION),                              "C") \
	X(aio_opt_starttls,                  (h, COMPLETION),                              "C") \
	X(aio_opt_extended_headers,          (h, COMPLETION),                              "C") \
	X(aio_opt_structured_reply,          (h, COMPLETION),                              "C") \
	X(aio_opt_list,                      (h, LIST, COMPLETION),                        "CM") \
	X(aio_opt_list_meta_context,         (h, CONTEXT, COMPLETION),                     "CM") \
	X(aio_opt_list_meta_context_queries, (h, no_strings, CONTEXT, COMPLETION),         "CM") \
	X(aio_opt_set_meta_context,          (h, CONTEXT, COMPLETION),                     "CM") \
	X(aio_opt_set_meta_context_queries,  (h, no_strings, CONTEXT, COMPLETION),         "CM")
/* clang-format on */

struct row {
	const char *name;
	int64_t (*call)(struct nbd_handle *h, struct closures *one);
	const char *frees;
};

#define DEFINE_CALL(function, arguments, frees)              \
	static int64_t call_##function(struct nbd_handle *h, \
				       struct closures *one) \
	{                                                    \
		return nbd_##function arguments;             \
	}
CALLS(DEFINE_CALL)
#undef DEFINE_CALL

static const struct row rows[] = {
#define CALL_ROW(function, arguments, frees) \
	{ #function, call_##function, frees },
	CALLS(CALL_ROW)
#undef CALL_ROW
};

/* Every call fails on H: nothing runs, all is freed once. */
static void
expect_only_frees(struct nbd_handle *h, int errnum)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct closures one = { "" };

		if (rows[i].call(h, &one) != -1)
			fail_msg("%s did not fail", rows[i].name);
		assert_int_equal(nbd_get_errno(), errnum);
		if (strcmp(one.events, rows[i].frees) != 0)
			fail_msg("%s: events '%s', expected '%s'", rows[i].name,
				 one.events, rows[i].frees);
	}
}

static void
too_early_everything_is_freed_once(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	expect_only_frees(h, ENOTCONN);
}

static void
too_late_everything_is_freed_once(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_int_equal(nbd_shutdown(h, 0), 0);
	expect_only_frees(h, EINVAL);
}

static void
bad_arguments_free_once(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	struct closures all[6] = { { "" } };
	struct closures *one = all;

	(void)state;
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_fails_with(nbd_aio_pread(h, NULL, 512, 0, COMPLETION, 0), EFAULT,
			  "buf");
	assert_string_equal(one->events, "C");
	one++;
	assert_fails_with(nbd_aio_pread(h, buffer, 512, 0, COMPLETION, 1),
			  EINVAL, "flag");
	assert_string_equal(one->events, "C");
	one++;
	assert_fails_with(nbd_aio_pread(h, buffer, 512, 1 << 20, COMPLETION, 0),
			  EINVAL, "");
	assert_string_equal(one->events, "C");
	one++;
	/* A missing chunk callback, with a completion. */
	assert_fails_with(nbd_aio_pread_structured(
				  h, buffer, 512, 0,
				  (nbd_chunk_callback){ .callback = NULL },
				  COMPLETION, 0),
			  EFAULT, "chunk cannot be NULL");
	assert_string_equal(one->events, "C");
	one++;
	/* No meta context was negotiated. */
	assert_fails_with(
		nbd_aio_block_status(h, 512, 0, EXTENT, COMPLETION, 0), ENOTSUP,
		"");
	assert_string_equal(one->events, "CM");
}

static void
wait_for_all(struct nbd_handle *h)
{
	while (nbd_aio_in_flight(h) > 0)
		assert_int_not_equal(nbd_poll(h, -1), -1);
}

static void
frees_come_when_the_command_is_retired(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	struct closures closures = { "" };
	struct closures *one = &closures;
	int64_t cookie;

	(void)state;
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	cookie = nbd_aio_pread_structured(h, buffer, 512, 0, CHUNK, COMPLETION,
					  0);
	assert_true(cookie >= 1);
	wait_for_all(h);
	assert_string_equal(closures.events, "mc");
	assert_int_equal(nbd_aio_peek_command_completed(h), cookie);
	assert_int_equal(nbd_aio_command_completed(h, cookie), 1);
	assert_string_equal(closures.events, "mcMC");
	assert_int_equal(nbd_aio_command_completed(h, cookie), 0);
	assert_fails_with(nbd_aio_peek_command_completed(h), EINVAL, "");
}

static void
returning_1_retires_at_once(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	struct closures closures = { .completion_result = 1 };
	struct closures *one = &closures;
	int64_t cookie;

	(void)state;
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	cookie = nbd_aio_pread_structured(h, buffer, 512, 0, CHUNK, COMPLETION,
					  0);
	assert_true(cookie >= 1);
	wait_for_all(h);
	assert_string_equal(closures.events, "mcMC");
	assert_int_equal(nbd_aio_command_completed(h, cookie), 0);
}

static void
a_synchronous_command_frees_before_it_returns(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	struct closures closures = { "" };
	struct closures *one = &closures;

	(void)state;
	assert_int_equal(nbd_add_meta_context(h, "base:allocation"), 0);
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_int_equal(nbd_block_status(h, 512, 0, EXTENT, 0), 0);
	assert_string_equal(closures.events, "mM");
}

static void
an_option_frees_as_soon_as_it_is_over(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	struct closures all[3] = { { "" } };
	struct closures *one = all;

	(void)state;
	assert_int_equal(nbd_set_opt_mode(h, true), 0);
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_int_equal(nbd_opt_list(h, LIST), 1);
	assert_string_equal(one->events, "mM");

	one++;
	assert_int_equal(nbd_aio_opt_list_meta_context(h, CONTEXT, COMPLETION),
			 0);
	while (nbd_aio_is_connecting(h))
		assert_int_not_equal(nbd_poll(h, -1), -1);
	assert_string_equal(one->events, "mcMC");
	assert_int_equal(one->completion_error, 0);

	one++;
	assert_int_equal(nbd_set_export_name(h, "no-such-export"), 0);
	assert_int_equal(nbd_aio_opt_go(h, COMPLETION), 0);
	while (nbd_aio_is_connecting(h))
		assert_int_not_equal(nbd_poll(h, -1), -1);
	assert_string_equal(one->events, "cC");
	assert_int_not_equal(one->completion_error, 0);
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
}

/* A handle on a socket pair whose other end says nothing after the oldstyle
 * greeting: commands stay in flight. */
static struct nbd_handle *
new_silent(int *peer)
{
	static const char greeting[152] = "NBDMAGIC\x00\x00\x42\x02\x81\x86"
					  "\x12\x53\x00\x00\x00\x00\x00\x10"
					  "\x00\x00\x00\x00\x00\x01";
	struct nbd_handle *h = nbd_create();
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(write(fds[1], greeting, sizeof(greeting)),
			 sizeof(greeting));
	if (nbd_connect_socket(h, fds[0]) != 0)
		fail_msg("%s", nbd_get_error());
	*peer = fds[1];
	return h;
}

static void
closing_completes_what_is_in_flight(void **state)
{
	struct closures closures = { "" };
	struct closures *one = &closures;
	struct nbd_handle *h;
	int peer;

	(void)state;
	h = new_silent(&peer);
	assert_true(nbd_aio_pread(h, buffer, 512, 0, COMPLETION, 0) > 0);
	assert_int_equal(nbd_aio_in_flight(h), 1);
	assert_string_equal(closures.events, "");
	nbd_close(h);
	assert_string_equal(closures.events, "cC");
	assert_int_equal(closures.completion_error, ENOTCONN);
	close(peer);
}

static void
a_lost_connection_completes_what_is_in_flight(void **state)
{
	struct closures closures = { "" };
	struct closures *one = &closures;
	struct nbd_handle *h;
	int64_t cookie;
	int peer;

	(void)state;
	h = new_silent(&peer);
	cookie = nbd_aio_pread(h, buffer, 512, 0, COMPLETION, 0);
	assert_true(cookie > 0);
	close(peer);
	while (nbd_aio_in_flight(h) > 0)
		(void)nbd_poll(h, -1);
	assert_string_equal(closures.events, "c");
	assert_int_equal(closures.completion_error, ENOTCONN);
	assert_fails_with(nbd_aio_command_completed(h, cookie), ENOTCONN,
			  "read: command failed");
	assert_string_equal(closures.events, "cC");
	nbd_close(h);
	assert_string_equal(closures.events, "cC");
}

static void
a_debug_callback_is_freed_when_replaced_cleared_or_closed(void **state)
{
	struct closures all[3] = { { "" } };
	struct nbd_handle *h = nbd_create();

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(nbd_set_debug_callback(
					 h, (nbd_debug_callback){ NULL, &all[i],
								  free_main }),
				 0);
	assert_string_equal(all[0].events, "M");
	assert_string_equal(all[1].events, "");
	assert_int_equal(nbd_clear_debug_callback(h), 0);
	assert_string_equal(all[1].events, "M");
	assert_int_equal(
		nbd_set_debug_callback(
			h, (nbd_debug_callback){ NULL, &all[2], free_main }),
		0);
	nbd_close(h);
	assert_string_equal(all[2].events, "M");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_early_everything_is_freed_once),
		cmocka_unit_test(too_late_everything_is_freed_once),
		cmocka_unit_test(bad_arguments_free_once),
		cmocka_unit_test(frees_come_when_the_command_is_retired),
		cmocka_unit_test(returning_1_retires_at_once),
		cmocka_unit_test(a_synchronous_command_frees_before_it_returns),
		cmocka_unit_test(an_option_frees_as_soon_as_it_is_over),
		cmocka_unit_test(closing_completes_what_is_in_flight),
		cmocka_unit_test(a_lost_connection_completes_what_is_in_flight),
		cmocka_unit_test(
			a_debug_callback_is_freed_when_replaced_cleared_or_closed),
	};

	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
