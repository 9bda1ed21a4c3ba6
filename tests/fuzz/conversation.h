/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A whole conversation as a fuzzer's input: four bytes of settings, two that
 * choose an allocation to fail, and then what happens, one operation after the
 * other, until the input ends. Whoever makes inputs includes this, too.
 */
#pragma once

#include <libnbd.h>
#include <stdbool.h>
#include <stdint.h>

/* The first byte. */
enum {
	SETTING_OPT_MODE = 1,
	SETTING_NO_STRUCTURED = 2,
	SETTING_EXTENDED = 4,
	SETTING_CONTEXT = 8,        /* base:allocation */
	SETTING_OTHER_CONTEXT = 16, /* x-other:thing */
	SETTING_NO_BLOCK_SIZE = 32,
	SETTING_FULL_INFO = 64,
	SETTING_LAX = 128, /* no strict mode */
};

/* The second. The third is how many bytes arrive at once, 0: all. The fourth
 * is a beginning that need not be invented. */
enum {
	SETTING_NO_FIXED = 1,
	SETTING_NO_NO_ZEROES = 2,
	SETTING_EXPORT = 4, /* its name is "export" */
	SETTING_NO_META = 8,
	SETTING_DEBUG = 16,
};

enum beginning {
	BEGINNING_NONE,
	BEGINNING_GREETING,
	BEGINNING_SIMPLE,
	BEGINNING_STRUCTURED,
	BEGINNING_EXTENDED,
	N_BEGINNINGS,
};

/* Commands are followed by how (1 byte), count (4) and offset (8). */
enum operation {
	OPERATION_DELIVER, /* length (2 bytes), bytes */
	OPERATION_READ,
	OPERATION_READ_CHUNKS,
	OPERATION_WRITE,
	OPERATION_FLUSH,
	OPERATION_TRIM,
	OPERATION_CACHE,
	OPERATION_ZERO,
	OPERATION_STATUS,
	OPERATION_STATUS_WIDE,
	OPERATION_STATUS_FILTER,
	OPERATION_OPTION,     /* which (1) */
	OPERATION_RETIRE,     /* the index of a command (1) */
	OPERATION_SEND_ROOM,  /* bytes (2); 0xffff: no limit */
	OPERATION_DISCONNECT, /* orderly */
	OPERATION_END,        /* the server's */
	OPERATION_RESET,
	N_OPERATIONS,
};

/* The byte "how" of a command. */
enum {
	HOW_RETIRES_ITSELF = 1,
	HOW_CALLBACK_FAILS = 2,
	HOW_FLAGS_SHIFT = 2, /* the rest: LIBNBD_CMD_FLAG_*, 6 bits of them */
};

enum option_asked {
	ASK_GO,
	ASK_INFO,
	ASK_LIST,
	ASK_LIST_META,
	ASK_SET_META,
	ASK_STRUCTURED,
	ASK_EXTENDED,
	ASK_ABORT,
	N_ASKED,
};

enum {
	MAX_COMMANDS = 32,
	MAX_DATA = 64 * 1024,
};

/* One command or option and what its callbacks have heard. */
struct heard {
	int64_t cookie; /* once the call that started it has returned */
	bool is_option;
	bool was_refused;
	bool is_retired;
	uint8_t how;
	enum operation operation;
	uint64_t count;
	uint64_t offset;
	uint8_t *buffer;
	int n_completions;
	int n_completion_frees;
	int n_data_frees; /* of chunk, extent, list, context callbacks */
	bool has_data_callback;
	int error;
	uint64_t digest; /* of a read's bytes, or of what callbacks heard */
};

struct heard_all {
	struct heard items[MAX_COMMANDS];
	unsigned n_items;
};

/* What a read's buffer holds before anything arrives. */
extern uint8_t fuzz_untouched;

/* The export's, once it is known. */
extern uint64_t fuzz_export_size;

/* Starts the command or option OPERATION; what follows says how. */
void heard_start_command(struct heard_all *all, struct nbd_handle *h,
			 enum operation operation, uint8_t how, uint32_t count,
			 uint64_t offset);
void heard_start_option(struct heard_all *all, struct nbd_handle *h,
			enum option_asked asked);
void heard_retire(struct heard_all *all, struct nbd_handle *h, unsigned index);

/* Commands that were accepted and have not completed. */
unsigned heard_in_flight(const struct heard_all *all);

/* The connection is over: each has completed, once. */
void heard_check_complete(const struct heard_all *all);
/* The handle is closed: each closure is released, once. */
void heard_check_released(const struct heard_all *all);
/* Releases the buffers. */
void heard_done(struct heard_all *all);

/* A text for people: nothing unprintable in it. */
void heard_check_text(const char *text);
