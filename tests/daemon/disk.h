/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The setting of most tests of recovery: a file, a real server of it that can be
 * killed and started again, a daemon with the volume "disk" on it, and a client.
 * What goes wrong here fails the test.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/channel.h"
#include "proto/client.h"
#include "tests/daemon/harness.h"

/* What any of the client's calls may take. */
#define DISK_TIMEOUT 30000

struct disk {
	char *dir;
	char *file;
	size_t size;
	struct reborn_server server;
	struct daemon_process daemon;
	struct client *client;
	/* NULL before disk_open_channel(). */
	struct channel *channel;
	/* What the volume must hold; the test keeps it up to date. */
	uint8_t *model;

	/* The server's words. */
	char *words[16];
};

/* The words of a server; FILE in one of them stands for the file's path. */
#define NBDKIT(...) \
	((const char *const[]){ "nbdkit", "--foreground", __VA_ARGS__, NULL })

/* A file of SIZE bytes, all zero, a server with these WORDS, and a volume with
 * these further SETTINGS, which is ready. */
void disk_start(struct disk *disk, size_t size, const char *const words[],
		const char *settings);
void disk_stop(struct disk *disk);

/* The daemon's volume "disk" with other settings; it has to reload yet. */
void disk_configure(struct disk *disk, const char *settings);
/* A client, and its volume ready. For a test that restarts the daemon. */
void disk_connect(struct disk *disk);
void disk_open_channel(struct disk *disk);
/* Kills the server; another one, with these WORDS, follows at its address. */
void disk_replace_server(struct disk *disk, const char *const words[]);
/* The exit status of nbdctl NOUN VERB disk; VERB may be NULL. */
int disk_nbdctl(struct disk *disk, const char *noun, const char *verb);

/* LENGTH times BYTE. 0, or -1 with *ERROR. */
int disk_try_to_write(struct disk *disk, uint64_t offset, size_t length,
		      uint8_t byte, int timeout_ms, struct client_error *error);
void disk_write(struct disk *disk, uint64_t offset, size_t length,
		uint8_t byte);
void disk_expect(struct disk *disk, uint64_t offset, size_t length,
		 uint8_t byte);
/* 0, or -1 with *ERROR. */
int disk_flush(struct disk *disk, struct client_error *error);
/* Is the volume what the model is, byte for byte? */
void disk_expect_model(struct disk *disk);
/* Does the file behind the server hold the model? */
bool disk_file_is_model(const struct disk *disk);

/* The answer to one request on the channel. */
struct disk_answer {
	struct channel_request request;
	bool is_there;
	bool has_failed;
	struct client_error error;
};

/* Submits ANSWER's request, whose io the caller has filled in; the daemon gives
 * it up after TIMEOUT_MS. */
void disk_submit(struct disk *disk, struct disk_answer *answer,
		 uint32_t timeout_ms);
/* A write of LENGTH times BYTE. */
void disk_submit_write(struct disk *disk, struct disk_answer *answer,
		       uint64_t offset, uint32_t length, uint8_t byte,
		       uint32_t timeout_ms);
void disk_await(struct disk *disk, const struct disk_answer *answer);
