/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions of libnbd that --direct uses, of whichever libnbd.so.0 is
 * there: it is loaded when the first handle is made. */
#pragma once

#include <libnbd.h>

#include "cli/library.h"

/* clang-format off */
#define DIRECT_FUNCTIONS(X)                                                   \
	X(nbd_add_meta_context)                                               \
	X(nbd_aio_block_status)                                               \
	X(nbd_aio_cache)                                                      \
	X(nbd_aio_connect_uri)                                                \
	X(nbd_aio_flush)                                                      \
	X(nbd_aio_get_direction)                                              \
	X(nbd_aio_get_fd)                                                     \
	X(nbd_aio_is_closed)                                                  \
	X(nbd_aio_is_connecting)                                              \
	X(nbd_aio_is_created)                                                 \
	X(nbd_aio_is_dead)                                                    \
	X(nbd_aio_is_negotiating)                                             \
	X(nbd_aio_is_ready)                                                   \
	X(nbd_aio_notify_read)                                                \
	X(nbd_aio_notify_write)                                               \
	X(nbd_aio_opt_go)                                                     \
	X(nbd_aio_opt_info)                                                   \
	X(nbd_aio_opt_list)                                                   \
	X(nbd_aio_opt_list_meta_context)                                      \
	X(nbd_aio_pread)                                                      \
	X(nbd_aio_pwrite)                                                     \
	X(nbd_aio_trim)                                                       \
	X(nbd_aio_zero)                                                       \
	X(nbd_block_status)                                                   \
	X(nbd_cache)                                                          \
	X(nbd_can_cache)                                                      \
	X(nbd_can_df)                                                         \
	X(nbd_can_fast_zero)                                                  \
	X(nbd_can_flush)                                                      \
	X(nbd_can_fua)                                                        \
	X(nbd_can_meta_context)                                               \
	X(nbd_can_multi_conn)                                                 \
	X(nbd_can_trim)                                                       \
	X(nbd_can_zero)                                                       \
	X(nbd_clear_meta_contexts)                                            \
	X(nbd_close)                                                          \
	X(nbd_create)                                                         \
	X(nbd_flush)                                                          \
	X(nbd_get_block_size)                                                 \
	X(nbd_get_errno)                                                      \
	X(nbd_get_error)                                                      \
	X(nbd_get_export_name)                                                \
	X(nbd_get_protocol)                                                   \
	X(nbd_get_size)                                                       \
	X(nbd_get_structured_replies_negotiated)                              \
	X(nbd_get_tls_negotiated)                                             \
	X(nbd_is_read_only)                                                   \
	X(nbd_is_rotational)                                                  \
	X(nbd_opt_abort)                                                      \
	X(nbd_poll)                                                           \
	X(nbd_pread)                                                          \
	X(nbd_pwrite)                                                         \
	X(nbd_set_debug)                                                      \
	X(nbd_set_export_name)                                                \
	X(nbd_set_opt_mode)                                                   \
	X(nbd_shutdown)                                                       \
	X(nbd_trim)                                                           \
	X(nbd_zero)
/* clang-format on */

/* What older ones lack: NULL there. */
#define DIRECT_NEWER_FUNCTIONS(X)              \
	X(nbd_get_extended_headers_negotiated) \
	X(nbd_set_pread_initialize)

DIRECT_FUNCTIONS(LIBRARY_DECLARE)
DIRECT_NEWER_FUNCTIONS(LIBRARY_DECLARE)

/* EXIT_OK, or the code of a recorded failure. Before any other function. */
int direct_library_load(void);
