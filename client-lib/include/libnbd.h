/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libnbd: a client library for Network Block Devices.
 *
 *	struct nbd_handle *h = nbd_create();
 *
 *	if (!h || nbd_connect_uri(h, "nbd://localhost") == -1 ||
 *	    nbd_pread(h, buf, 512, 0, 0) == -1)
 *		fprintf(stderr, "%s\n", nbd_get_error());
 *	nbd_close(h);
 *
 * The interface is that of libnbd 1.24.4. Each function and callback type has
 * a macro LIBNBD_HAVE_<NAME> for programs that build against several versions.
 */
#ifndef LIBNBD_H
#define LIBNBD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LIBNBD_GCC_VERSION \
	(__GNUC__ * 10000 + __GNUC_MINOR__ * 100 + __GNUC_PATCHLEVEL__)
#pragma GCC visibility push(default)
#endif

/* Arguments that must not be NULL: the compiler warns, the call fails with
 * EFAULT. */
#ifndef LIBNBD_ATTRIBUTE_NONNULL
#if defined(LIBNBD_GCC_VERSION) && LIBNBD_GCC_VERSION >= 120000
#define LIBNBD_ATTRIBUTE_NONNULL(...) __attribute__((__nonnull__(__VA_ARGS__)))
#else
#define LIBNBD_ATTRIBUTE_NONNULL(...)
#endif
#endif

/* The function that frees the result. */
#if defined(LIBNBD_GCC_VERSION) && LIBNBD_GCC_VERSION >= 120000
#define LIBNBD_ATTRIBUTE_ALLOC_DEALLOC(fn) \
	__attribute__((__malloc__, __malloc__(fn, 1)))
#else
#define LIBNBD_ATTRIBUTE_ALLOC_DEALLOC(fn)
#endif

/* clang-format off */

/* nbd_set_tls() */
#define LIBNBD_TLS_DISABLE                    0
#define LIBNBD_TLS_ALLOW                      1
#define LIBNBD_TLS_REQUIRE                    2

/* nbd_get_block_size() */
#define LIBNBD_SIZE_MINIMUM                   0
#define LIBNBD_SIZE_PREFERRED                 1
#define LIBNBD_SIZE_MAXIMUM                   2
#define LIBNBD_SIZE_PAYLOAD                   3

/* flags of commands */
#define LIBNBD_CMD_FLAG_FUA                   0x01U
#define LIBNBD_CMD_FLAG_NO_HOLE               0x02U
#define LIBNBD_CMD_FLAG_DF                    0x04U
#define LIBNBD_CMD_FLAG_REQ_ONE               0x08U
#define LIBNBD_CMD_FLAG_FAST_ZERO             0x10U
#define LIBNBD_CMD_FLAG_PAYLOAD_LEN           0x20U
#define LIBNBD_CMD_FLAG_MASK                  0x3fU

/* nbd_set_handshake_flags() */
#define LIBNBD_HANDSHAKE_FLAG_FIXED_NEWSTYLE  0x01U
#define LIBNBD_HANDSHAKE_FLAG_NO_ZEROES       0x02U
#define LIBNBD_HANDSHAKE_FLAG_MASK            0x03U

/* nbd_set_strict_mode() */
#define LIBNBD_STRICT_COMMANDS                0x01U
#define LIBNBD_STRICT_FLAGS                   0x02U
#define LIBNBD_STRICT_BOUNDS                  0x04U
#define LIBNBD_STRICT_ZERO_SIZE               0x08U
#define LIBNBD_STRICT_ALIGN                   0x10U
#define LIBNBD_STRICT_PAYLOAD                 0x20U
#define LIBNBD_STRICT_AUTO_FLAG               0x40U
#define LIBNBD_STRICT_MASK                    0x7fU

/* nbd_set_uri_allow_transports() */
#define LIBNBD_ALLOW_TRANSPORT_TCP            0x01U
#define LIBNBD_ALLOW_TRANSPORT_UNIX           0x02U
#define LIBNBD_ALLOW_TRANSPORT_VSOCK          0x04U
#define LIBNBD_ALLOW_TRANSPORT_SSH            0x08U
#define LIBNBD_ALLOW_TRANSPORT_MASK           0x0fU

/* nbd_shutdown() */
#define LIBNBD_SHUTDOWN_ABANDON_PENDING       0x10000U
#define LIBNBD_SHUTDOWN_MASK                  0x10000U

/* nbd_aio_get_direction() */
#define LIBNBD_AIO_DIRECTION_READ             1
#define LIBNBD_AIO_DIRECTION_WRITE            2
#define LIBNBD_AIO_DIRECTION_BOTH             3

/* status of a chunk in nbd_chunk_callback */
#define LIBNBD_READ_DATA                      1
#define LIBNBD_READ_HOLE                      2
#define LIBNBD_READ_ERROR                     3

/* meta contexts and the flags of their extents */
#define LIBNBD_NAMESPACE_BASE                 "base:"
#define LIBNBD_CONTEXT_BASE_ALLOCATION        "base:allocation"
#define LIBNBD_STATE_HOLE                     1
#define LIBNBD_STATE_ZERO                     2
#define LIBNBD_NAMESPACE_QEMU                 "qemu:"
#define LIBNBD_CONTEXT_QEMU_DIRTY_BITMAP      "qemu:dirty-bitmap:"
#define LIBNBD_CONTEXT_QEMU_ALLOCATION_DEPTH  "qemu:allocation-depth"
#define LIBNBD_STATE_DIRTY                    1

/* clang-format on */

/* A connection. */
struct nbd_handle;

/*
 * == Handles and errors ==
 *
 * Functions that fail return -1, or NULL where they return a pointer, and
 * leave a text and an errno behind for the thread that called them. A handle
 * is one connection, used once. Calls on one handle from several threads wait
 * for each other; calls on different handles do not.
 */

/*
 * Callbacks are passed by value. FREE, if not NULL, is called exactly once,
 * when CALLBACK can no longer be called, also if the function that takes the
 * callback fails. They run under the lock of the handle: they must not call
 * functions of the same handle, except those that take no lock.
 *
 * Where a callback has ERROR, it points at the errno of the command so far;
 * returning -1 fails the command with the value left there (EPROTO if 0).
 */

/* One extent of nbd_block_status_64(); what FLAGS mean, the meta context
 * says. */
typedef struct {
	uint64_t length; /* in bytes, at most INT64_MAX */
	uint64_t flags;
} nbd_extent;

/* A piece of a read arrived: STATUS is one of LIBNBD_READ_*, SUBBUF the part
 * of the caller's buffer, OFFSET its place in the export. */
#define LIBNBD_HAVE_NBD_CHUNK_CALLBACK 1
typedef struct {
	int (*callback)(void *user_data, const void *subbuf, size_t count,
			uint64_t offset, unsigned status, int *error);
	void *user_data;
	void (*free)(void *user_data);
} nbd_chunk_callback;

/* A command is complete; *ERROR is its errno, 0 for success. Returning 1
 * retires the command at once. */
#define LIBNBD_HAVE_NBD_COMPLETION_CALLBACK 1
typedef struct {
	int (*callback)(void *user_data, int *error);
	void *user_data;
	void (*free)(void *user_data);
} nbd_completion_callback;

/* A debug message, MSG without newline; CONTEXT is the function. */
#define LIBNBD_HAVE_NBD_DEBUG_CALLBACK 1
typedef struct {
	int (*callback)(void *user_data, const char *context, const char *msg);
	void *user_data;
	void (*free)(void *user_data);
} nbd_debug_callback;

/* Extents from OFFSET on: NR_ENTRIES numbers, by turns length and flags. */
#define LIBNBD_HAVE_NBD_EXTENT_CALLBACK 1
typedef struct {
	int (*callback)(void *user_data, const char *metacontext,
			uint64_t offset, uint32_t *entries, size_t nr_entries,
			int *error);
	void *user_data;
	void (*free)(void *user_data);
} nbd_extent_callback;

/* Extents from OFFSET on: NR_ENTRIES of them. */
#define LIBNBD_HAVE_NBD_EXTENT64_CALLBACK 1
typedef struct {
	int (*callback)(void *user_data, const char *metacontext,
			uint64_t offset, nbd_extent *entries, size_t nr_entries,
			int *error);
	void *user_data;
	void (*free)(void *user_data);
} nbd_extent64_callback;

/* An export; DESCRIPTION is "" if there is none. */
#define LIBNBD_HAVE_NBD_LIST_CALLBACK 1
typedef struct {
	int (*callback)(void *user_data, const char *name,
			const char *description);
	void *user_data;
	void (*free)(void *user_data);
} nbd_list_callback;

/* A meta context. */
#define LIBNBD_HAVE_NBD_CONTEXT_CALLBACK 1
typedef struct {
	int (*callback)(void *user_data, const char *name);
	void *user_data;
	void (*free)(void *user_data);
} nbd_context_callback;

/* No completion callback. */
#define NBD_NULL_COMPLETION ((nbd_completion_callback){ .callback = NULL })

/*
 * Frees H and everything it owns; NULL is allowed. Nothing is said to the
 * server: nbd_shutdown() comes first for a clean end. Commands not yet retired
 * get their completion callback with ENOTCONN. Waits for a subprocess that a
 * connect call started.
 */
void nbd_close(struct nbd_handle *h);
#define LIBNBD_HAVE_NBD_CLOSE 1

/*
 * A new handle, not connected, to be freed with nbd_close(). NULL if memory is
 * short.
 */
struct nbd_handle *nbd_create(void) LIBNBD_ATTRIBUTE_ALLOC_DEALLOC(nbd_close);
#define LIBNBD_HAVE_NBD_CREATE 1

/*
 * The text of this thread's last error, "<function>: <what>[: <errno text>]",
 * or NULL if there was none. Valid until the thread's next call into the
 * library; not cleared by success.
 */
const char *nbd_get_error(void);
#define LIBNBD_HAVE_NBD_GET_ERROR 1

/*
 * The errno of this thread's last error; 0 if there was none or if it had
 * none.
 */
int nbd_get_errno(void);
#define LIBNBD_HAVE_NBD_GET_ERRNO 1

/*
 * == The handle itself ==
 */

/* Names H for debug messages. The default is "nbd1", "nbd2", ... */
int nbd_set_handle_name(struct nbd_handle *h, const char *handle_name)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_SET_HANDLE_NAME 1

/* The name of H. The caller frees it. */
char *nbd_get_handle_name(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1)
	LIBNBD_ATTRIBUTE_ALLOC_DEALLOC(__builtin_free);
#define LIBNBD_HAVE_NBD_GET_HANDLE_NAME 1

/*
 * Keeps a number or pointer for the caller and returns the one kept before.
 * Takes no lock.
 */
uintptr_t nbd_set_private_data(struct nbd_handle *h, uintptr_t private_data)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_PRIVATE_DATA 1

/* What nbd_set_private_data() kept; 0 at first. Takes no lock. */
uintptr_t nbd_get_private_data(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_PRIVATE_DATA 1

/* An estimate, in bytes, of the memory H holds. */
ssize_t nbd_get_handle_size(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_HANDLE_SIZE 1

/*
 * == Debug messages ==
 */

/*
 * Turns debug messages on or off. They are on from the start if LIBNBD_DEBUG=1
 * is in the environment when H is created.
 */
int nbd_set_debug(struct nbd_handle *h, bool debug) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_DEBUG 1

/* 1 if debug messages are on, else 0. */
int nbd_get_debug(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_DEBUG 1

/*
 * Sends debug messages to DEBUG_CALLBACK instead of standard error. Replaces,
 * and frees, an earlier one. Runs under the lock of H.
 */
int nbd_set_debug_callback(struct nbd_handle *h,
			   nbd_debug_callback debug_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_DEBUG_CALLBACK 1

/* Frees the debug callback: messages go to standard error again. */
int nbd_clear_debug_callback(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_CLEAR_DEBUG_CALLBACK 1

/*
 * == Settings ==
 *
 * Most of these must be made before connecting. Boolean settings take true or
 * false and are read back as 1 or 0.
 */

/*
 * Which export to ask for; "" (the default) is the server's default export.
 * Created or Negotiating; at most 4096 bytes (ENAMETOOLONG). In Negotiating a
 * different name forgets what was learned about the former export.
 */
int nbd_set_export_name(struct nbd_handle *h, const char *export_name)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_SET_EXPORT_NAME 1

/* The export name asked for. The caller frees it. */
char *nbd_get_export_name(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1)
	LIBNBD_ATTRIBUTE_ALLOC_DEALLOC(__builtin_free);
#define LIBNBD_HAVE_NBD_GET_EXPORT_NAME 1

/* Whether to ask the server for its block sizes (default true). */
int nbd_set_request_block_size(struct nbd_handle *h, bool request)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_REQUEST_BLOCK_SIZE 1

/* See nbd_set_request_block_size(). */
int nbd_get_request_block_size(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_REQUEST_BLOCK_SIZE 1

/*
 * Whether to ask the server for the canonical name and the description of the
 * export (default false).
 */
int nbd_set_full_info(struct nbd_handle *h, bool request)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_FULL_INFO 1

/* See nbd_set_full_info(). */
int nbd_get_full_info(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_FULL_INFO 1

/*
 * Whether to ask for extended headers (default true). Asked for only together
 * with structured replies.
 */
int nbd_set_request_extended_headers(struct nbd_handle *h, bool request)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_REQUEST_EXTENDED_HEADERS 1

/* See nbd_set_request_extended_headers(). */
int nbd_get_request_extended_headers(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_REQUEST_EXTENDED_HEADERS 1

/* Whether to ask for structured replies (default true). */
int nbd_set_request_structured_replies(struct nbd_handle *h, bool request)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_REQUEST_STRUCTURED_REPLIES 1

/* See nbd_set_request_structured_replies(). */
int nbd_get_request_structured_replies(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_REQUEST_STRUCTURED_REPLIES 1

/*
 * Whether nbd_opt_go(), nbd_opt_info() and connecting ask for the meta
 * contexts by themselves (default true). Created or Negotiating.
 */
int nbd_set_request_meta_context(struct nbd_handle *h, bool request)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_REQUEST_META_CONTEXT 1

/* See nbd_set_request_meta_context(). */
int nbd_get_request_meta_context(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_REQUEST_META_CONTEXT 1

/*
 * Which of LIBNBD_HANDSHAKE_FLAG_* may be agreed with the server (default
 * all). Other bits are EINVAL.
 */
int nbd_set_handshake_flags(struct nbd_handle *h, uint32_t flags)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_HANDSHAKE_FLAGS 1

/* The flags allowed; once connected, the flags agreed. */
uint32_t nbd_get_handshake_flags(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_HANDSHAKE_FLAGS 1

/*
 * Whether read buffers are zeroed before anything else (default true), so that
 * a failed read leaves no stale data. Any state.
 */
int nbd_set_pread_initialize(struct nbd_handle *h, bool request)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_PREAD_INITIALIZE 1

/* See nbd_set_pread_initialize(). */
int nbd_get_pread_initialize(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_PREAD_INITIALIZE 1

/*
 * Which mistakes of the caller are refused here instead of being sent to the
 * server: LIBNBD_STRICT_* (default all). Any state.
 */
int nbd_set_strict_mode(struct nbd_handle *h, uint32_t flags)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_STRICT_MODE 1

/* The strict mode flags in force. */
uint32_t nbd_get_strict_mode(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_STRICT_MODE 1

/*
 * Whether connecting stops in Negotiating, so that the caller drives option
 * negotiation with nbd_opt_*() (default false).
 */
int nbd_set_opt_mode(struct nbd_handle *h, bool enable)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_OPT_MODE 1

/* See nbd_set_opt_mode(). */
int nbd_get_opt_mode(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_OPT_MODE 1

/*
 * Adds NAME to the meta contexts to ask for, e.g.
 * LIBNBD_CONTEXT_BASE_ALLOCATION. At most 4096 bytes (ENAMETOOLONG).
 */
int nbd_add_meta_context(struct nbd_handle *h, const char *name)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_ADD_META_CONTEXT 1

/* How many meta contexts will be asked for. */
ssize_t nbd_get_nr_meta_contexts(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_NR_META_CONTEXTS 1

/*
 * The I-th meta context to be asked for, from 0. The caller frees it. EINVAL
 * if there are fewer.
 */
char *nbd_get_meta_context(struct nbd_handle *h, size_t i)
	LIBNBD_ATTRIBUTE_NONNULL(1)
		LIBNBD_ATTRIBUTE_ALLOC_DEALLOC(__builtin_free);
#define LIBNBD_HAVE_NBD_GET_META_CONTEXT 1

/* Empties the list of meta contexts to ask for. */
int nbd_clear_meta_contexts(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_CLEAR_META_CONTEXTS 1

/*
 * == TLS settings ==
 *
 * They can be made while the handle is new. Files that they name are read when
 * the TLS handshake begins, so mistakes in them show when connecting.
 */

/* 1 if this library was built with TLS, which this one always is. */
int nbd_supports_tls(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SUPPORTS_TLS 1

/*
 * LIBNBD_TLS_DISABLE (default), _ALLOW or _REQUIRE. ALLOW goes on in plain
 * text if the server has no TLS; a handshake that fails is an error in both.
 */
int nbd_set_tls(struct nbd_handle *h, int tls) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_TLS 1

/* The setting made with nbd_set_tls(). */
int nbd_get_tls(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_TLS 1

/* 1 if this connection is encrypted. */
int nbd_get_tls_negotiated(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_TLS_NEGOTIATED 1

/*
 * The directory of ca-cert.pem, ca-crl.pem, client-cert.pem, client-key.pem and
 * further client-cert-N.pem, client-key-N.pem (N = 0, 1, ...); all but the
 * first are optional. Default: ~/.pki/libnbd, ~/.config/pki/libnbd, or for root
 * /etc/pki/libnbd; without ca-cert.pem there, what the system trusts.
 */
int nbd_set_tls_certificates(struct nbd_handle *h, const char *dir)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_SET_TLS_CERTIFICATES 1

/*
 * Whether the server's certificate is verified (default true): its chain, its
 * dates, the revocation list, and the host name if there is one.
 */
int nbd_set_tls_verify_peer(struct nbd_handle *h, bool verify)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_TLS_VERIFY_PEER 1

/* See nbd_set_tls_verify_peer(). */
int nbd_get_tls_verify_peer(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_TLS_VERIFY_PEER 1

/* The user name for TLS-PSK; the default is $LOGNAME, then the login name. */
int nbd_set_tls_username(struct nbd_handle *h, const char *username)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_SET_TLS_USERNAME 1

/*
 * The user name that would be used. The caller frees it. NULL if none is known.
 */
char *nbd_get_tls_username(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1)
	LIBNBD_ATTRIBUTE_ALLOC_DEALLOC(__builtin_free);
#define LIBNBD_HAVE_NBD_GET_TLS_USERNAME 1

/*
 * The host name (or address) to expect in the server's certificate, on any kind
 * of connection; the default is the host connected to by TCP.
 */
int nbd_set_tls_hostname(struct nbd_handle *h, const char *hostname)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_SET_TLS_HOSTNAME 1

/* The host name expected, or "". The caller frees it. */
char *nbd_get_tls_hostname(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1)
	LIBNBD_ATTRIBUTE_ALLOC_DEALLOC(__builtin_free);
#define LIBNBD_HAVE_NBD_GET_TLS_HOSTNAME 1

/*
 * A file of user:hexkey lines, as psktool(1) makes it. Setting it chooses PSK
 * instead of certificates.
 */
int nbd_set_tls_psk_file(struct nbd_handle *h, const char *filename)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_SET_TLS_PSK_FILE 1

/*
 * The GnuTLS priority string. "NORMAL" alone, the default, means TLS 1.2 and
 * later, AES-128-GCM first where the processor is fast at it.
 */
int nbd_set_tls_priority(struct nbd_handle *h, const char *priority)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_SET_TLS_PRIORITY 1

/* The GnuTLS priority string in force. The caller frees it. */
char *nbd_get_tls_priority(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1)
	LIBNBD_ATTRIBUTE_ALLOC_DEALLOC(__builtin_free);
#define LIBNBD_HAVE_NBD_GET_TLS_PRIORITY 1

/*
 * == NBD URIs ==
 *
 * nbd[s]://[user@]host[:port][/export][?query], nbd[s]+unix:///export?socket=PATH,
 * nbd[s]+vsock://[cid[:port]]/export, nbd[s]+ssh://[user@]host[:port]/export.
 *
 * The last one runs "ssh [-C] -p PORT [-o User=USER] -- HOST nc ..." as
 * nbd_connect_command() would; over there nc connects to localhost and the
 * port ?nbd-port=, or to the unix socket ?socket=. ?compress=true adds -C.
 * What a shell could take for anything but itself is EINVAL.
 */

/* 1 if this library can connect to a URI. */
int nbd_supports_uri(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SUPPORTS_URI 1

/* 1 if URI begins like an NBD URI; the rest is not looked at. */
int nbd_is_uri(struct nbd_handle *h, const char *uri)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_IS_URI 1

/*
 * The URI of the connection, from which the same server and export can be
 * reached. The caller frees it. EINVAL for a connection that has none, such as
 * a socket handed in.
 */
char *nbd_get_uri(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1)
	LIBNBD_ATTRIBUTE_ALLOC_DEALLOC(__builtin_free);
#define LIBNBD_HAVE_NBD_GET_URI 1

/*
 * Which LIBNBD_ALLOW_TRANSPORT_* a URI may use (default all). Others are
 * EPERM.
 */
int nbd_set_uri_allow_transports(struct nbd_handle *h, uint32_t mask)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_URI_ALLOW_TRANSPORTS 1

/*
 * Whether a URI may ask for TLS: LIBNBD_TLS_DISABLE forbids nbds://, _ALLOW
 * (default) permits it, _REQUIRE forbids plain nbd://.
 */
int nbd_set_uri_allow_tls(struct nbd_handle *h, int tls)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_URI_ALLOW_TLS 1

/* Whether a URI may set tls-priority (default false). */
int nbd_set_uri_allow_tls_priority(struct nbd_handle *h, bool allow)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_URI_ALLOW_TLS_PRIORITY 1

/*
 * Whether a URI may name local files other than the socket, as tls-
 * certificates and tls-psk-file do (default false).
 */
int nbd_set_uri_allow_local_file(struct nbd_handle *h, bool allow)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SET_URI_ALLOW_LOCAL_FILE 1

/*
 * Connects to URI. EINVAL if it is malformed, EPERM if the settings above
 * forbid it. Settings made by the URI stay made if it fails.
 */
int nbd_connect_uri(struct nbd_handle *h, const char *uri)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_CONNECT_URI 1

/*
 * == Connecting ==
 *
 * The handle must be newly created. These return when the connection is ready
 * for commands, or in option mode when it is in Negotiating.
 */

/* Connects to a Unix domain socket. ENAMETOOLONG above 108 bytes. */
int nbd_connect_unix(struct nbd_handle *h, const char *unixsocket)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_CONNECT_UNIX 1

/* Connects to an AF_VSOCK address. */
int nbd_connect_vsock(struct nbd_handle *h, uint32_t cid, uint32_t port)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_CONNECT_VSOCK 1

/*
 * Connects to a host and a port or service name, trying each address. After a
 * failure to reach any, H can be connected again.
 */
int nbd_connect_tcp(struct nbd_handle *h, const char *hostname,
		    const char *port) LIBNBD_ATTRIBUTE_NONNULL(1, 2, 3);
#define LIBNBD_HAVE_NBD_CONNECT_TCP 1

/* Takes over a connected stream socket; the library closes it. */
int nbd_connect_socket(struct nbd_handle *h, int sock)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_CONNECT_SOCKET 1

/*
 * Runs ARGV, NULL-terminated, with the connection as its standard input and
 * output.
 */
int nbd_connect_command(struct nbd_handle *h, char **argv)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_CONNECT_COMMAND 1

/*
 * Runs ARGV with a listening Unix domain socket passed the systemd way, and
 * connects to it. The server gets SIGTERM in nbd_close().
 */
int nbd_connect_systemd_socket_activation(struct nbd_handle *h, char **argv)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_CONNECT_SYSTEMD_SOCKET_ACTIVATION 1

/*
 * The name of that socket, LISTEN_FDNAMES: at most 32 ASCII letters and
 * digits, "" for the default.
 */
int nbd_set_socket_activation_name(struct nbd_handle *h,
				   const char *socket_name)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_SET_SOCKET_ACTIVATION_NAME 1

/* See nbd_set_socket_activation_name(). The caller frees it. */
char *nbd_get_socket_activation_name(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1)
		LIBNBD_ATTRIBUTE_ALLOC_DEALLOC(__builtin_free);
#define LIBNBD_HAVE_NBD_GET_SOCKET_ACTIVATION_NAME 1

/*
 * == Option negotiation ==
 *
 * In state Negotiating, that is, with nbd_set_opt_mode(). An option the server
 * refuses leaves the connection usable.
 */

/*
 * Selects the export: on success H is Connected and ready for commands. The
 * server's refusal leaves H in Negotiating.
 */
int nbd_opt_go(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_OPT_GO 1

/* Ends the connection. */
int nbd_opt_abort(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_OPT_ABORT 1

/*
 * Asks for TLS: 1 agreed and the connection is encrypted, 0 refused. What was
 * negotiated before is forgotten: extended headers and structured replies have
 * to be asked for again.
 */
int nbd_opt_starttls(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_OPT_STARTTLS 1

/* Asks for extended headers: 1 agreed, 0 refused. */
int nbd_opt_extended_headers(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_OPT_EXTENDED_HEADERS 1

/* Asks for structured replies: 1 agreed, 0 refused. */
int nbd_opt_structured_reply(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_OPT_STRUCTURED_REPLY 1

/*
 * Lists the server's exports: LIST_CALLBACK is called for each. Returns how
 * many times it was.
 */
int nbd_opt_list(struct nbd_handle *h, nbd_list_callback list_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_OPT_LIST 1

/*
 * Asks about the export without selecting it; nbd_get_size() and its like then
 * answer.
 */
int nbd_opt_info(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_OPT_INFO 1

/*
 * Lists the meta contexts that match those set with nbd_add_meta_context();
 * all of them if none is set. Returns how many times CONTEXT_CALLBACK was
 * called.
 */
int nbd_opt_list_meta_context(struct nbd_handle *h,
			      nbd_context_callback context_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_OPT_LIST_META_CONTEXT 1

/* The same with an explicit list, NULL-terminated. */
int nbd_opt_list_meta_context_queries(struct nbd_handle *h, char **queries,
				      nbd_context_callback context_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_OPT_LIST_META_CONTEXT_QUERIES 1

/*
 * Agrees on meta contexts: those added that the server knows. Returns how many
 * times CONTEXT_CALLBACK was called.
 */
int nbd_opt_set_meta_context(struct nbd_handle *h,
			     nbd_context_callback context_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_OPT_SET_META_CONTEXT 1

/* The same with an explicit list, NULL-terminated. */
int nbd_opt_set_meta_context_queries(struct nbd_handle *h, char **queries,
				     nbd_context_callback context_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_OPT_SET_META_CONTEXT_QUERIES 1

/*
 * == What is known about the export ==
 *
 * EINVAL as long as the server has not said.
 */

/* 1 if the export cannot be written. */
int nbd_is_read_only(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_IS_READ_ONLY 1

/* 1 if the server knows nbd_flush(). */
int nbd_can_flush(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_CAN_FLUSH 1

/* 1 if the server knows LIBNBD_CMD_FLAG_FUA. */
int nbd_can_fua(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_CAN_FUA 1

/* 1 if the disk behind the export turns. */
int nbd_is_rotational(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_IS_ROTATIONAL 1

/* 1 if the server knows nbd_trim(). */
int nbd_can_trim(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_CAN_TRIM 1

/* 1 if the server knows nbd_zero(). */
int nbd_can_zero(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_CAN_ZERO 1

/* 1 if the server knows LIBNBD_CMD_FLAG_FAST_ZERO. */
int nbd_can_fast_zero(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_CAN_FAST_ZERO 1

/* 1 if the server knows nbd_block_status_filter(). */
int nbd_can_block_status_payload(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_CAN_BLOCK_STATUS_PAYLOAD 1

/* 1 if the server knows LIBNBD_CMD_FLAG_DF. */
int nbd_can_df(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_CAN_DF 1

/* 1 if several connections see each other's writes after a flush. */
int nbd_can_multi_conn(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_CAN_MULTI_CONN 1

/* 1 if the server knows nbd_cache(). */
int nbd_can_cache(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_CAN_CACHE 1

/* 1 if METACONTEXT was agreed on. */
int nbd_can_meta_context(struct nbd_handle *h, const char *metacontext)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_CAN_META_CONTEXT 1

/* "oldstyle", "newstyle" or "newstyle-fixed". */
const char *nbd_get_protocol(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_PROTOCOL 1

/* The size of the export in bytes. EOVERFLOW above INT64_MAX. */
int64_t nbd_get_size(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_SIZE 1

/*
 * One of LIBNBD_SIZE_*: minimum, preferred, maximum block size in bytes, 0 if
 * the server did not say; or the largest payload that is safe.
 */
int64_t nbd_get_block_size(struct nbd_handle *h, int size_type)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_BLOCK_SIZE 1

/*
 * The server's own name for the export. The caller frees it. ENOTSUP if the
 * server did not say; see nbd_set_full_info().
 */
char *nbd_get_canonical_export_name(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1)
		LIBNBD_ATTRIBUTE_ALLOC_DEALLOC(__builtin_free);
#define LIBNBD_HAVE_NBD_GET_CANONICAL_EXPORT_NAME 1

/*
 * The description of the export. The caller frees it. ENOTSUP if the server
 * did not say; see nbd_set_full_info().
 */
char *nbd_get_export_description(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1)
		LIBNBD_ATTRIBUTE_ALLOC_DEALLOC(__builtin_free);
#define LIBNBD_HAVE_NBD_GET_EXPORT_DESCRIPTION 1

/* 1 if structured replies were agreed on. */
int nbd_get_structured_replies_negotiated(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_STRUCTURED_REPLIES_NEGOTIATED 1

/* 1 if extended headers were agreed on. */
int nbd_get_extended_headers_negotiated(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_EXTENDED_HEADERS_NEGOTIATED 1

/*
 * == Commands ==
 *
 * COUNT and OFFSET are in bytes. These wait for the server's reply. An error
 * of the server becomes the errno: EPERM, EIO, ENOMEM, EINVAL, ENOSPC,
 * EOVERFLOW, ENOTSUP or ESHUTDOWN. Reads and writes are limited to 64 MiB
 * (ERANGE). FLAGS are LIBNBD_CMD_FLAG_*; what a call does not accept is EINVAL.
 */

/* Reads COUNT bytes at OFFSET into BUF. */
int nbd_pread(struct nbd_handle *h, void *buf, size_t count, uint64_t offset,
	      uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_PREAD 1

/*
 * Reads like nbd_pread() and calls CHUNK_CALLBACK for each piece as it
 * arrives, with LIBNBD_READ_DATA, _HOLE or _ERROR. FLAGS may hold DF.
 */
int nbd_pread_structured(struct nbd_handle *h, void *buf, size_t count,
			 uint64_t offset, nbd_chunk_callback chunk_callback,
			 uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_PREAD_STRUCTURED 1

/* Writes COUNT bytes from BUF at OFFSET. FLAGS may hold FUA and PAYLOAD_LEN. */
int nbd_pwrite(struct nbd_handle *h, const void *buf, size_t count,
	       uint64_t offset, uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_PWRITE 1

/* Returns when every write completed before is on stable storage. */
int nbd_flush(struct nbd_handle *h, uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_FLUSH 1

/* Says that a range is no longer needed. FLAGS may hold FUA. */
int nbd_trim(struct nbd_handle *h, uint64_t count, uint64_t offset,
	     uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_TRIM 1

/* Asks the server to prefetch a range. */
int nbd_cache(struct nbd_handle *h, uint64_t count, uint64_t offset,
	      uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_CACHE 1

/*
 * Writes zeroes without sending them. FLAGS may hold FUA, NO_HOLE, FAST_ZERO.
 */
int nbd_zero(struct nbd_handle *h, uint64_t count, uint64_t offset,
	     uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_ZERO 1

/*
 * Asks for the extents of a range: EXTENT_CALLBACK is called per meta context
 * with pairs of length and flags. FLAGS may hold REQ_ONE.
 */
int nbd_block_status(struct nbd_handle *h, uint64_t count, uint64_t offset,
		     nbd_extent_callback extent_callback, uint32_t flags)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_BLOCK_STATUS 1

/* The same with 64-bit lengths and flags. */
int nbd_block_status_64(struct nbd_handle *h, uint64_t count, uint64_t offset,
			nbd_extent64_callback extent64_callback, uint32_t flags)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_BLOCK_STATUS_64 1

/*
 * The same for some of the meta contexts agreed on, CONTEXTS, NULL-terminated.
 * Needs extended headers.
 */
int nbd_block_status_filter(struct nbd_handle *h, uint64_t count,
			    uint64_t offset, char **contexts,
			    nbd_extent64_callback extent64_callback,
			    uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1, 4);
#define LIBNBD_HAVE_NBD_BLOCK_STATUS_FILTER 1

/*
 * Says goodbye: sends what is queued, asks the server to disconnect and waits
 * until it does. FLAGS may hold LIBNBD_SHUTDOWN_ABANDON_PENDING: commands not
 * yet begun fail instead.
 */
int nbd_shutdown(struct nbd_handle *h, uint32_t flags)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SHUTDOWN 1

/*
 * == Asynchronous connecting and negotiating ==
 *
 * These begin what the functions without aio_ do, and return 0 at once. They
 * are done when nbd_aio_is_connecting() says 0.
 */

/* Connects to a stream socket address of any family. */
int nbd_aio_connect(struct nbd_handle *h, const struct sockaddr *addr,
		    socklen_t addrlen) LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_AIO_CONNECT 1

/* Begins nbd_connect_uri(). */
int nbd_aio_connect_uri(struct nbd_handle *h, const char *uri)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_AIO_CONNECT_URI 1

/* Begins nbd_connect_unix(). */
int nbd_aio_connect_unix(struct nbd_handle *h, const char *unixsocket)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_AIO_CONNECT_UNIX 1

/* Begins nbd_connect_vsock(). */
int nbd_aio_connect_vsock(struct nbd_handle *h, uint32_t cid, uint32_t port)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_CONNECT_VSOCK 1

/* Begins nbd_connect_tcp(). The name is resolved before it returns. */
int nbd_aio_connect_tcp(struct nbd_handle *h, const char *hostname,
			const char *port) LIBNBD_ATTRIBUTE_NONNULL(1, 2, 3);
#define LIBNBD_HAVE_NBD_AIO_CONNECT_TCP 1

/* Begins nbd_connect_socket(). */
int nbd_aio_connect_socket(struct nbd_handle *h, int sock)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_CONNECT_SOCKET 1

/* Begins nbd_connect_command(). */
int nbd_aio_connect_command(struct nbd_handle *h, char **argv)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_AIO_CONNECT_COMMAND 1

/* Begins nbd_connect_systemd_socket_activation(). */
int nbd_aio_connect_systemd_socket_activation(struct nbd_handle *h, char **argv)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_AIO_CONNECT_SYSTEMD_SOCKET_ACTIVATION 1

/*
 * Begins nbd_opt_go(). COMPLETION_CALLBACK may be NBD_NULL_COMPLETION; its
 * *ERROR is 0 if the option was granted.
 */
int nbd_aio_opt_go(struct nbd_handle *h,
		   nbd_completion_callback completion_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_OPT_GO 1

/* Begins nbd_opt_abort(). */
int nbd_aio_opt_abort(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_OPT_ABORT 1

/* Begins nbd_opt_starttls(). */
int nbd_aio_opt_starttls(struct nbd_handle *h,
			 nbd_completion_callback completion_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_OPT_STARTTLS 1

/* Begins nbd_opt_extended_headers(). */
int nbd_aio_opt_extended_headers(struct nbd_handle *h,
				 nbd_completion_callback completion_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_OPT_EXTENDED_HEADERS 1

/* Begins nbd_opt_structured_reply(). */
int nbd_aio_opt_structured_reply(struct nbd_handle *h,
				 nbd_completion_callback completion_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_OPT_STRUCTURED_REPLY 1

/* Begins nbd_opt_list(). */
int nbd_aio_opt_list(struct nbd_handle *h, nbd_list_callback list_callback,
		     nbd_completion_callback completion_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_OPT_LIST 1

/* Begins nbd_opt_info(). */
int nbd_aio_opt_info(struct nbd_handle *h,
		     nbd_completion_callback completion_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_OPT_INFO 1

/* Begins nbd_opt_list_meta_context(). */
int nbd_aio_opt_list_meta_context(struct nbd_handle *h,
				  nbd_context_callback context_callback,
				  nbd_completion_callback completion_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_OPT_LIST_META_CONTEXT 1

/* Begins nbd_opt_list_meta_context_queries(). */
int nbd_aio_opt_list_meta_context_queries(
	struct nbd_handle *h, char **queries,
	nbd_context_callback context_callback,
	nbd_completion_callback completion_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_AIO_OPT_LIST_META_CONTEXT_QUERIES 1

/* Begins nbd_opt_set_meta_context(). */
int nbd_aio_opt_set_meta_context(struct nbd_handle *h,
				 nbd_context_callback context_callback,
				 nbd_completion_callback completion_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_OPT_SET_META_CONTEXT 1

/* Begins nbd_opt_set_meta_context_queries(). */
int nbd_aio_opt_set_meta_context_queries(
	struct nbd_handle *h, char **queries,
	nbd_context_callback context_callback,
	nbd_completion_callback completion_callback)
	LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_AIO_OPT_SET_META_CONTEXT_QUERIES 1

/*
 * == Asynchronous commands ==
 *
 * These queue a command and return its cookie, which is at least 1 and unique
 * within the handle. Buffers belong to the command until it completes. Unless
 * COMPLETION_CALLBACK returned 1, the command is retired with
 * nbd_aio_command_completed().
 */

/* Queues nbd_pread(). */
int64_t nbd_aio_pread(struct nbd_handle *h, void *buf, size_t count,
		      uint64_t offset,
		      nbd_completion_callback completion_callback,
		      uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_AIO_PREAD 1

/* Queues nbd_pread_structured(). */
int64_t nbd_aio_pread_structured(struct nbd_handle *h, void *buf, size_t count,
				 uint64_t offset,
				 nbd_chunk_callback chunk_callback,
				 nbd_completion_callback completion_callback,
				 uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_AIO_PREAD_STRUCTURED 1

/* Queues nbd_pwrite(). */
int64_t nbd_aio_pwrite(struct nbd_handle *h, const void *buf, size_t count,
		       uint64_t offset,
		       nbd_completion_callback completion_callback,
		       uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1, 2);
#define LIBNBD_HAVE_NBD_AIO_PWRITE 1

/*
 * Queues the request to disconnect, after which no command is accepted. There
 * is no reply: wait for nbd_aio_is_closed().
 */
int nbd_aio_disconnect(struct nbd_handle *h, uint32_t flags)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_DISCONNECT 1

/* Queues nbd_flush(). */
int64_t nbd_aio_flush(struct nbd_handle *h,
		      nbd_completion_callback completion_callback,
		      uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_FLUSH 1

/* Queues nbd_trim(). */
int64_t nbd_aio_trim(struct nbd_handle *h, uint64_t count, uint64_t offset,
		     nbd_completion_callback completion_callback,
		     uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_TRIM 1

/* Queues nbd_cache(). */
int64_t nbd_aio_cache(struct nbd_handle *h, uint64_t count, uint64_t offset,
		      nbd_completion_callback completion_callback,
		      uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_CACHE 1

/* Queues nbd_zero(). */
int64_t nbd_aio_zero(struct nbd_handle *h, uint64_t count, uint64_t offset,
		     nbd_completion_callback completion_callback,
		     uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_ZERO 1

/* Queues nbd_block_status(). */
int64_t nbd_aio_block_status(struct nbd_handle *h, uint64_t count,
			     uint64_t offset,
			     nbd_extent_callback extent_callback,
			     nbd_completion_callback completion_callback,
			     uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_BLOCK_STATUS 1

/* Queues nbd_block_status_64(). */
int64_t nbd_aio_block_status_64(struct nbd_handle *h, uint64_t count,
				uint64_t offset,
				nbd_extent64_callback extent64_callback,
				nbd_completion_callback completion_callback,
				uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_BLOCK_STATUS_64 1

/* Queues nbd_block_status_filter(). */
int64_t nbd_aio_block_status_filter(struct nbd_handle *h, uint64_t count,
				    uint64_t offset, char **contexts,
				    nbd_extent64_callback extent64_callback,
				    nbd_completion_callback completion_callback,
				    uint32_t flags)
	LIBNBD_ATTRIBUTE_NONNULL(1, 4);
#define LIBNBD_HAVE_NBD_AIO_BLOCK_STATUS_FILTER 1

/*
 * 1 if the command succeeded and -1 if it failed: either way it is retired. 0
 * if it is still under way, or unknown.
 */
int nbd_aio_command_completed(struct nbd_handle *h, uint64_t cookie)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_COMMAND_COMPLETED 1

/*
 * The cookie of the command that completed first and is not yet retired; 0 if
 * all are under way; -1 (EINVAL) if there is none at all.
 */
int64_t nbd_aio_peek_command_completed(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_PEEK_COMMAND_COMPLETED 1

/* How many commands are queued or sent and not yet answered. */
int nbd_aio_in_flight(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_IN_FLIGHT 1

/*
 * == Driving a connection ==
 *
 * Either nbd_poll() in a loop, or an event loop that watches nbd_aio_get_fd()
 * for nbd_aio_get_direction() and calls the notify functions.
 */

/*
 * Waits for the server and makes progress. TIMEOUT in milliseconds, -1 for
 * ever. 1 progress was made, 0 timeout.
 */
int nbd_poll(struct nbd_handle *h, int timeout) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_POLL 1

/* The same, and returns 1 also when FD (-1 for none) becomes readable. */
int nbd_poll2(struct nbd_handle *h, int fd, int timeout)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_POLL2 1

/* The descriptor to watch. EINVAL if there is no connection. */
int nbd_aio_get_fd(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_GET_FD 1

/*
 * What to watch for: LIBNBD_AIO_DIRECTION_READ, _WRITE, _BOTH, or 0 for
 * nothing. Takes no lock.
 */
unsigned nbd_aio_get_direction(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_GET_DIRECTION 1

/* The descriptor became readable: makes progress. */
int nbd_aio_notify_read(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_NOTIFY_READ 1

/* The descriptor became writable: makes progress. */
int nbd_aio_notify_write(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_NOTIFY_WRITE 1

/*
 * == The state of a connection ==
 *
 * Created, then Connecting, then (in option mode) Negotiating, then Connected,
 * at last Closed or Dead. These take no lock and see the state as of the last
 * completed call, except nbd_connection_state().
 */

/* 1 if no connect call was made yet. */
int nbd_aio_is_created(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_IS_CREATED 1

/* 1 while connecting or negotiating an option. */
int nbd_aio_is_connecting(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_IS_CONNECTING 1

/* 1 if the caller may call nbd_opt_*(). */
int nbd_aio_is_negotiating(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_IS_NEGOTIATING 1

/* 1 if connected and not sending. */
int nbd_aio_is_ready(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_IS_READY 1

/* 1 if connected and sending. */
int nbd_aio_is_processing(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_IS_PROCESSING 1

/* 1 if the connection failed. */
int nbd_aio_is_dead(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_IS_DEAD 1

/* 1 if the connection ended cleanly. */
int nbd_aio_is_closed(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_AIO_IS_CLOSED 1

/* A text, "<STATE>: <description>", for messages to people. Static. */
const char *nbd_connection_state(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_CONNECTION_STATE 1

/*
 * == Subprocess of nbd_connect_command() and socket activation ==
 */

/* Sends SIGNUM to it; 0 means SIGTERM. ESRCH if there is none. */
int nbd_kill_subprocess(struct nbd_handle *h, int signum)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_KILL_SUBPROCESS 1

/* Its process ID. ESRCH if there is none. */
int64_t nbd_get_subprocess_pid(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_SUBPROCESS_PID 1

/*
 * == Statistics ==
 *
 * Counted from the creation of the handle; bytes are NBD bytes, before
 * encryption, with the handshake.
 */

/* Bytes sent to the server. */
uint64_t nbd_stats_bytes_sent(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_STATS_BYTES_SENT 1

/* Option requests and command headers sent. */
uint64_t nbd_stats_chunks_sent(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_STATS_CHUNKS_SENT 1

/* Bytes received from the server. */
uint64_t nbd_stats_bytes_received(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_STATS_BYTES_RECEIVED 1

/* Greeting and replies to commands received. */
uint64_t nbd_stats_chunks_received(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_STATS_CHUNKS_RECEIVED 1

/*
 * == About the library ==
 */

/* "libnbd". */
const char *nbd_get_package_name(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_PACKAGE_NAME 1

/* The version of the interface implemented, "1.24.4". */
const char *nbd_get_version(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_VERSION 1

/* Which implementation of libnbd this is, and its release. */
const char *nbd_get_version_extra(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_GET_VERSION_EXTRA 1

/* 1 if this library can connect to AF_VSOCK. */
int nbd_supports_vsock(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_SUPPORTS_VSOCK 1

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif /* LIBNBD_H */
