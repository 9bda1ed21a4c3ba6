/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the core knows as messages of the contract. */
#include "daemon/rpc/convert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000u

char *
borrow_text(const char *text)
{
	char *borrowed;

	if (!text)
		text = protobuf_c_empty_string;
	memcpy(&borrowed, &text, sizeof(borrowed));
	return borrowed;
}

void
export_message_init(struct export_message *message,
		    const struct export_info *info)
{
	Nbdclientd__V1__Export *export = &message->export;
	Nbdclientd__V1__BlockSizes *sizes = &message->block_sizes;

	nbdclientd__v1__export__init(export);
	nbdclientd__v1__block_sizes__init(sizes);
	export->name = borrow_text(info->name);
	export->canonical_name = borrow_text(info->canonical_name);
	export->description = borrow_text(info->description);
	export->size = info->size;
	export->read_only = info->is_read_only;
	export->rotational = info->is_rotational;
	export->can_flush = info->can_flush;
	export->can_fua = info->can_fua;
	export->can_trim = info->can_trim;
	export->can_zero = info->can_zero;
	export->can_fast_zero = info->can_fast_zero;
	export->can_cache = info->can_cache;
	export->can_df = info->can_df;
	export->can_multi_conn = info->can_multi_conn;
	sizes->minimum = info->block_minimum;
	sizes->preferred = info->block_preferred;
	sizes->maximum = info->block_maximum;
	export->block_sizes = sizes;
	export->contexts = info->contexts.items;
	export->n_contexts = info->contexts.n_items;
}

void
export_message_init_incomplete(struct export_message *message,
			       const struct export_info *info,
			       const char *detail)
{
	nbdclientd__v1__export__init(&message->export);
	message->export.name = borrow_text(info->name);
	message->export.description = borrow_text(info->description);
	message->export.incomplete = true;
	message->export.detail = borrow_text(detail);
}

void
protocol_message_init(Nbdclientd__V1__ProtocolInfo *message,
		      const struct protocol_info *info)
{
	nbdclientd__v1__protocol_info__init(message);
	message->handshake = borrow_text(info->handshake);
	message->tls = info->tls;
	message->structured_replies = info->structured_replies;
	message->extended_headers = info->extended_headers;
}

static Nbdclientd__V1__VolumeState
volume_state_message(enum volume_state state)
{
	switch (state) {
	case VOLUME_CONNECTING:
		return NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_CONNECTING;
	case VOLUME_READY:
		return NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_READY;
	case VOLUME_RECOVERING:
		return NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_RECOVERING;
	case VOLUME_DRAINING:
		return NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_DRAINING;
	case VOLUME_QUARANTINED:
		return NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_QUARANTINED;
	case VOLUME_PAUSED:
		return NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_PAUSED;
	case VOLUME_GIVEN_UP:
		return NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_GIVEN_UP;
	}
	return NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_UNSPECIFIED;
}

static void
counters_message_init(Nbdclientd__V1__Counters *message,
		      const struct volume_counters *counters)
{
	nbdclientd__v1__counters__init(message);
	message->reads = counters->reads;
	message->writes = counters->writes;
	message->others = counters->others;
	message->bytes_read = counters->bytes_read;
	message->bytes_written = counters->bytes_written;
	message->errors = counters->errors;
	message->reconnects = counters->reconnects;
	message->retries = counters->retries;
	message->replayed = counters->replayed;
	message->early_flushes = counters->early_flushes;
}

static void
fill_volume(struct volume_message *message)
{
	const struct volume_description *from = &message->description;
	Nbdclientd__V1__Volume *volume = &message->volume;

	nbdclientd__v1__volume__init(volume);
	volume->name = from->name;
	volume->state = volume_state_message(from->state);
	volume->ad_hoc = from->is_ad_hoc;
	volume->endpoints = from->endpoints.items;
	volume->n_endpoints = from->endpoints.n_items;
	volume->connections_ready = from->connections_ready;
	volume->connections_min = from->connections_min;
	volume->connections_max = from->connections_max;
	volume->in_flight = from->in_flight;
	volume->waiting = from->waiting;
	volume->last_error = borrow_text(from->last_error);
	volume->last_error_age_ms = from->last_error_age_ns / NS_PER_MS;
	volume->unflushed = borrow_text(from->unflushed);
	volume->unflushed_bytes = from->unflushed_bytes;
	volume->unflushed_limit = from->unflushed_limit;
	counters_message_init(&message->counters, &from->counters);
	volume->counters = &message->counters;
	if (!from->has_export)
		return;
	export_message_init(&message->export, &from->export);
	/* What the caller may do, not only what the server allows. */
	message->export.export.read_only |= from->is_read_only;
	volume->export = &message->export.export;
	protocol_message_init(&message->protocol, &from->protocol);
	volume->protocol = &message->protocol;
}

int
volume_message_init(struct volume_message *message, struct volume *volume,
		    const struct client *client)
{
	int error = volume_describe(volume, client, &message->description);

	if (error == 0)
		fill_volume(message);
	return error;
}

void
volume_message_done(struct volume_message *message)
{
	volume_description_done(&message->description);
}

void
volume_messages_done(struct volume_messages *messages)
{
	for (size_t i = 0; i < messages->n; i++)
		volume_message_done(&messages->messages[i]);
	free(messages->messages);
	free(messages->pointers);
	*messages = (struct volume_messages){ 0 };
}

static int
describe_all(struct volume_messages *messages, struct volume **volumes,
	     size_t n, const struct client *client)
{
	messages->messages = calloc(n + 1, sizeof(*messages->messages));
	messages->pointers = calloc(n + 1, sizeof(Nbdclientd__V1__Volume *));
	if (!messages->messages || !messages->pointers)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct volume_message *message = &messages->messages[i];
		int error = volume_message_init(message, volumes[i], client);

		if (error < 0)
			return error;
		messages->pointers[i] = &message->volume;
		messages->n = i + 1;
	}
	return 0;
}

int
volume_messages_init(struct volume_messages *messages, struct daemon *daemon,
		     const struct client *client)
{
	struct volume **volumes;
	size_t n;
	int error = volumes_list(daemon, client, &volumes, &n);

	*messages = (struct volume_messages){ 0 };
	if (error < 0)
		return error;
	error = describe_all(messages, volumes, n, client);
	volumes_unref(volumes, n);
	if (error < 0)
		volume_messages_done(messages);
	return error;
}

/* A payload's owner alone is what keeps its bytes alive. */
static void
release_payload(void *owner)
{
	struct payload payload = { .owner = owner };

	payload_release(&payload);
}

struct buffer
buffer_from_payload(struct payload *payload)
{
	struct payload taken = payload_take(payload);
	struct buffer buffer = { .size = taken.length,
				 .pieces = taken.pieces,
				 .n_pieces = taken.n_pieces,
				 .release = release_payload,
				 .owner = taken.owner };

	if (!taken.owner)
		return (struct buffer){ 0 };
	/* The core only reads what it writes to a server. */
	memcpy(&buffer.data, &taken.bytes, sizeof(buffer.data));
	return buffer;
}

static void
keep_bytes(void *owner)
{
	(void)owner;
}

struct payload
payload_from_buffer(struct buffer *buffer)
{
	struct buffer taken = buffer_take(buffer);

	if (taken.size == 0) {
		buffer_release(&taken);
		return PAYLOAD_EMPTY;
	}
	return payload_wrap(taken.data, taken.size,
			    taken.release ? taken.release : keep_bytes,
			    taken.owner);
}
