/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this implementation of libnbd adds to libnbd. The functions have a
 * symbol version of their own, LIBNBD_EXT_1.0: a program that calls them runs
 * with this library only. As in <libnbd.h>, those that can fail return -1 and
 * leave an error in nbd_get_error() and nbd_get_errno().
 *
 * == A connection that was given up ==
 *
 * A call that ends because its time is over, or because it was cancelled,
 * leaves the connection dead: the server might still answer, and into a buffer
 * that is the caller's again. nbd_aio_is_dead() is true afterwards, commands
 * in flight have completed with ENOTCONN, and all that is left is nbd_close().
 * A server run as a subprocess is still there; nbd_close() waits for it to
 * end, so kill one that hangs with nbd_kill_subprocess(h, SIGKILL).
 */
#ifndef LIBNBD_EXT_H
#define LIBNBD_EXT_H

#include <libnbd.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/*
 * == Deadlines ==
 *
 * They bound calls that wait for the server, but not nbd_poll() and
 * nbd_poll2(), which have a timeout of their own, nor what an nbd_aio_*
 * function begins: there the program keeps the time. A call whose time is over
 * fails with ETIMEDOUT and the connection is dead.
 */

/*
 * How long nbd_connect_*() may take from the call to a usable connection, in
 * milliseconds; 0, the default, is for ever. The time that the system's
 * resolver takes counts, but the resolver is not interrupted. Negative values
 * are EINVAL. Any state.
 */
int nbd_ext_set_connect_timeout(struct nbd_handle *h, int milliseconds)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_SET_CONNECT_TIMEOUT 1
int nbd_ext_get_connect_timeout(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_GET_CONNECT_TIMEOUT 1

/*
 * The same for every other synchronous call: commands such as nbd_pread(),
 * options such as nbd_opt_go(), and nbd_shutdown().
 */
int nbd_ext_set_call_timeout(struct nbd_handle *h, int milliseconds)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_SET_CALL_TIMEOUT 1
int nbd_ext_get_call_timeout(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_GET_CALL_TIMEOUT 1

/*
 * == Cancelling ==
 */

/*
 * Whether nbd_ext_cancel() works on this handle (default false). It costs a
 * descriptor, which stays until nbd_close(). Setting it also forgets an
 * earlier nbd_ext_cancel() that has cancelled nothing yet. Any state.
 */
int nbd_ext_set_cancellable(struct nbd_handle *h, bool enable)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_SET_CANCELLABLE 1
int nbd_ext_get_cancellable(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_GET_CANCELLABLE 1

/*
 * From any thread, also from a signal handler: the call on H that waits for
 * the server, nbd_poll() included, fails with ECANCELED and the connection is
 * dead. If none waits, the next one that would wait fails so. Takes no lock;
 * H must not be closed meanwhile. EINVAL if H was never made cancellable.
 */
int nbd_ext_cancel(struct nbd_handle *h) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_CANCEL 1

/*
 * == Addresses ==
 */

#define LIBNBD_EXT_ADDRESS_ANY  0
#define LIBNBD_EXT_ADDRESS_IPV4 1
#define LIBNBD_EXT_ADDRESS_IPV6 2

/*
 * Which addresses of a name nbd_connect_tcp(), and URIs for TCP, may try
 * (default any). Others are EINVAL. State created.
 */
int nbd_ext_set_address_family(struct nbd_handle *h, int family)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_SET_ADDRESS_FAMILY 1
int nbd_ext_get_address_family(struct nbd_handle *h)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_GET_ADDRESS_FAMILY 1

/*
 * == Subprocesses ==
 */

/*
 * The whole environment, "NAME=value" each and NULL at the end, of a server
 * that nbd_connect_command(), nbd_connect_systemd_socket_activation() or an
 * nbd+ssh URI runs; NULL, the default, is that of this process. Socket
 * activation replaces the LISTEN_* variables. The program itself is looked
 * for in the PATH of this process. EINVAL for an entry that has no name. The
 * list is copied. State created.
 */
int nbd_ext_set_subprocess_environment(struct nbd_handle *h, char **environment)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_SET_SUBPROCESS_ENVIRONMENT 1

/*
 * == TLS credentials from memory ==
 *
 * They are copied, and what is secret is wiped before its memory is freed.
 * What is wrong with them shows in the handshake. NULL takes back what was
 * set; sizes of 0 are EINVAL. State created.
 *
 * If any certificate or list comes from memory, no directory is looked at;
 * without authorities from memory those that the system trusts count.
 */

/* Whom to trust: certificates in PEM, as in ca-cert.pem. */
int nbd_ext_set_tls_authorities(struct nbd_handle *h, const void *pem,
				size_t size) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_SET_TLS_AUTHORITIES 1

/* Whom not to trust any more: lists in PEM, as in ca-crl.pem. */
int nbd_ext_set_tls_revocations(struct nbd_handle *h, const void *pem,
				size_t size) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_SET_TLS_REVOCATIONS 1

/* What we show: a certificate (or a chain) and its key in PEM. Both or
 * neither may be NULL, else EFAULT. */
int nbd_ext_set_tls_client_certificate(struct nbd_handle *h,
				       const void *certificate,
				       size_t certificate_size, const void *key,
				       size_t key_size)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_SET_TLS_CLIENT_CERTIFICATE 1

/* The passphrase of our keys, in memory or in files. */
int nbd_ext_set_tls_passphrase(struct nbd_handle *h, const char *passphrase)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_SET_TLS_PASSPHRASE 1

/* The key that nbd_set_tls_username()'s user shares with the server, in its
 * bytes and not in hexadecimal. Certificates and a key in a file do not count
 * then. */
int nbd_ext_set_tls_psk(struct nbd_handle *h, const void *key, size_t size)
	LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_SET_TLS_PSK 1

/*
 * == Data in pieces ==
 */

/*
 * nbd_aio_pwrite() of the N_PIECES pieces of memory, one behind the other, as
 * one command; their lengths together are its count, and pieces may be empty.
 * Both the array and the bytes stay as they are until the command is complete.
 * Everything else, each check included, is as there; EFAULT if PIECES or a
 * piece with a length is NULL, ERANGE if the lengths do not add up.
 */
int64_t nbd_ext_aio_pwritev(struct nbd_handle *h, const struct iovec *pieces,
			    size_t n_pieces, uint64_t offset,
			    nbd_completion_callback completion_callback,
			    uint32_t flags) LIBNBD_ATTRIBUTE_NONNULL(1);
#define LIBNBD_HAVE_NBD_EXT_AIO_PWRITEV 1

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif /* LIBNBD_EXT_H */
