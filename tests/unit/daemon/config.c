/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configuration files: what is taken, and what is said about the rest. */
#include <errno.h>
#include <libnbd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "common/cleanup.h"
#include "daemon/config/load.h"
#include "daemon/config/parse.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define NS_PER_S 1000000000ull

/* Reads TEXT as FILE; what is wrong comes back in *MISTAKES. */
static int
read_text(const char *text, bool is_volume, void *settings, char **mistakes)
{
	struct string_builder builder = STRING_BUILDER_INIT;
	FILE *file = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	struct parse_source source = {
		.file = file,
		.name = "test.conf",
		.mistakes = &builder,
	};
	int r;

	assert_non_null(file);
	r = is_volume ? parse_volume(&source, settings)
		      : parse_daemon(&source, settings);
	fclose(file);
	*mistakes = string_builder_take(&builder);
	return r;
}

struct bad_case {
	bool is_volume;
	const char *text;
	/* All of what is said. */
	const char *mistakes;
};

#define VOLUME "[Volume]\nUri=nbd://a\n"

static const struct bad_case bad_cases[] = {
	{ false, "[Daemon]\nIoThreads=0\n",
	  "test.conf:2: IoThreads=0: not a whole number from 1 to 64\n" },
	{ false, "[Daemon]\nIoThreads=2x\n",
	  "test.conf:2: IoThreads=2x: not a whole number from 1 to 64\n" },
	{ false, "[Daemon]\n\n# more\nIoThreads=-1\n",
	  "test.conf:4: IoThreads=-1: not a whole number from 1 to 64\n" },
	{ false, "[Daemon]\nRequestTimeout=5 parsecs\n",
	  "test.conf:2: RequestTimeout=5 parsecs: not a time with us, ms, s, "
	  "min, h or d (such as 5s or 2min), from 10ms to 86400s\n" },
	{ false, "[Daemon]\nRequestTimeout=2d\n",
	  "test.conf:2: RequestTimeout=2d: not a time with us, ms, s, min, h "
	  "or d (such as 5s or 2min), from 10ms to 86400s\n" },
	{ false, "[Daemon]\nMaxMessage=1K\n",
	  "test.conf:2: MaxMessage=1K: not a size in bytes, or with K, M, G or "
	  "T (such as 64M), from 64K to 64M\n" },
	{ false, "[Daemon]\nMaxMessage=99999999999999999999\n",
	  "test.conf:2: MaxMessage=99999999999999999999: not a size in bytes, "
	  "or with K, M, G or T (such as 64M), from 64K to 64M\n" },
	{ false, "[Daemon]\nListen=relative\n",
	  "test.conf:2: Listen=relative: not an absolute path\n" },
	{ false, "[Daemon]\nLogLevel=loud\n",
	  "test.conf:2: LogLevel=loud: not one of error, warning, notice, "
	  "info, debug\n" },
	{ false, "[Daemon]\nAdHocTransports=tcp pigeon\n",
	  "test.conf:2: AdHocTransports=tcp pigeon: not one of tcp, unix, "
	  "vsock\n" },
	{ false, "[Daemon]\nMetricsListen=0.0.0.0:9809\n",
	  "test.conf:2: MetricsListen=0.0.0.0:9809: not an address that only "
	  "this machine can reach, with a port: 127.0.0.1:PORT or "
	  "[::1]:PORT\n" },
	{ false, "[Daemon]\nAdHocUsers=no-such-user\n",
	  "test.conf:2: AdHocUsers=no-such-user: there is no user "
	  "'no-such-user'; names of users, their numbers, and * for all are "
	  "accepted\n" },
	{ false, "IoThreads=2\n",
	  "test.conf:1: 'IoThreads' is in section []; it must be in "
	  "[Daemon]\n" },
	{ false, "[Demon]\nIoThreads=2\n",
	  "test.conf:2: 'IoThreads' is in section [Demon]; it must be in "
	  "[Daemon]\n" },
	{ false, "[Daemon]\nnonsense\n",
	  "test.conf:2: neither [Section] nor Key=value nor a # comment\n" },
	{ true, "[Volume]\nUri=http://a\n",
	  "test.conf:2: Uri=http://a: not an NBD URI: one begins with nbd://, "
	  "nbds://, nbd+unix://, nbds+unix://, nbd+vsock:// or "
	  "nbds+vsock://\n" },
	{ true, VOLUME "Connections=4-1\n",
	  "test.conf:3: Connections=4-1: not MIN-MAX or one number, from 1 to "
	  "64 (such as 1-4)\n" },
	{ true, VOLUME "Connections=0-1\n",
	  "test.conf:3: Connections=0-1: not MIN-MAX or one number, from 1 to "
	  "64 (such as 1-4)\n" },
	{ true, VOLUME "ReadOnly=perhaps\n",
	  "test.conf:3: ReadOnly=perhaps: not one of yes, no, true, false, on, "
	  "off, 1, 0\n" },
	{ true, VOLUME "Tls=sometimes\n",
	  "test.conf:3: Tls=sometimes: not one of uri, off, allow, require\n" },
	{ true, VOLUME "AllowGroups=no-such-group\n",
	  "test.conf:3: AllowGroups=no-such-group: there is no group "
	  "'no-such-group'; names of groups, their numbers, and * for all are "
	  "accepted\n" },
	{ true, "[Volume]\nCommand=nbdkit 'memory\n",
	  "test.conf:2: Command=nbdkit 'memory: a quote is not closed\n" },
	{ true, "[Volume]\n", "test.conf: [Volume] needs Uri= or Command=\n" },
	{ true, VOLUME "Command=nbdkit memory\n",
	  "test.conf: [Volume] has both Uri= and Command=; it needs one\n" },
};

static void
bad_values_are_told_with_line_and_what_is_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_cases) / sizeof(bad_cases[0]); i++) {
		const struct bad_case *bad = &bad_cases[i];
		struct configuration *configuration = configuration_new();
		struct volume_settings *volume = volume_settings_new("v");
		CLEANUP_FREE char *mistakes = NULL;
		void *settings = bad->is_volume
					 ? (void *)volume
					 : (void *)&configuration->daemon;

		assert_int_equal(read_text(bad->text, bad->is_volume, settings,
					   &mistakes),
				 -EINVAL);
		assert_string_equal(mistakes, bad->mistakes);
		volume_settings_unref(volume);
		configuration_unref(configuration);
	}
}

static void
an_unknown_key_is_told_with_the_known_ones(void **state)
{
	struct volume_settings *volume = volume_settings_new("v");
	CLEANUP_FREE char *mistakes = NULL;

	(void)state;
	assert_int_equal(
		read_text(VOLUME "Conections=2\n", true, volume, &mistakes),
		-EINVAL);
	assert_non_null(strstr(mistakes, "test.conf:3: unknown key "
					 "'Conections' in [Volume]; known "
					 "are: Uri Command Connections "));
	volume_settings_unref(volume);
}

static void
every_mistake_is_told_not_only_the_first(void **state)
{
	struct configuration *configuration = configuration_new();
	CLEANUP_FREE char *mistakes = NULL;

	(void)state;
	read_text("[Daemon]\nIoThreads=x\nMaxClients=y\n", false,
		  &configuration->daemon, &mistakes);
	assert_non_null(strstr(mistakes, "test.conf:2: IoThreads=x: "));
	assert_non_null(strstr(mistakes, "test.conf:3: MaxClients=y: "));
	configuration_unref(configuration);
}

static void
a_line_that_is_too_long_is_told(void **state)
{
	struct configuration *configuration = configuration_new();
	struct string_builder text = STRING_BUILDER_INIT;
	CLEANUP_FREE char *mistakes = NULL, *long_text = NULL;

	(void)state;
	string_builder_append(&text, "[Daemon]\nListen=/");
	for (int i = 0; i < 10000; i++)
		string_builder_append(&text, "x");
	string_builder_append(&text, "\nIoThreads=3\n");
	long_text = string_builder_take(&text);
	assert_int_equal(
		read_text(long_text, false, &configuration->daemon, &mistakes),
		-EINVAL);
	assert_non_null(strstr(mistakes, "test.conf:2: the line is longer"));
	/* And is not taken for several. */
	assert_null(strstr(mistakes, "test.conf:3"));
	assert_int_equal(configuration->daemon.io_threads, 3);
	configuration_unref(configuration);
}

static void
daemon_settings_are_read(void **state)
{
	static const char text[] = "# a comment\n"
				   "[Daemon]\n"
				   "Listen = /tmp/nbd.sock\n"
				   "IoThreads=7\n"
				   "  RequestTimeout=250ms\n"
				   "DrainTimeout=2min\n"
				   "; another\n"
				   "MaxBytesPerClient=1G\n"
				   "AdHocTransports=tcp vsock\n"
				   "AdHocUsers=0 4711\n"
				   "SlowRequest=1500ms\n"
				   "MetricsListen=127.0.0.1:9809\n"
				   "LogLevel=debug\n";
	struct configuration *configuration = configuration_new();
	struct daemon_settings *daemon = &configuration->daemon;
	CLEANUP_FREE char *mistakes = NULL;

	(void)state;
	assert_int_equal(read_text(text, false, daemon, &mistakes), 0);
	assert_string_equal(mistakes, "");
	assert_string_equal(daemon->listen, "/tmp/nbd.sock");
	assert_int_equal(daemon->io_threads, 7);
	assert_true(daemon->request_timeout == NS_PER_S / 4);
	assert_true(daemon->drain_timeout == 120 * NS_PER_S);
	assert_true(daemon->max_bytes == 1ull << 30);
	assert_int_equal(daemon->ad_hoc_transports,
			 LIBNBD_ALLOW_TRANSPORT_TCP |
				 LIBNBD_ALLOW_TRANSPORT_VSOCK);
	assert_int_equal(daemon->ad_hoc_users.n_ids, 2);
	assert_int_equal(daemon->ad_hoc_users.ids[1], 4711);
	assert_true(daemon->slow_request == NS_PER_S * 3 / 2);
	assert_string_equal(daemon->metrics_listen, "127.0.0.1:9809");
	assert_int_equal(daemon->log_level, LOG_DEBUG);
	configuration_unref(configuration);
}

static void
volume_settings_are_read(void **state)
{
	static const char text[] = "[Volume]\n"
				   "Uri=nbds://one.example/disk;0\n"
				   "Uri=nbd+unix:///disk?socket=/run/two\n"
				   "Connections=2-8\n"
				   "ReadOnly=yes\n"
				   "AllowGroups=0\n"
				   "ReadOnlyUsers=*\n"
				   "Tls=require\n"
				   "TlsPskFile=/etc/psk\n"
				   "TlsVerifyPeer=no\n";
	struct volume_settings *volume = volume_settings_new("disk0");
	CLEANUP_FREE char *mistakes = NULL;

	(void)state;
	assert_int_equal(read_text(text, true, volume, &mistakes), 0);
	assert_int_equal(volume->uris.n_items, 2);
	assert_string_equal(volume->uris.items[0], "nbds://one.example/disk;0");
	assert_int_equal(volume->connections_min, 2);
	assert_int_equal(volume->connections_max, 8);
	assert_true(volume->is_read_only);
	assert_true(volume->allow_groups.is_set);
	assert_false(volume->allow_users.is_set);
	assert_true(volume->read_only_users.is_everyone);
	assert_int_equal(volume->tls.policy, TLS_REQUIRE);
	assert_string_equal(volume->tls.psk_file, "/etc/psk");
	assert_false(volume->tls.verify_peer);
	volume_settings_unref(volume);
}

static void
one_number_is_a_range_too(void **state)
{
	struct volume_settings *volume = volume_settings_new("v");
	CLEANUP_FREE char *mistakes = NULL;

	(void)state;
	assert_int_equal(
		read_text(VOLUME "Connections=3\n", true, volume, &mistakes),
		0);
	assert_int_equal(volume->connections_min, 3);
	assert_int_equal(volume->connections_max, 3);
	volume_settings_unref(volume);
}

static void
a_command_is_words_with_quotes(void **state)
{
	struct volume_settings *volume = volume_settings_new("v");
	CLEANUP_FREE char *mistakes = NULL;

	(void)state;
	assert_int_equal(
		read_text("[Volume]\nCommand=nbdkit  'a b' \"c\\\"d\" e\\ f\n",
			  true, volume, &mistakes),
		0);
	assert_int_equal(volume->command.n_items, 4);
	assert_string_equal(volume->command.items[1], "a b");
	assert_string_equal(volume->command.items[2], "c\"d");
	assert_string_equal(volume->command.items[3], "e f");
	volume_settings_unref(volume);
}

static void
put_file(const char *dir, const char *name, const char *text)
{
	free(workdir_text_file(dir, name, text));
}

static void
make_dir(const char *dir, const char *name)
{
	CLEANUP_FREE char *path = workdir_path(dir, name);

	assert_int_equal(mkdir(path, 0700), 0);
}

static void
drop_ins_amend_in_order_and_volumes_take_the_name_of_their_file(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *main_file = workdir_text_file(
		dir, "nbd-clientd.conf",
		"[Daemon]\nIoThreads=3\nMaxClients=7\n");
	struct string_builder mistakes = STRING_BUILDER_INIT;
	struct configuration *configuration;

	(void)state;
	make_dir(dir, "conf.d");
	make_dir(dir, "volumes.d");
	put_file(dir, "conf.d/20-b.conf", "[Daemon]\nIoThreads=5\n");
	put_file(dir, "conf.d/10-a.conf", "[Daemon]\nIoThreads=4\n");
	put_file(dir, "conf.d/30-c.conf.bak", "[Daemon]\nIoThreads=6\n");
	put_file(dir, "volumes.d/zwei.conf", "[Volume]\nUri=nbd://z\n");
	put_file(dir, "volumes.d/eins.conf", "[Volume]\nUri=nbd://e\n");
	configuration = configuration_load(main_file, &mistakes);
	assert_non_null(configuration);
	assert_int_equal(configuration->daemon.io_threads, 5);
	assert_int_equal(configuration->daemon.max_clients, 7);
	assert_int_equal(configuration->n_volumes, 2);
	assert_string_equal(configuration->volumes[0]->name, "eins");
	assert_string_equal(configuration->volumes[1]->name, "zwei");
	configuration_unref(configuration);
	string_builder_done(&mistakes);
}

static void
a_volume_file_with_a_bad_name_is_a_mistake(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *main_file = workdir_text_file(
		dir, "nbd-clientd.conf", "");
	struct string_builder mistakes = STRING_BUILDER_INIT;
	CLEANUP_FREE char *text = NULL;

	(void)state;
	make_dir(dir, "volumes.d");
	put_file(dir, "volumes.d/a b.conf", VOLUME);
	assert_null(configuration_load(main_file, &mistakes));
	assert_int_equal(errno, EINVAL);
	text = string_builder_take(&mistakes);
	assert_non_null(strstr(text, "'a b' is no name for a volume"));
}

static void
a_file_that_was_asked_for_must_be_there(void **state)
{
	struct string_builder mistakes = STRING_BUILDER_INIT;
	CLEANUP_FREE char *text = NULL;

	(void)state;
	assert_null(configuration_load("/nonexistent/x.conf", &mistakes));
	text = string_builder_take(&mistakes);
	assert_string_equal(text, "/nonexistent/x.conf: cannot read it: No "
				  "such file or directory\n");
}

static void
the_demo_is_one_volume(void **state)
{
	struct configuration *configuration = configuration_demo();

	(void)state;
	assert_non_null(configuration);
	assert_non_null(configuration_find_volume(configuration, "demo"));
	assert_null(configuration_find_volume(configuration, "other"));
	configuration_unref(configuration);
}

static void
who_may_use_a_volume_does_not_touch_its_connections(void **state)
{
	struct volume_settings *a = volume_settings_new("v");
	struct volume_settings *b = volume_settings_new("v");
	CLEANUP_FREE char *none = NULL, *also_none = NULL;

	(void)state;
	read_text(VOLUME "AllowUsers=0\n", true, a, &none);
	read_text(VOLUME "AllowUsers=1\n", true, b, &also_none);
	assert_true(volume_settings_same_connections(a, b));
	assert_false(volume_settings_are_equal(a, b));
	b->slow_request = NS_PER_S;
	assert_true(volume_settings_same_connections(a, b));
	b->in_flight++;
	assert_false(volume_settings_same_connections(a, b));
	volume_settings_unref(a);
	volume_settings_unref(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			bad_values_are_told_with_line_and_what_is_accepted),
		cmocka_unit_test(an_unknown_key_is_told_with_the_known_ones),
		cmocka_unit_test(every_mistake_is_told_not_only_the_first),
		cmocka_unit_test(a_line_that_is_too_long_is_told),
		cmocka_unit_test(daemon_settings_are_read),
		cmocka_unit_test(volume_settings_are_read),
		cmocka_unit_test(one_number_is_a_range_too),
		cmocka_unit_test(a_command_is_words_with_quotes),
		cmocka_unit_test(
			drop_ins_amend_in_order_and_volumes_take_the_name_of_their_file),
		cmocka_unit_test(a_volume_file_with_a_bad_name_is_a_mistake),
		cmocka_unit_test(a_file_that_was_asked_for_must_be_there),
		cmocka_unit_test(the_demo_is_one_volume),
		cmocka_unit_test(
			who_may_use_a_volume_does_not_touch_its_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
