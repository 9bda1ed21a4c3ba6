/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One server that is killed, stopped and started again, over and over, under a
 * load that writes and reads back: each request is answered once and with
 * success, no byte is wrong, and the daemon holds no more memory and no more
 * descriptors afterwards.
 *
 *   storm [ROUNDS]
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec_free.h"
#include "tests/daemon/harness.h"
#include "tests/support/process.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define KIB   1024
#define MIB   (1024 * KIB)
#define SIZE  (4 * MIB)
#define BLOCK (64 * KIB)

enum {
	ROUNDS = 48,
	/* Until caches and pools have the size that they keep. */
	ROUNDS_TO_SETTLE = 12,
	LEEWAY_KIB = 32 * KIB,
	/* Connections and their timers, which come and go. */
	LEEWAY_DESCRIPTORS = 8,
};

static unsigned n_rounds = ROUNDS;

struct storm {
	char *dir;
	char *file;
	char file_argument[128];
	const char *argv[8];
	struct reborn_server server;
	struct daemon_process daemon;
	/* Its channel is at work; the other one looks. */
	struct client *worker;
	struct channel *channel;
	struct client *watcher;
	unsigned n_answered;
	unsigned n_deaths;
};

static void
set_up(struct storm *s)
{
	struct client_error error;

	*s = (struct storm){ .dir = workdir_make() };
	s->file = workdir_sparse_file(s->dir, "disk", SIZE);
	snprintf(s->file_argument, sizeof(s->file_argument), "file=%s",
		 s->file);
	s->argv[0] = "nbdkit";
	s->argv[1] = "--foreground";
	/* Slow enough that something is in flight whenever it dies. */
	s->argv[2] = "--filter=delay";
	s->argv[3] = "file";
	s->argv[4] = s->file_argument;
	s->argv[5] = "rdelay=1ms";
	s->argv[6] = "wdelay=1ms";
	reborn_start(&s->server, s->argv);
	daemon_prepare(&s->daemon, "RequestTimeout=120s\n");
	daemon_put_volume(&s->daemon, "disk", "Uri=nbd+unix:///?socket=%s\n",
			  s->server.socket);
	daemon_launch(&s->daemon);
	s->worker = daemon_connect(&s->daemon);
	s->watcher = daemon_connect(&s->daemon);
	s->channel = channel_open(s->worker, "disk", 60000, &error);
	if (!s->channel)
		fail_msg("%s", error.message);
}

static void
tear_down(struct storm *s)
{
	channel_free(s->channel);
	client_free(s->worker);
	client_free(s->watcher);
	daemon_terminate(&s->daemon);
	daemon_cleanup(&s->daemon);
	reborn_cleanup(&s->server);
	workdir_remove(s->dir);
	free(s->file);
}

/* A server that dies so often is left alone for longer and longer, but not
 * when somebody knows that it is back. */
static void
try_now(struct storm *s)
{
	Nbdclientd__V1__ReconnectVolumeRequest request =
		NBDCLIENTD__V1__RECONNECT_VOLUME_REQUEST__INIT;
	char name[] = "disk";
	struct client_error error;
	void *volume;

	request.name = name;
	volume = client_call(s->watcher, RPC_VOLUMES_RECONNECT_VOLUME, &request,
			     60000, &error);
	if (!volume)
		fail_msg("%s", error.message);
	codec_message_free(volume);
}

static void
kill_and_restart(void *user)
{
	struct storm *s = user;

	s->n_deaths++;
	reborn_restart(&s->server);
	try_now(s);
}

static void
stop_kill_and_restart(void *user)
{
	struct storm *s = user;

	process_stop(s->server.pid);
	kill_and_restart(s);
}

/* It stands still, and the daemon answers. */
static void
stop_and_continue(void *user)
{
	struct storm *s = user;

	process_stop(s->server.pid);
	codec_message_free(daemon_volume(s->watcher, "disk"));
	process_signal(s->server.pid, SIGCONT);
}

static void
work(struct storm *s, uint32_t command, unsigned round,
     void (*midway)(void *user))
{
	struct load load = {
		.channel = s->channel,
		.command = command,
		.size = SIZE,
		.block = BLOCK,
		.depth = 16,
		.seed = round,
		.midway_at = 1 + round % 40,
		.midway = midway,
		.user = s,
	};

	load_run(&load);
	s->n_answered += load.n_done;
	if (load.n_done != SIZE / BLOCK || load.n_failed || load.n_wrong)
		fail_msg("round %u: %u answered, %u failed (%s), %u wrong",
			 round, load.n_done, load.n_failed,
			 load.n_failed ? load.first_error.message : "",
			 load.n_wrong);
}

static void
run_round(struct storm *s, unsigned round)
{
	static void (*const faults[])(void *user) = {
		kill_and_restart,
		stop_kill_and_restart,
		stop_and_continue,
	};
	void (*fault)(void *user) = faults[round % 3];
	bool while_reading = round % 2;

	work(s, NBDCLIENTD__V1__COMMAND__COMMAND_WRITE, round,
	     while_reading ? NULL : fault);
	work(s, NBDCLIENTD__V1__COMMAND__COMMAND_READ, round,
	     while_reading ? fault : NULL);
}

struct holdings {
	long kib;
	long n_descriptors;
};

static struct holdings
look(const struct storm *s)
{
	struct holdings holdings = { 0 };
	char path[64];
	char line[256];
	FILE *status;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%d/status", s->daemon.pid);
	status = fopen(path, "re");
	assert_non_null(status);
	while (fgets(line, sizeof(line), status))
		if (strncmp(line, "VmRSS:", 6) == 0)
			holdings.kib = strtol(line + 6, NULL, 10);
	fclose(status);
	snprintf(path, sizeof(path), "/proc/%d/fd", s->daemon.pid);
	fds = opendir(path);
	assert_non_null(fds);
	while (readdir(fds))
		holdings.n_descriptors++;
	closedir(fds);
	return holdings;
}

static void
expect_no_growth(const struct holdings *before, const struct holdings *after)
{
	assert_true(after->n_descriptors <=
		    before->n_descriptors + LEEWAY_DESCRIPTORS);
	/* A sanitizer keeps what was freed. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(after->kib <= before->kib + LEEWAY_KIB);
#endif
}

static void
a_server_that_dies_again_and_again_costs_nothing(void **state)
{
	struct holdings settled = { 0 };
	struct holdings end;
	struct storm s;

	(void)state;
	set_up(&s);
	for (unsigned round = 0; round < n_rounds; round++) {
		if (round == ROUNDS_TO_SETTLE)
			settled = look(&s);
		run_round(&s, round);
	}
	daemon_await_volume(s.watcher, "disk", volume_is_ready);
	end = look(&s);
	printf("%u rounds, %u deaths, %u requests answered; %ld KiB and %ld "
	       "descriptors, then %ld and %ld\n",
	       n_rounds, s.n_deaths, s.n_answered, settled.kib,
	       settled.n_descriptors, end.kib, end.n_descriptors);
	expect_no_growth(&settled, &end);
	tear_down(&s);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_server_that_dies_again_and_again_costs_nothing),
	};

	if (argc > 1)
		n_rounds = (unsigned)strtoul(argv[1], NULL, 10);
	if (n_rounds <= ROUNDS_TO_SETTLE)
		n_rounds = ROUNDS_TO_SETTLE + 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
