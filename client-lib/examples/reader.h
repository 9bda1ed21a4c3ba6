/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the examples have in common: an export is copied to a file, with many
 * reads under way. Waiting is left to the event loop; it calls reader_event()
 * when the descriptor of the handle is ready, and reader_continue() after that.
 */
#pragma once

#include <libnbd.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	READER_BLOCK = 64 * 1024,
	READER_DEPTH = 16,
};

struct reader;

/* One read; free if nobody has it. */
struct block {
	struct reader *reader;
	bool is_busy;
	uint64_t offset;
	size_t length;
	char data[READER_BLOCK];
};

struct reader {
	struct nbd_handle *h;
	int file;
	bool has_size;
	bool is_leaving;
	bool has_failed;
	uint64_t size;
	uint64_t next; /* where the next read begins */
	uint64_t n_written;
	struct block blocks[READER_DEPTH];
};

/* Begins to connect to URI and creates the file: 0, or -1 after a message. */
int reader_open(struct reader *reader, const char *uri, const char *path);

/* The descriptor can be read or written: lets the library go on with it. */
void reader_event(struct reader *reader, bool is_readable, bool is_writable);

/* Queues what there is to queue. 1 if there is more to come, 0 when all is
 * copied and the connection is closed, -1 after a message. */
int reader_continue(struct reader *reader);

void reader_close(struct reader *reader);

/* main() of an example, whose arguments are URI FILE: RUN waits for events until
 * reader_continue() gives 0, or returns something else. */
int reader_main(int argc, char **argv, int (*run)(struct reader *reader));
