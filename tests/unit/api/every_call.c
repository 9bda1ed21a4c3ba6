/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line for each function, in the order in which they were added. */
#include "tests/unit/api/every_call.h"

#include <stdlib.h>

/* The argument at POSITION of the prototype. */
#define GIVEN(position, value) (in->null == (position) ? NULL : (value))

static void
count_free(void *user_data)
{
	unsigned *n_freed = user_data;

	if (n_freed)
		++*n_freed;
}

static int
on_completion(void *user_data, int *error)
{
	(void)user_data;
	(void)error;
	return 0;
}

static int
on_debug(void *user_data, const char *context, const char *message)
{
	(void)user_data;
	(void)context;
	(void)message;
	return 0;
}

static int
on_chunk(void *user_data, const void *buffer, size_t count, uint64_t offset,
	 unsigned status, int *error)
{
	(void)user_data;
	(void)buffer;
	(void)count;
	(void)offset;
	(void)status;
	(void)error;
	return 0;
}

static int
on_extent(void *user_data, const char *context, uint64_t offset,
	  uint32_t *entries, size_t n_entries, int *error)
{
	(void)user_data;
	(void)context;
	(void)offset;
	(void)entries;
	(void)n_entries;
	(void)error;
	return 0;
}

static int
on_extent64(void *user_data, const char *context, uint64_t offset,
	    nbd_extent *entries, size_t n_entries, int *error)
{
	(void)user_data;
	(void)context;
	(void)offset;
	(void)entries;
	(void)n_entries;
	(void)error;
	return 0;
}

static int
on_list(void *user_data, const char *name, const char *description)
{
	(void)user_data;
	(void)name;
	(void)description;
	return 0;
}

static int
on_context(void *user_data, const char *name)
{
	(void)user_data;
	(void)name;
	return 0;
}

#define DEFINE_CLOSURE(kind)                                           \
	static nbd_##kind##_callback kind##_of(const struct input *in) \
	{                                                              \
		if (in->no_closures)                                   \
			return (nbd_##kind##_callback){ NULL };        \
		return (nbd_##kind##_callback){                        \
			.callback = on_##kind,                         \
			.user_data = in->n_freed,                      \
			.free = count_free,                            \
		};                                                     \
	}
DEFINE_CLOSURE(completion)
DEFINE_CLOSURE(debug)
DEFINE_CLOSURE(chunk)
DEFINE_CLOSURE(extent)
DEFINE_CLOSURE(extent64)
DEFINE_CLOSURE(list)
DEFINE_CLOSURE(context)

static int64_t
owned(char *text)
{
	int64_t result = text ? 0 : -1;

	free(text);
	return result;
}

static int64_t
text(const char *text_)
{
	return text_ ? 0 : -1;
}

#define number(result) ((int64_t)(result))

/* clang-format off */
#define EVERY_CALL(X) \
	X(add_meta_context, number(nbd_add_meta_context(h, GIVEN(2, "x:y")))) \
	X(aio_block_status, number(nbd_aio_block_status(h, 512, 0, extent_of(in), completion_of(in), in->flags))) \
	X(aio_cache, number(nbd_aio_cache(h, 512, 0, completion_of(in), in->flags))) \
	X(aio_command_completed, number(nbd_aio_command_completed(h, 1))) \
	X(aio_connect, number(nbd_aio_connect(h, GIVEN(2, in->address), in->address_length))) \
	X(aio_connect_command, number(nbd_aio_connect_command(h, GIVEN(2, in->argv)))) \
	X(aio_connect_tcp, number(nbd_aio_connect_tcp(h, GIVEN(2, "127.0.0.1"), GIVEN(3, "1")))) \
	X(aio_connect_unix, number(nbd_aio_connect_unix(h, GIVEN(2, "/no/such/socket")))) \
	X(aio_connect_uri, number(nbd_aio_connect_uri(h, GIVEN(2, "nbd+unix:///?socket=/no/such/socket")))) \
	X(aio_disconnect, number(nbd_aio_disconnect(h, in->flags))) \
	X(aio_flush, number(nbd_aio_flush(h, completion_of(in), in->flags))) \
	X(aio_get_direction, number(nbd_aio_get_direction(h))) \
	X(aio_get_fd, number(nbd_aio_get_fd(h))) \
	X(aio_in_flight, number(nbd_aio_in_flight(h))) \
	X(aio_is_closed, number(nbd_aio_is_closed(h))) \
	X(aio_is_connecting, number(nbd_aio_is_connecting(h))) \
	X(aio_is_created, number(nbd_aio_is_created(h))) \
	X(aio_is_dead, number(nbd_aio_is_dead(h))) \
	X(aio_is_processing, number(nbd_aio_is_processing(h))) \
	X(aio_is_ready, number(nbd_aio_is_ready(h))) \
	X(aio_notify_read, number(nbd_aio_notify_read(h))) \
	X(aio_notify_write, number(nbd_aio_notify_write(h))) \
	X(aio_peek_command_completed, number(nbd_aio_peek_command_completed(h))) \
	X(aio_pread, number(nbd_aio_pread(h, GIVEN(2, in->buffer), 512, 0, completion_of(in), in->flags))) \
	X(aio_pread_structured, number(nbd_aio_pread_structured(h, GIVEN(2, in->buffer), 512, 0, chunk_of(in), completion_of(in), in->flags))) \
	X(aio_pwrite, number(nbd_aio_pwrite(h, GIVEN(2, in->buffer), 512, 0, completion_of(in), in->flags))) \
	X(aio_trim, number(nbd_aio_trim(h, 512, 0, completion_of(in), in->flags))) \
	X(aio_zero, number(nbd_aio_zero(h, 512, 0, completion_of(in), in->flags))) \
	X(block_status, number(nbd_block_status(h, 512, 0, extent_of(in), in->flags))) \
	X(cache, number(nbd_cache(h, 512, 0, in->flags))) \
	X(can_cache, number(nbd_can_cache(h))) \
	X(can_df, number(nbd_can_df(h))) \
	X(can_flush, number(nbd_can_flush(h))) \
	X(can_fua, number(nbd_can_fua(h))) \
	X(can_meta_context, number(nbd_can_meta_context(h, GIVEN(2, "base:allocation")))) \
	X(can_multi_conn, number(nbd_can_multi_conn(h))) \
	X(can_trim, number(nbd_can_trim(h))) \
	X(can_zero, number(nbd_can_zero(h))) \
	X(clear_debug_callback, number(nbd_clear_debug_callback(h))) \
	X(connect_command, number(nbd_connect_command(h, GIVEN(2, in->argv)))) \
	X(connect_tcp, number(nbd_connect_tcp(h, GIVEN(2, "127.0.0.1"), GIVEN(3, "1")))) \
	X(connect_unix, number(nbd_connect_unix(h, GIVEN(2, "/no/such/socket")))) \
	X(connect_uri, number(nbd_connect_uri(h, GIVEN(2, "nbd+unix:///?socket=/no/such/socket")))) \
	X(connection_state, text(nbd_connection_state(h))) \
	X(flush, number(nbd_flush(h, in->flags))) \
	X(get_debug, number(nbd_get_debug(h))) \
	X(get_export_name, owned(nbd_get_export_name(h))) \
	X(get_handle_name, owned(nbd_get_handle_name(h))) \
	X(get_package_name, text(nbd_get_package_name(h))) \
	X(get_size, number(nbd_get_size(h))) \
	X(get_tls, number(nbd_get_tls(h))) \
	X(get_tls_username, owned(nbd_get_tls_username(h))) \
	X(get_tls_verify_peer, number(nbd_get_tls_verify_peer(h))) \
	X(get_version, text(nbd_get_version(h))) \
	X(is_read_only, number(nbd_is_read_only(h))) \
	X(is_rotational, number(nbd_is_rotational(h))) \
	X(kill_subprocess, number(nbd_kill_subprocess(h, 0))) \
	X(poll, number(nbd_poll(h, 0))) \
	X(pread, number(nbd_pread(h, GIVEN(2, in->buffer), 512, 0, in->flags))) \
	X(pread_structured, number(nbd_pread_structured(h, GIVEN(2, in->buffer), 512, 0, chunk_of(in), in->flags))) \
	X(pwrite, number(nbd_pwrite(h, GIVEN(2, in->buffer), 512, 0, in->flags))) \
	X(set_debug, number(nbd_set_debug(h, false))) \
	X(set_debug_callback, number(nbd_set_debug_callback(h, debug_of(in)))) \
	X(set_export_name, number(nbd_set_export_name(h, GIVEN(2, "one")))) \
	X(set_handle_name, number(nbd_set_handle_name(h, GIVEN(2, "handle")))) \
	X(set_tls, number(nbd_set_tls(h, 0))) \
	X(set_tls_certificates, number(nbd_set_tls_certificates(h, GIVEN(2, "/no/such")))) \
	X(set_tls_psk_file, number(nbd_set_tls_psk_file(h, GIVEN(2, "/no/such")))) \
	X(set_tls_username, number(nbd_set_tls_username(h, GIVEN(2, "me")))) \
	X(set_tls_verify_peer, number(nbd_set_tls_verify_peer(h, false))) \
	X(shutdown, number(nbd_shutdown(h, in->flags))) \
	X(supports_tls, number(nbd_supports_tls(h))) \
	X(supports_uri, number(nbd_supports_uri(h))) \
	X(trim, number(nbd_trim(h, 512, 0, in->flags))) \
	X(zero, number(nbd_zero(h, 512, 0, in->flags))) \
	X(aio_connect_socket, number(nbd_aio_connect_socket(h, -1))) \
	X(aio_connect_systemd_socket_activation, number(nbd_aio_connect_systemd_socket_activation(h, GIVEN(2, in->argv)))) \
	X(aio_connect_vsock, number(nbd_aio_connect_vsock(h, 1, 9))) \
	X(can_fast_zero, number(nbd_can_fast_zero(h))) \
	X(connect_socket, number(nbd_connect_socket(h, -1))) \
	X(connect_systemd_socket_activation, number(nbd_connect_systemd_socket_activation(h, GIVEN(2, in->argv)))) \
	X(connect_vsock, number(nbd_connect_vsock(h, 1, 9))) \
	X(get_handshake_flags, number(nbd_get_handshake_flags(h))) \
	X(get_protocol, text(nbd_get_protocol(h))) \
	X(get_request_structured_replies, number(nbd_get_request_structured_replies(h))) \
	X(get_structured_replies_negotiated, number(nbd_get_structured_replies_negotiated(h))) \
	X(get_tls_negotiated, number(nbd_get_tls_negotiated(h))) \
	X(set_handshake_flags, number(nbd_set_handshake_flags(h, 0))) \
	X(set_request_structured_replies, number(nbd_set_request_structured_replies(h, false))) \
	X(set_uri_allow_local_file, number(nbd_set_uri_allow_local_file(h, false))) \
	X(set_uri_allow_tls, number(nbd_set_uri_allow_tls(h, 0))) \
	X(set_uri_allow_transports, number(nbd_set_uri_allow_transports(h, 0))) \
	X(aio_is_negotiating, number(nbd_aio_is_negotiating(h))) \
	X(aio_opt_abort, number(nbd_aio_opt_abort(h))) \
	X(aio_opt_go, number(nbd_aio_opt_go(h, completion_of(in)))) \
	X(aio_opt_info, number(nbd_aio_opt_info(h, completion_of(in)))) \
	X(aio_opt_list, number(nbd_aio_opt_list(h, list_of(in), completion_of(in)))) \
	X(get_block_size, number(nbd_get_block_size(h, 0))) \
	X(get_canonical_export_name, owned(nbd_get_canonical_export_name(h))) \
	X(get_export_description, owned(nbd_get_export_description(h))) \
	X(get_full_info, number(nbd_get_full_info(h))) \
	X(get_opt_mode, number(nbd_get_opt_mode(h))) \
	X(opt_abort, number(nbd_opt_abort(h))) \
	X(opt_go, number(nbd_opt_go(h))) \
	X(opt_info, number(nbd_opt_info(h))) \
	X(opt_list, number(nbd_opt_list(h, list_of(in)))) \
	X(set_full_info, number(nbd_set_full_info(h, false))) \
	X(set_opt_mode, number(nbd_set_opt_mode(h, false))) \
	X(aio_opt_list_meta_context, number(nbd_aio_opt_list_meta_context(h, context_of(in), completion_of(in)))) \
	X(clear_meta_contexts, number(nbd_clear_meta_contexts(h))) \
	X(get_meta_context, owned(nbd_get_meta_context(h, 0))) \
	X(get_nr_meta_contexts, number(nbd_get_nr_meta_contexts(h))) \
	X(get_strict_mode, number(nbd_get_strict_mode(h))) \
	X(opt_list_meta_context, number(nbd_opt_list_meta_context(h, context_of(in)))) \
	X(set_strict_mode, number(nbd_set_strict_mode(h, 0))) \
	X(get_private_data, number(nbd_get_private_data(h))) \
	X(get_uri, owned(nbd_get_uri(h))) \
	X(set_private_data, number(nbd_set_private_data(h, 0))) \
	X(get_pread_initialize, number(nbd_get_pread_initialize(h))) \
	X(get_request_block_size, number(nbd_get_request_block_size(h))) \
	X(set_pread_initialize, number(nbd_set_pread_initialize(h, false))) \
	X(set_request_block_size, number(nbd_set_request_block_size(h, false))) \
	X(aio_opt_list_meta_context_queries, number(nbd_aio_opt_list_meta_context_queries(h, GIVEN(2, in->names), context_of(in), completion_of(in)))) \
	X(aio_opt_set_meta_context, number(nbd_aio_opt_set_meta_context(h, context_of(in), completion_of(in)))) \
	X(aio_opt_set_meta_context_queries, number(nbd_aio_opt_set_meta_context_queries(h, GIVEN(2, in->names), context_of(in), completion_of(in)))) \
	X(aio_opt_starttls, number(nbd_aio_opt_starttls(h, completion_of(in)))) \
	X(aio_opt_structured_reply, number(nbd_aio_opt_structured_reply(h, completion_of(in)))) \
	X(get_request_meta_context, number(nbd_get_request_meta_context(h))) \
	X(get_socket_activation_name, owned(nbd_get_socket_activation_name(h))) \
	X(opt_list_meta_context_queries, number(nbd_opt_list_meta_context_queries(h, GIVEN(2, in->names), context_of(in)))) \
	X(opt_set_meta_context, number(nbd_opt_set_meta_context(h, context_of(in)))) \
	X(opt_set_meta_context_queries, number(nbd_opt_set_meta_context_queries(h, GIVEN(2, in->names), context_of(in)))) \
	X(opt_starttls, number(nbd_opt_starttls(h))) \
	X(opt_structured_reply, number(nbd_opt_structured_reply(h))) \
	X(poll2, number(nbd_poll2(h, -1, 0))) \
	X(set_request_meta_context, number(nbd_set_request_meta_context(h, false))) \
	X(set_socket_activation_name, number(nbd_set_socket_activation_name(h, GIVEN(2, "name")))) \
	X(stats_bytes_received, number(nbd_stats_bytes_received(h))) \
	X(stats_bytes_sent, number(nbd_stats_bytes_sent(h))) \
	X(stats_chunks_received, number(nbd_stats_chunks_received(h))) \
	X(stats_chunks_sent, number(nbd_stats_chunks_sent(h))) \
	X(supports_vsock, number(nbd_supports_vsock(h))) \
	X(aio_block_status_64, number(nbd_aio_block_status_64(h, 512, 0, extent64_of(in), completion_of(in), in->flags))) \
	X(aio_block_status_filter, number(nbd_aio_block_status_filter(h, 512, 0, GIVEN(4, in->names), extent64_of(in), completion_of(in), in->flags))) \
	X(aio_opt_extended_headers, number(nbd_aio_opt_extended_headers(h, completion_of(in)))) \
	X(block_status_64, number(nbd_block_status_64(h, 512, 0, extent64_of(in), in->flags))) \
	X(block_status_filter, number(nbd_block_status_filter(h, 512, 0, GIVEN(4, in->names), extent64_of(in), in->flags))) \
	X(can_block_status_payload, number(nbd_can_block_status_payload(h))) \
	X(get_extended_headers_negotiated, number(nbd_get_extended_headers_negotiated(h))) \
	X(get_request_extended_headers, number(nbd_get_request_extended_headers(h))) \
	X(opt_extended_headers, number(nbd_opt_extended_headers(h))) \
	X(set_request_extended_headers, number(nbd_set_request_extended_headers(h, false))) \
	X(get_subprocess_pid, number(nbd_get_subprocess_pid(h))) \
	X(get_tls_hostname, owned(nbd_get_tls_hostname(h))) \
	X(is_uri, number(nbd_is_uri(h, GIVEN(2, "nbd+unix:///?socket=/no/such/socket")))) \
	X(set_tls_hostname, number(nbd_set_tls_hostname(h, GIVEN(2, "host")))) \
	X(get_handle_size, number(nbd_get_handle_size(h))) \
	X(get_tls_priority, owned(nbd_get_tls_priority(h))) \
	X(get_version_extra, text(nbd_get_version_extra(h))) \
	X(set_tls_priority, number(nbd_set_tls_priority(h, GIVEN(2, "NORMAL")))) \
	X(set_uri_allow_tls_priority, number(nbd_set_uri_allow_tls_priority(h, false)))
/* clang-format on */

#define DEFINE(name, expression)                           \
	static int64_t call_##name(struct nbd_handle *h,   \
				   const struct input *in) \
	{                                                  \
		(void)in;                                  \
		return expression;                         \
	}
EVERY_CALL(DEFINE)

const struct every_call every_call[] = {
#define ROW(name, expression) { #name, call_##name },
	EVERY_CALL(ROW)
};

const size_t n_every_call = sizeof(every_call) / sizeof(every_call[0]);
