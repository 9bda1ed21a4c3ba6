/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The frame of the public functions: states, NULLs, errors, traces. */
#include <errno.h>
#include <libnbd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/server.h"
#include "tests/unit/api/support.h"

static struct server server;

static int
start_server(void **state)
{
	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	return 0;
}

static int
stop_server(void **state)
{
	(void)state;
	server_stop(&server);
	return 0;
}

static void
before_the_first_error_there_is_none(void **state)
{
	(void)state;
	assert_null(nbd_get_error());
	assert_int_equal(nbd_get_errno(), 0);
}

static void
closing_nothing_is_fine(void **state)
{
	(void)state;
	nbd_close(NULL);
}

static void
a_call_too_early_fails_with_enotconn(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	char buf[512];

	(void)state;
	assert_fails_with(nbd_pread(h, buf, 512, 0, 0), ENOTCONN,
			  "nbd_pread: invalid state: START: the handle must "
			  "be connected with the server: ");
	assert_fails_with(nbd_get_size(h), ENOTCONN,
			  "the handle must be negotiating, or connected with "
			  "the server, or shut down: ");
	assert_fails_with(nbd_shutdown(h, 0), ENOTCONN, "nbd_shutdown: ");
	assert_fails_with(nbd_opt_go(h), ENOTCONN, "negotiating");
	assert_fails_with(nbd_aio_in_flight(h), ENOTCONN, "shut down, or dead");
}

static void
a_call_too_late_fails_with_einval(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_fails_with(nbd_set_opt_mode(h, true), EINVAL,
			  "invalid state: READY: the handle must be newly "
			  "created: ");
	assert_fails_with(nbd_connect_unix(h, "/x"), EINVAL, "READY");
	assert_fails_with(nbd_set_export_name(h, "x"), EINVAL,
			  "newly created, or negotiating");
	assert_int_equal(nbd_shutdown(h, 0), 0);
	assert_fails_with(nbd_shutdown(h, 0), EINVAL, "CLOSED");
}

static void
a_dead_handle_tells_what_it_died_of(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	char greeting[16] = "NBDMAGIC";
	char buf[512];
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(write(fds[1], greeting, sizeof(greeting)),
			 sizeof(greeting));
	assert_int_equal(nbd_connect_socket(h, fds[0]), -1);
	assert_int_equal(nbd_aio_is_dead(h), 1);
	/* Of that alone, however often it is asked. */
	for (int i = 0; i < 2; i++)
		assert_fails_with(
			nbd_pread(h, buf, sizeof(buf), 0, 0), EINVAL,
			"nbd_pread: invalid state: DEAD: the handle must be "
			"connected with the server, and it died of "
			"\"nbd_connect_socket: handshake: ");
	assert_null(strstr(nbd_get_error(), "died of \"nbd_pread"));
	close(fds[1]);
}

static void
null_arguments_are_efault(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	nbd_debug_callback none = { .callback = NULL };

	(void)state;
	assert_fails_with(nbd_set_export_name(h, NULL), EFAULT,
			  "export_name cannot be NULL");
	assert_fails_with(nbd_add_meta_context(h, NULL), EFAULT,
			  "name cannot be NULL");
	assert_fails_with(nbd_connect_tcp(h, NULL, "1"), EFAULT,
			  "hostname cannot be NULL");
	assert_fails_with(nbd_connect_tcp(h, "h", NULL), EFAULT,
			  "port cannot be NULL");
	assert_fails_with(nbd_connect_unix(h, NULL), EFAULT,
			  "unixsocket cannot be NULL");
	assert_fails_with(nbd_connect_uri(h, NULL), EFAULT,
			  "uri cannot be NULL");
	assert_fails_with(nbd_is_uri(h, NULL), EFAULT, "uri cannot be NULL");
	assert_fails_with(nbd_connect_command(h, NULL), EFAULT,
			  "argv cannot be NULL");
	assert_fails_with(nbd_aio_connect(h, NULL, 0), EFAULT,
			  "addr cannot be NULL");
	assert_fails_with(nbd_set_debug_callback(h, none), EFAULT,
			  "debug cannot be NULL");
	/* The state is checked first. */
	assert_fails_with(nbd_pread(h, NULL, 1, 0, 0), ENOTCONN, "state");
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_fails_with(nbd_pread(h, NULL, 1, 0, 0), EFAULT,
			  "buf cannot be NULL");
	assert_fails_with(nbd_pwrite(h, NULL, 1, 0, 0), EFAULT,
			  "buf cannot be NULL");
	assert_fails_with(nbd_can_meta_context(h, NULL), EFAULT,
			  "metacontext cannot be NULL");
}

static void
an_empty_command_is_refused(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	char *argv[] = { NULL };

	(void)state;
	assert_fails_with(nbd_connect_command(h, argv), EINVAL,
			  "missing command name in argv list");
	assert_int_equal(nbd_aio_is_created(h), 1);
}

static void
success_does_not_clear_the_error(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_fails_with(nbd_set_tls(h, 9), EINVAL, "nbd_set_tls: ");
	assert_int_equal(nbd_set_full_info(h, true), 0);
	assert_non_null(strstr(nbd_get_error(), "nbd_set_tls: "));
	assert_int_equal(nbd_get_errno(), EINVAL);
}

/* Memory that is no handle, or one no longer: no errno could mend that. */
static void
what_is_no_handle_ends_the_program(void **state)
{
	static long garbage[512];
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		/* The complaint is for developers, not for this log. */
		close(STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		(void)nbd_get_debug((struct nbd_handle *)garbage);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

struct trace_log {
	char text[4096];
};

static int
append_trace(void *data, const char *context, const char *message)
{
	struct trace_log *log = data;
	size_t length = strlen(log->text);

	snprintf(log->text + length, sizeof(log->text) - length, "%s: %s\n",
		 context, message);
	return 0;
}

static void
assert_traced(const struct trace_log *log, const char *line)
{
	if (!strstr(log->text, line))
		fail_msg("no \"%s\" in:\n%s", line, log->text);
}

static void
calls_are_traced(void **state)
{
	struct trace_log log = { "" };
	nbd_debug_callback debug = { append_trace, &log, NULL };
	struct nbd_handle *h = nbd_create();
	char *argv[] = { NULL };

	(void)state;
	assert_int_equal(nbd_set_debug_callback(h, debug), 0);
	assert_int_equal(nbd_set_debug(h, true), 0);
	assert_int_equal(nbd_set_export_name(h, "a\"b\n\xff"), 0);
	assert_int_equal(nbd_set_full_info(h, true), 0);
	assert_int_equal(nbd_set_strict_mode(h, 0x80), -1);
	assert_int_equal(nbd_connect_command(h, argv), -1);
	free(nbd_get_export_name(h));
	nbd_close(h);

	assert_traced(&log, "nbd_set_export_name: enter: "
			    "export_name=\"a\\\"b\\x0a\\xff\"\n");
	assert_traced(&log, "nbd_set_export_name: leave: ret=0\n");
	assert_traced(&log, "nbd_set_full_info: enter: request=true\n");
	assert_traced(&log, "nbd_set_strict_mode: enter: flags=0x80\n");
	assert_traced(&log, "nbd_set_strict_mode: leave: error=\"nbd_set_"
			    "strict_mode: flags: invalid value for flag: "
			    "0x80: Invalid argument\"\n");
	assert_traced(&log, "nbd_connect_command: enter: argv=[]\n");
	assert_traced(&log, "nbd_get_export_name: leave: "
			    "ret=\"a\\\"b\\x0a\\xff\"\n");
	assert_traced(&log, "nbd_close: closing handle\n");
}

static void
write_buffers_are_dumped_and_cut(void **state)
{
	struct trace_log log = { "" };
	nbd_debug_callback debug = { append_trace, &log, NULL };
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	char buf[600];

	(void)state;
	memset(buf, 'A', sizeof(buf));
	assert_int_equal(nbd_set_debug_callback(h, debug), 0);
	assert_int_equal(nbd_set_debug(h, true), 0);
	assert_int_equal(nbd_pwrite(h, buf, sizeof(buf), 0, 0), -1);
	assert_traced(&log, "0000: 41 41 41 41 ");
	assert_traced(&log, "01f0: ");
	assert_traced(&log, "[... 88 more bytes truncated ...]");
	assert_null(strstr(log.text, "0200: "));
}

static int
never_called(void *data, int *error)
{
	(void)data;
	(void)error;
	return 0;
}

static void
callbacks_and_buffers_are_traced_as_what_they_are(void **state)
{
	struct trace_log log = { "" };
	nbd_debug_callback debug = { append_trace, &log, NULL };
	nbd_completion_callback given = { .callback = never_called };
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	char buf[4];

	(void)state;
	assert_int_equal(nbd_set_debug_callback(h, debug), 0);
	assert_int_equal(nbd_set_debug(h, true), 0);
	assert_int_equal(nbd_aio_flush(h, given, 0), -1);
	assert_int_equal(nbd_aio_flush(h, NBD_NULL_COMPLETION, 1), -1);
	assert_int_equal(nbd_aio_pread(h, buf, sizeof(buf), 7, given, 0), -1);
	assert_traced(&log, "enter: completion=<fun> flags=0x0\n");
	assert_traced(&log, "enter: completion=NULL flags=0x1\n");
	assert_traced(&log, "enter: buf=<buf> count=4 offset=7 "
			    "completion=<fun> flags=0x0\n");
}

/* What is written to standard error while BODY runs, as TEXT. */
static void
capture(void (*body)(void), char *text, size_t size)
{
	int pipe_fds[2];
	int saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe(pipe_fds), 0);
	dup2(pipe_fds[1], STDERR_FILENO);
	body();
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(pipe_fds[1]);
	n = read(pipe_fds[0], text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(pipe_fds[0]);
}

static void
debug_a_named_handle(void)
{
	struct nbd_handle *h;
	struct trace_log log = { "" };
	nbd_debug_callback debug = { append_trace, &log, NULL };

	setenv("LIBNBD_DEBUG", "1", 1);
	h = nbd_create();
	unsetenv("LIBNBD_DEBUG");
	assert_int_equal(nbd_get_debug(h), 1);
	assert_int_equal(nbd_set_handle_name(h, "my disk"), 0);
	assert_int_equal(nbd_get_opt_mode(h), 0);
	/* With a callback nothing is written, without it again. */
	assert_int_equal(nbd_set_debug_callback(h, debug), 0);
	assert_int_equal(nbd_get_full_info(h), 0);
	assert_int_equal(nbd_clear_debug_callback(h), 0);
	assert_int_equal(nbd_set_debug(h, false), 0);
	assert_int_equal(nbd_get_debug(h), 0);
	nbd_close(h);
	assert_traced(&log, "nbd_get_full_info: leave: ret=0");
}

static void
debug_lines_name_the_handle(void **state)
{
	char text[4096];

	(void)state;
	capture(debug_a_named_handle, text, sizeof(text));
	assert_non_null(strstr(text, "nbd_create: allocated the handle ("));
	assert_non_null(strstr(text, "libnbd: debug: my disk: "
				     "nbd_get_opt_mode: enter:\n"));
	assert_null(strstr(text, "nbd_get_full_info"));
	assert_non_null(strstr(text, "nbd_set_debug: enter: debug=false\n"));
	assert_null(strstr(text, "closing handle"));
}

/* What a completion callback saw of the lock-free readers. */
struct inner {
	struct nbd_handle *same;
	struct nbd_handle *other;
	int was_ready;
	int64_t other_size;
};

static int
look_around(void *data, int *error)
{
	struct inner *inner = data;

	(void)error;
	inner->was_ready = nbd_aio_is_ready(inner->same) ||
			   nbd_aio_is_processing(inner->same);
	inner->other_size = nbd_get_size(inner->other);
	return 1;
}

static void
callbacks_may_use_other_handles(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *other = nbd_create();
	struct inner inner = { h, other, 0, 0 };
	nbd_completion_callback completion = { look_around, &inner, NULL };
	char buf[512];

	(void)state;
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_int_equal(nbd_connect_uri(other, server.uri), 0);
	assert_true(nbd_aio_pread(h, buf, 512, 0, completion, 0) > 0);
	while (nbd_aio_in_flight(h) > 0)
		assert_int_not_equal(nbd_poll(h, -1), -1);
	assert_int_equal(inner.was_ready, 1);
	assert_int_equal(inner.other_size, 1 << 20);

	/* The context of an outer call survives an inner one. */
	assert_fails_with(nbd_pread(h, buf, 0, 0, 0), EINVAL, "nbd_pread: ");
}

static void
states_are_seen_without_the_lock(void **state)
{
	struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_aio_is_created(h), 1);
	assert_int_equal(nbd_aio_get_direction(h), 0);
	assert_string_equal(nbd_get_protocol(h) ? "" : "none", "none");
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_int_equal(nbd_aio_is_created(h), 0);
	assert_int_equal(nbd_aio_is_connecting(h), 0);
	assert_int_equal(nbd_aio_is_ready(h), 1);
	assert_int_equal(nbd_aio_get_direction(h), LIBNBD_AIO_DIRECTION_READ);
	assert_memory_equal(nbd_connection_state(h), "READY", 5);
	assert_int_equal(nbd_shutdown(h, 0), 0);
	assert_int_equal(nbd_aio_is_closed(h), 1);
	assert_memory_equal(nbd_connection_state(h), "CLOSED", 6);
	assert_int_equal(nbd_get_size(h), 1 << 20);
	nbd_close(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_the_first_error_there_is_none),
		cmocka_unit_test(closing_nothing_is_fine),
		cmocka_unit_test(a_call_too_early_fails_with_enotconn),
		cmocka_unit_test(a_call_too_late_fails_with_einval),
		cmocka_unit_test(a_dead_handle_tells_what_it_died_of),
		cmocka_unit_test(null_arguments_are_efault),
		cmocka_unit_test(an_empty_command_is_refused),
		cmocka_unit_test(success_does_not_clear_the_error),
		cmocka_unit_test(what_is_no_handle_ends_the_program),
		cmocka_unit_test(calls_are_traced),
		cmocka_unit_test(write_buffers_are_dumped_and_cut),
		cmocka_unit_test(
			callbacks_and_buffers_are_traced_as_what_they_are),
		cmocka_unit_test(debug_lines_name_the_handle),
		cmocka_unit_test(callbacks_may_use_other_handles),
		cmocka_unit_test(states_are_seen_without_the_lock),
	};

	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
