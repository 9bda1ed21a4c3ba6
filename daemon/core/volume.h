/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A volume: what the daemon serves under a name. Its connections and its
 * queue belong to one I/O thread; the functions here may be called from any
 * thread and send that thread messages.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/strings.h"
#include "daemon/core/export.h"
#include "daemon/core/failure.h"
#include "daemon/core/request.h"

struct client;
struct daemon;
struct volume;

enum volume_state {
	/* No connection yet; the first is being made. */
	VOLUME_CONNECTING,
	/* At least one connection is ready. */
	VOLUME_READY,
	/* All connections are lost; requests wait. */
	VOLUME_RECOVERING,
	/* Requests in flight are finished, new ones refused. */
	VOLUME_DRAINING,
	/* The server shows another export than before: no I/O until that is
	 * accepted. */
	VOLUME_QUARANTINED,
	/* By an administrator: requests wait. */
	VOLUME_PAUSED,
	/* No connection for GiveUpAfter=: no more attempts, requests fail. */
	VOLUME_GIVEN_UP,
};

/* What an administrator may tell a volume to do. */
enum volume_order {
	/* Take what the server shows now for the volume. */
	VOLUME_ACCEPT,
	/* Finish what is in flight, flush, hang up; requests wait. Done when
	 * that is through. */
	VOLUME_PAUSE,
	VOLUME_RESUME,
	/* Drop all connections and make new ones, at once. */
	VOLUME_RECONNECT,
};

/* Since the volume was opened. */
struct volume_counters {
	uint64_t reads;
	uint64_t writes;
	uint64_t others;
	uint64_t bytes_read;
	uint64_t bytes_written;
	uint64_t errors;
	uint64_t reconnects;
	uint64_t retries;
	uint64_t replayed;
	uint64_t early_flushes;
};

/* A snapshot; owned strings. */
struct volume_description {
	char *name;
	enum volume_state state;
	bool is_ad_hoc;
	/* The caller may not write, whatever the server allows. */
	bool is_read_only;
	struct string_list endpoints;
	/* Without has_export nothing is known of the export yet. */
	bool has_export;
	struct export_info export;
	struct protocol_info protocol;
	unsigned connections_ready;
	unsigned connections_min;
	unsigned connections_max;
	/* Per connection, see InFlight=. */
	unsigned in_flight_limit;
	unsigned in_flight;
	unsigned waiting;
	struct volume_counters counters;
	/* Writes that are not flushed: what becomes of them (static text), and
	 * the memory they take and may take. */
	const char *unflushed;
	uint64_t unflushed_bytes;
	uint64_t unflushed_limit;
	/* NULL if there was none. */
	char *last_error;
	uint64_t last_error_age_ns;
	/* The reads and writes that one request may ask for, in bytes: any
	 * larger than the server's maximum are split. */
	uint32_t max_payload;
};

/* A reference to the volume of that name, or NULL if there is none that
 * CLIENT may see. Release with volume_unref(). */
struct volume *volume_find(struct daemon *daemon, const char *name,
			   const struct client *client);
struct volume *volume_ref(struct volume *volume);
/* NULL is allowed. */
void volume_unref(struct volume *volume);

const char *volume_name(const struct volume *volume);
enum volume_state volume_state(const struct volume *volume);
/* Are these bytes all there, as far as is known of the export? Requests say
 * more; this is for who plans several of them. */
bool volume_has_range(struct volume *volume, uint64_t offset, uint64_t length);
/* How long a request may take that has no deadline: ns. */
uint64_t volume_request_timeout(const struct volume *volume);

/* Checks, queues and carries out REQUEST; its on_done tells the outcome. The
 * request keeps the volume alive. */
void volume_submit(struct volume *volume, struct request *request);

/* ON_DONE is called once, with FAILURE NULL if the order was carried out; on
 * the volume's I/O thread or from within. */
void volume_give_order(struct volume *volume, enum volume_order kind,
		       void (*on_done)(void *user, struct volume *volume,
				       const struct failure *failure),
		       void *user);

/* 0 or -ENOMEM. CLIENT decides is_read_only; NULL: the daemon's own view.
 * Release with volume_description_done(). */
int volume_describe(struct volume *volume, const struct client *client,
		    struct volume_description *description);
void volume_description_done(struct volume_description *description);

/* The volumes that CLIENT may see, in order of name: *VOLUMES is an array of
 * *N references. 0 or -ENOMEM. Release with volumes_unref(). */
int volumes_list(struct daemon *daemon, const struct client *client,
		 struct volume ***volumes, size_t *n);
void volumes_unref(struct volume **volumes, size_t n);

/* Calls ON_CHANGE with USER, on the volume's I/O thread, after each change of
 * its state, until volume_unwatch() has returned, or the volume is gone
 * (state VOLUME_DRAINING is the last one told). One watcher object may watch
 * one volume. For grpc.health.v1's Watch. */
struct volume_watcher {
	void (*on_change)(struct volume_watcher *watcher,
			  enum volume_state state);
	void *user;
	struct list link;
};

void volume_watch(struct volume *volume, struct volume_watcher *watcher);
void volume_unwatch(struct volume *volume, struct volume_watcher *watcher);

struct ad_hoc_options {
	const char *uri;
	/* The name that it had before the daemon was restarted, or NULL or "":
	 * a new one. */
	const char *name;
	/* 0 means 1. */
	unsigned connections;
	bool is_read_only;
	/* CLOCK_MONOTONIC, ns, for the first connection; 0: RequestTimeout. */
	uint64_t deadline;
};

/* Opens a volume for CLIENT only. ON_OPEN is called once: with a reference to
 * the ready volume, or with NULL and why not; from within this call or on an
 * I/O thread. */
void volume_open_ad_hoc(struct daemon *daemon, struct client *client,
			const struct ad_hoc_options *options,
			void (*on_open)(void *user, struct volume *volume,
					const struct failure *failure),
			void *user);

/* Closes a volume that CLIENT opened. 0 or a negative errno with FAILURE
 * filled: ENOENT unknown, EBUSY (FAILURE_INVALID) from configuration. */
int volume_close(struct daemon *daemon, struct client *client, const char *name,
		 struct failure *failure);

enum connection_state {
	CONNECTION_CONNECTING,
	CONNECTION_IDLE,
	CONNECTION_BUSY,
	CONNECTION_DRAINING,
	CONNECTION_BACKING_OFF,
};

/* A snapshot of one connection; owned strings. */
struct connection_description {
	uint64_t id;
	char *volume;
	char *endpoint;
	enum connection_state state;
	uint64_t age_ns;
	bool tls;
	unsigned in_flight;
	uint64_t bytes_sent;
	uint64_t bytes_received;
	uint64_t retry_in_ns;
	/* As the kernel measures it for TCP, else 0; and until commands are
	 * answered. */
	uint64_t round_trip_ns;
	uint64_t answer_ns;
};

/* Adds the volume's connections to the array *DESCRIPTIONS of *N elements
 * (NULL and 0 to begin with). 0 or -ENOMEM. */
int volume_describe_connections(struct volume *volume,
				struct connection_description **descriptions,
				size_t *n);
void connection_descriptions_done(struct connection_description *descriptions,
				  size_t n);
