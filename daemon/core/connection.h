/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One connection to one endpoint: an nbd_handle on an I/O loop. It connects in
 * option mode; its owner (a pool, or a session) drives the options and then
 * hands it parts to carry out. Everything here runs on the loop's thread, but
 * for the numbers that are atomic.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "common/strings.h"
#include "daemon/core/buffer.h"
#include "daemon/core/endpoint.h"
#include "daemon/core/export.h"
#include "daemon/core/failure.h"
#include "daemon/core/loop.h"
#include "daemon/core/part.h"

struct connection;
struct connect_job;
struct metrics;
struct nbd_handle;

enum connection_phase {
	/* Connecting, or greeting the server. */
	PHASE_CONNECTING,
	/* In option mode; nothing under way. */
	PHASE_NEGOTIATING,
	/* An option is under way. */
	PHASE_OPTION,
	PHASE_DATA,
	/* Told the server goodbye, and waiting for it to hang up. */
	PHASE_CLOSING,
	/* The handle is closed. */
	PHASE_GONE,
};

/* What the owner is told. It may call connection_free() in any of these. */
struct connection_owner {
	/* Options are possible. A server without options comes right to
	 * on_ready. */
	void (*on_negotiating)(struct connection *connection);
	/* The option is answered: errnum 0, or why it was refused. Results are
	 * in connection->listing. */
	void (*on_option)(struct connection *connection, int errnum);
	void (*on_ready)(struct connection *connection);
	/* PART is in no list. TEXT says what went wrong, unless it is done. */
	void (*on_part)(struct connection *connection, struct part *part,
			enum part_outcome outcome, const char *text);
	/* The connection ended, and not by connection_close(). After on_part
	 * for all of its parts. */
	void (*on_lost)(struct connection *connection,
			const struct failure *failure);
	/* connection_close() is through. */
	void (*on_closed)(struct connection *connection);
};

/* What the last option brought. */
struct listing {
	/* With name and description only. */
	struct export_info *exports;
	size_t n_exports;
	size_t capacity;
	bool is_truncated;
	struct string_list contexts;
};

struct connection {
	/* For the owner. */
	struct list link;
	void *user;
	int step;
	/* Which of the owner's endpoints. */
	size_t endpoint_number;
	/* What it shows, and the bytes that it is known by. */
	struct export_info export;
	struct buffer fingerprint;

	/* Unique in the life of the daemon. */
	uint64_t id;
	struct endpoint *endpoint;
	struct loop *loop;
	const struct connection_owner *owner;
	struct nbd_handle *nbd;
	enum connection_phase phase;
	/* What is being done, for messages about a deadline. */
	const char *activity;
	uint64_t since;
	uint64_t idle_since;
	struct listing listing;
	struct protocol_info protocol;

	/* Parts in flight in the order they were sent, and those answered. */
	struct list parts;
	struct list answered;
	/* No answer to a part for this long: the server hangs. ns */
	uint64_t patience;
	/* Entries of the journal that a flush on this connection covers. */
	unsigned n_unflushed;

	/* Read by other threads. */
	atomic_uint in_flight;
	atomic_ullong bytes_in_flight;
	/* Of them, those that the loop was told to expect. */
	unsigned n_brief;
	atomic_ullong bytes_sent;
	atomic_ullong bytes_received;
	atomic_int public_phase;
	/* Of a pool's connection; NULL: nothing is counted. */
	struct metrics *metrics;
	/* What the kernel says of the way to the server and back, from time to
	 * time; 0: it does not say. And how long commands take until they are
	 * answered, smoothed. ns */
	atomic_ullong round_trip;
	atomic_ullong answer_time;

	/* Private. */
	uint64_t round_trip_at;
	/* How many bytes were in flight with a command, smoothed. */
	uint64_t load;
	struct connect_job *job;
	struct watch watch;
	struct timer timer;
	struct message settle;
	struct message release;
	bool option_is_answered;
	int option_errnum;
};

/* A connection that does nothing yet, or NULL with errno. OWNER is static. */
struct connection *connection_new(struct loop *loop, struct endpoint *endpoint,
				  const struct connection_owner *owner,
				  void *user);

/* Starts; on_negotiating, on_ready or on_lost follows, never from within.
 * DEADLINE (CLOCK_MONOTONIC ns) is for all until on_ready or until the owner
 * sets another. */
void connection_start(struct connection *connection, uint64_t deadline);
void connection_set_deadline(struct connection *connection, uint64_t deadline,
			     const char *activity);
/* In PHASE_NEGOTIATING the owner may take any time. */
void connection_clear_deadline(struct connection *connection);

/*
 * Options, in PHASE_NEGOTIATING; on_option follows. -1: the library refuses,
 * see nbd_get_error(), and nothing follows. EXPORT NULL: as the endpoint has
 * it, or as it was last set.
 */
int connection_option_list(struct connection *connection);
int connection_option_info(struct connection *connection, const char *export);
/* QUERIES NULL or empty: all contexts. Replaces what go is to select. */
int connection_option_contexts(struct connection *connection,
			       const char *export,
			       const struct string_list *queries);
/* on_ready follows, or on_option with the error. */
int connection_option_go(struct connection *connection, const char *export,
			 const struct string_list *contexts);

/* After info or go: what the server said. 0 or -ENOMEM. */
int connection_describe_export(struct connection *connection,
			       struct export_info *info);

/* In PHASE_DATA: sends PART, which is in no list; on_part follows, never from
 * within. */
void connection_send(struct connection *connection, struct part *part);

/* What the kernel measures for TCP connections now: ns; 0: it does not. */
uint64_t connection_round_trip(const struct connection *connection);

/* How many bytes it answers within NS, as it did of late; 0: nobody knows. */
uint64_t connection_pace(const struct connection *connection, uint64_t ns);

/* It is no use any more: closes now. on_part for parts in flight and on_lost
 * with a copy of FAILURE follow, from within. */
void connection_lose(struct connection *connection,
		     const struct failure *failure);

/* Says goodbye to the server; on_closed follows, never from within. What is
 * in flight and is not answered until then is lost: on_part. */
void connection_close(struct connection *connection);

/* Closes at once, if need be, and frees; no call of the owner follows, parts
 * of requests in flight are not told. Memory goes when the loop comes round.
 * NULL is allowed. */
void connection_free(struct connection *connection);
