/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state machine of a connection: its states in the order of a
 * connection's life, the driver that runs them until they would block, and
 * the views of it that the public API shows. docs/state-machine.md draws it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client-lib/base/error.h"

struct nbd_handle;

/* What the public API distinguishes. */
enum public_state {
	PUBLIC_CREATED,
	PUBLIC_CONNECTING,
	PUBLIC_NEGOTIATING,
	PUBLIC_READY,
	PUBLIC_PROCESSING,
	PUBLIC_CLOSED,
	PUBLIC_DEAD,
};

/* X(state, public, wants, run, description): PUBLIC is what users see, WANTS
 * what poll(2) is to wait for. */
/* clang-format off */
#define STATES(X) \
	X(START,          CREATED,     NOTHING,  wait_for_user,  "handle is not connected yet") \
	X(CONNECT,        CONNECTING,  WRITE,    connect_wait,   "connecting to the server") \
	X(MAGIC,          CONNECTING,  READ,     greeting_magic, "waiting for the server's greeting") \
	X(OLDSTYLE,       CONNECTING,  READ,     oldstyle,       "receiving an oldstyle export") \
	X(NEWSTYLE_FLAGS, CONNECTING,  READ,     newstyle_flags, "receiving the handshake flags") \
	X(OPTION_NEXT,    CONNECTING,  NOTHING,  option_next,    "choosing the next option") \
	X(OPTION_SEND,    CONNECTING,  WRITE,    option_send,    "sending an option") \
	X(OPTION_REPLY,   CONNECTING,  READ,     option_reply,   "waiting for the reply to an option") \
	X(OPTION_PAYLOAD, CONNECTING,  READ,     option_payload, "receiving the reply to an option") \
	X(OPTION_SKIP,    CONNECTING,  READ,     option_skip,    "skipping a reply to an option") \
	X(TLS_START,      CONNECTING,  NOTHING,  tls_start,      "preparing TLS") \
	X(TLS_HANDSHAKE,  CONNECTING,  READ,     tls_handshake,  "agreeing on keys with the server") \
	X(EXPORT_NAME,    CONNECTING,  READ,     export_name,    "receiving the export's size and flags") \
	X(OPTION_ABORT,   CONNECTING,  WRITE,    option_abort,   "leaving the negotiation") \
	X(NEGOTIATING,    NEGOTIATING, NOTHING,  wait_for_user,  "connection is negotiating options") \
	X(TRANSFER,       READY,       TRANSFER, transfer,       "connection is ready for commands") \
	X(CLOSED,         CLOSED,      NOTHING,  wait_for_user,  "connection is closed") \
	X(DEAD,           DEAD,        NOTHING,  wait_for_user,  "connection is dead")
/* clang-format on */

enum state {
#define STATE_ENUM(state, public, wants, run, description) STATE_##state,
	STATES(STATE_ENUM)
#undef STATE_ENUM
};

/* What a state waits for. */
enum wants {
	WANTS_NOTHING,
	WANTS_READ, /* or what the stream needs before it can be read */
	WANTS_WRITE,
	WANTS_TRANSFER, /* reads always, writes when there is something */
};

/* What running a state once led to. */
enum step {
	STEP_AGAIN,   /* run the machine on */
	STEP_BLOCKED, /* wait for what the state wants */
	STEP_FAILED,  /* the error is recorded; the call in progress fails */
};

/* Runs the machine until it would block. 0, or -1 with the error recorded
 * (usually the connection is dead then). */
int engine_run(struct nbd_handle *h);

/* What poll(2) can tell; the numbers appear in error texts. */
enum event {
	EVENT_READ,
	EVENT_WRITE,
};

/* Records that the state does not wait for EVENT: -1. */
int engine_refuse_event(const struct nbd_handle *h, enum event event);

/* The descriptor is readable (or closed by the peer), or writable: 0, or -1
 * with the error recorded. EINVAL if the state waits for nothing like it. */
int engine_notify_read(struct nbd_handle *h);
int engine_notify_write(struct nbd_handle *h);

/*
 * Like engine_notify_read(), but completes one command at most. Programs that
 * poll in one thread and count their commands in another (nbdfuse) depend on
 * nbd_poll() returning after each. When replies remain that the descriptor does
 * not tell of, engine_has_more() is true and the direction has WRITE in it, so
 * that an event loop comes back for them.
 */
int engine_notify_read_one(struct nbd_handle *h);

/* Sends requests that wait for company, as far as the socket takes them.
 * nbd_poll() calls it before it waits. 0 or -1 like engine_run(). */
int engine_flush(struct nbd_handle *h);

/* The descriptor, or -1 while there is none. */
int engine_fd(const struct nbd_handle *h);

/* The same for the program, which may do with it what it likes. */
int engine_disclose_fd(struct nbd_handle *h);

/* Could the engine itself sleep until the server answers, because there is
 * nothing else to wait for? Then engine_sleep() does: 0, or -1 like
 * engine_run(). */
bool engine_can_sleep(struct nbd_handle *h);
int engine_sleep(struct nbd_handle *h);

/* The parts of nbd_connection_state(): "READY" and a short sentence. */
const char *engine_state_name(const struct nbd_handle *h);
const char *engine_state_description(const struct nbd_handle *h);

/* The only way to change the state; for the engine's own files. */
void engine_set_state(struct nbd_handle *h, enum state state);

/* Ends the connection because of the error that fail() recorded. Every
 * command and a pending option complete, once. Always STEP_FAILED. For the
 * engine's own files. */
enum step dead_as_recorded(struct nbd_handle *h);

/* The same, recording the error first: dead(h, errnum, format, ...). */
#define dead(h, ...) (fail(__VA_ARGS__), dead_as_recorded(h))

/* Ends the connection in peace: commands without a reply get ENOTCONN. */
enum step engine_close(struct nbd_handle *h);

/* For each enum state. */
struct state_row {
	const char *name;
	const char *description;
	enum public_state public;
	enum wants wants;
	enum step (*run)(struct nbd_handle *h);
};

extern const struct state_row state_rows[];

/* What the rows run; each lives in the file of its part of the protocol. */
#define STATE_RUN(state, public, wants, run, description) \
	enum step run_##run(struct nbd_handle *h);
STATES(STATE_RUN)
#undef STATE_RUN
