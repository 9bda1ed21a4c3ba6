/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real nbd-clientd for a test, with a directory, a configuration and a
 * socket of its own, and servers that can be killed, stopped and started again
 * at the same address.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "nbdclientd/v1/volumes.pb-c.h"
#include "proto/channel.h"
#include "proto/client.h"

struct daemon_process {
	char *dir;
	char *config;
	char *address;
	pid_t pid;
	/* Where it tells systemd how it is. */
	int notify_fd;
	/* All that it has told, line by line. */
	char *told;
};

/* A directory and a configuration with no volumes; SETTINGS are further lines
 * of [Daemon]. Nothing runs yet. */
void daemon_prepare(struct daemon_process *daemon, const char *settings);
/* Writes volumes.d/NAME.conf. */
void daemon_put_volume(struct daemon_process *daemon, const char *name,
		       const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void daemon_remove_volume_file(struct daemon_process *daemon, const char *name);
/* Starts it and waits until it says READY=1. */
void daemon_launch(struct daemon_process *daemon);
/* Waits until it has told a line that begins with TEXT, since the last call
 * that did. */
void daemon_await(struct daemon_process *daemon, const char *text);
/* SIGTERM; the exit status must be 0. */
void daemon_terminate(struct daemon_process *daemon);
/* Kills it if it lives, and removes its directory. */
void daemon_cleanup(struct daemon_process *daemon);
#define CLEANUP_DAEMON __attribute__((cleanup(daemon_cleanup)))

/* A connected client; the test is broken without one. */
struct client *daemon_connect(const struct daemon_process *daemon);
void cleanup_client(struct client **client);
#define CLEANUP_CLIENT __attribute__((cleanup(cleanup_client)))

/* The volume as GetVolume tells it; free with codec_message_free(). */
Nbdclientd__V1__Volume *daemon_volume(struct client *client, const char *name);
/* Asks until CONDITION holds, at most half a minute, with a pause between. */
void
daemon_await_volume(struct client *client, const char *name,
		    bool (*condition)(const Nbdclientd__V1__Volume *volume));
bool volume_is_ready(const Nbdclientd__V1__Volume *volume);

/* nbdkit or another server for socket activation, at a unix socket that stays
 * the same when it is started again. */
struct reborn_server {
	char *dir;
	char *socket;
	const char *const *argv;
	pid_t pid;
};

void reborn_start(struct reborn_server *server, const char *const argv[]);
void reborn_kill(struct reborn_server *server);
void reborn_restart(struct reborn_server *server);
void reborn_cleanup(struct reborn_server *server);
#define CLEANUP_REBORN __attribute__((cleanup(reborn_cleanup)))

/* Many requests over a channel. */
struct load {
	struct channel *channel;
	/* NBDCLIENTD__V1__COMMAND__COMMAND_READ or _WRITE */
	uint32_t command;
	uint64_t size;
	uint32_t block;
	unsigned depth;
	uint64_t seed;
	uint32_t timeout_ms;
	/* Called after so many replies, once. */
	unsigned midway_at;
	void (*midway)(void *user);
	void *user;

	/* Results. */
	unsigned n_done;
	unsigned n_failed;
	unsigned n_wrong;
	struct client_error first_error;
	uint64_t next;
};

/* Writes SIZE bytes of the pattern, or reads and compares them, and returns
 * when all requests are answered. */
void load_run(struct load *load);
