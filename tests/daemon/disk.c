/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/daemon/disk.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/support/outcome.h"
#include "tests/support/pattern.h"
#include "tests/support/process.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define MIB ((size_t)1024 * 1024)

#define N_WORDS (sizeof(((struct disk *)NULL)->words) / sizeof(char *))

static char *
with_file(const struct disk *disk, const char *word)
{
	const char *file = strstr(word, "FILE");
	char *text;
	int n;

	if (!file)
		n = asprintf(&text, "%s", word);
	else
		n = asprintf(&text, "%.*s%s%s", (int)(file - word), word,
			     disk->file, file + strlen("FILE"));
	if (n < 0)
		test_broken("out of memory");
	return text;
}

static void
set_words(struct disk *disk, const char *const words[])
{
	for (size_t i = 0; i < N_WORDS; i++) {
		free(disk->words[i]);
		disk->words[i] = NULL;
	}
	for (size_t i = 0; words[i]; i++) {
		assert_true(i < N_WORDS - 1);
		disk->words[i] = with_file(disk, words[i]);
	}
}

void
disk_configure(struct disk *disk, const char *settings)
{
	daemon_put_volume(&disk->daemon, "disk",
			  "Uri=nbd+unix:///?socket=%s\n%s", disk->server.socket,
			  settings);
}

void
disk_connect(struct disk *disk)
{
	disk->client = daemon_connect(&disk->daemon);
	daemon_await_volume(disk->client, "disk", volume_is_ready);
}

void
disk_start(struct disk *disk, size_t size, const char *const words[],
	   const char *settings)
{
	*disk = (struct disk){ .dir = workdir_make(), .size = size };
	disk->file = workdir_sparse_file(disk->dir, "disk", size);
	disk->model = calloc(1, size);
	if (!disk->model)
		test_broken("out of memory");
	set_words(disk, words);
	reborn_start(&disk->server, (const char *const *)disk->words);
	daemon_prepare(&disk->daemon, "");
	disk_configure(disk, settings);
	daemon_launch(&disk->daemon);
	disk_connect(disk);
}

void
disk_stop(struct disk *disk)
{
	channel_free(disk->channel);
	client_free(disk->client);
	daemon_terminate(&disk->daemon);
	daemon_cleanup(&disk->daemon);
	reborn_cleanup(&disk->server);
	workdir_remove(disk->dir);
	free(disk->file);
	free(disk->model);
	for (size_t i = 0; i < N_WORDS; i++)
		free(disk->words[i]);
}

void
disk_open_channel(struct disk *disk)
{
	struct client_error error;

	disk->channel = channel_open(disk->client, "disk", DISK_TIMEOUT,
				     &error);
	if (!disk->channel)
		fail_msg("%s", error.message);
}

void
disk_replace_server(struct disk *disk, const char *const words[])
{
	set_words(disk, words);
	reborn_restart(&disk->server);
}

int
disk_nbdctl(struct disk *disk, const char *noun, const char *verb)
{
	const char *program = getenv("NBDCTL");
	const char *argv[] = { program,
			       "--address",
			       disk->daemon.address,
			       "-o",
			       "value",
			       noun,
			       verb ? verb : "disk",
			       verb ? "disk" : NULL,
			       NULL };
	int status;

	if (!program)
		test_broken("NBDCTL names no program");
	status = process_wait(process_start(argv, -1));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct payload
filled(size_t length, uint8_t byte)
{
	void *bytes;
	struct payload data = payload_allocate(length, &bytes);

	memset(bytes, byte, length);
	return data;
}

int
disk_try_to_write(struct disk *disk, uint64_t offset, size_t length,
		  uint8_t byte, int timeout_ms, struct client_error *error)
{
	struct payload data = filled(length, byte);

	return client_write(disk->client, "disk", offset, 0, &data, timeout_ms,
			    error);
}

void
disk_write(struct disk *disk, uint64_t offset, size_t length, uint8_t byte)
{
	struct client_error error;

	if (disk_try_to_write(disk, offset, length, byte, DISK_TIMEOUT,
			      &error) < 0)
		fail_msg("write at %lu: %s", (unsigned long)offset,
			 error.message);
}

static void
read_well(struct disk *disk, uint64_t offset, size_t length,
	  struct payload *data)
{
	struct client_error error;

	if (client_read(disk->client, "disk", offset, (uint32_t)length,
			DISK_TIMEOUT, data, &error) < 0)
		fail_msg("read at %lu: %s", (unsigned long)offset,
			 error.message);
}

void
disk_expect(struct disk *disk, uint64_t offset, size_t length, uint8_t byte)
{
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;

	read_well(disk, offset, length, &data);
	assert_true(pattern_is_all(data.bytes, length, byte));
}

int
disk_flush(struct disk *disk, struct client_error *error)
{
	Nbdclientd__V1__FlushRequest request =
		NBDCLIENTD__V1__FLUSH_REQUEST__INIT;
	void *response;
	char name[] = "disk";

	request.volume = name;
	response = client_call(disk->client, RPC_IO_FLUSH, &request,
			       DISK_TIMEOUT, error);
	codec_message_free(response);
	return response ? 0 : -1;
}

void
disk_expect_model(struct disk *disk)
{
	for (uint64_t at = 0; at < disk->size; at += MIB) {
		CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;

		read_well(disk, at, MIB, &data);
		assert_memory_equal(data.bytes, disk->model + at, MIB);
	}
}

bool
disk_file_is_model(const struct disk *disk)
{
	CLEANUP_CLOSE int fd = open(disk->file, O_RDONLY | O_CLOEXEC);
	CLEANUP_FREE uint8_t *bytes = malloc(disk->size);

	assert_non_null(bytes);
	assert_int_equal(pread(fd, bytes, disk->size, 0), disk->size);
	return memcmp(bytes, disk->model, disk->size) == 0;
}

static void
keep_answer(struct channel_request *request, struct io_reply *reply,
	    const struct client_error *error)
{
	struct disk_answer *answer = request->user;

	(void)reply;
	answer->is_there = true;
	answer->has_failed = error;
	if (error)
		answer->error = *error;
}

void
disk_submit(struct disk *disk, struct disk_answer *answer, uint32_t timeout_ms)
{
	answer->is_there = answer->has_failed = false;
	answer->request.io.timeout_ms = timeout_ms;
	answer->request.on_reply = keep_answer;
	answer->request.user = answer;
	channel_submit(disk->channel, &answer->request);
}

void
disk_submit_write(struct disk *disk, struct disk_answer *answer,
		  uint64_t offset, uint32_t length, uint8_t byte,
		  uint32_t timeout_ms)
{
	*answer = (struct disk_answer){
		.request.io.command = NBDCLIENTD__V1__COMMAND__COMMAND_WRITE,
		.request.io.offset = offset,
		.request.io.length = length,
		.request.io.data = filled(length, byte),
	};
	disk_submit(disk, answer, timeout_ms);
}

void
disk_await(struct disk *disk, const struct disk_answer *answer)
{
	while (!answer->is_there)
		assert_true(channel_wait(disk->channel, DISK_TIMEOUT) > 0);
}
