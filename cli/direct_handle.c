/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A libnbd handle: connecting, waiting, errors, what it knows. */
#include "cli/direct_handle.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/direct_library.h"
#include "cli/errors.h"
#include "cli/export_facts.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"

/* What an errno means once there is a connection, or on the way to it. */
/* clang-format off */
static const struct {
	int errnum;
	enum exit_code code;
} exit_code_rows[] = {
	{ EPERM, EXIT_PERMISSION },
	{ EACCES, EXIT_PERMISSION },
	{ EROFS, EXIT_PERMISSION },
	{ ETIMEDOUT, EXIT_TIMEOUT },
	{ ENOTSUP, EXIT_NOT_SUPPORTED },
	{ ECONNREFUSED, EXIT_SERVER_UNREACHABLE },
	{ ECONNRESET, EXIT_SERVER_UNREACHABLE },
	{ ECONNABORTED, EXIT_SERVER_UNREACHABLE },
	{ ENOTCONN, EXIT_SERVER_UNREACHABLE },
	{ EPIPE, EXIT_SERVER_UNREACHABLE },
	{ EHOSTUNREACH, EXIT_SERVER_UNREACHABLE },
	{ ENETUNREACH, EXIT_SERVER_UNREACHABLE },
	{ ESHUTDOWN, EXIT_SERVER_UNREACHABLE },
};
/* clang-format on */

static enum exit_code
exit_code_of(int errnum, enum exit_code otherwise)
{
	for (size_t i = 0;
	     i < sizeof(exit_code_rows) / sizeof(exit_code_rows[0]); i++)
		if (exit_code_rows[i].errnum == errnum)
			return exit_code_rows[i].code;
	return otherwise;
}

int
direct_fail(struct nbd_handle *nbd, int errnum, const char *format, ...)
{
	const char *library_says = sym_nbd_get_error();
	bool is_lost = nbd && (sym_nbd_aio_is_dead(nbd) == 1 ||
			       sym_nbd_aio_is_closed(nbd) == 1);
	char seen[512];
	va_list args;

	snprintf(seen, sizeof(seen), "%s",
		 library_says ? library_says : "no reason given");
	if (format) {
		va_start(args, format);
		vsnprintf(seen, sizeof(seen), format, args);
		va_end(args);
	}
	if (errnum == 0)
		errnum = sym_nbd_get_errno();
	/* libnbd's own message ends in the errno's text. */
	return fail(exit_code_of(errnum,
				 is_lost ? EXIT_SERVER_UNREACHABLE : EXIT_NBD),
		    errnum, NULL, "%s%s%s", seen, format ? ": " : "",
		    !format  ? ""
		    : errnum ? strerror(errnum)
			     : "the connection is lost");
}

/* Refused, failed or missing: no errno says so, of any libnbd. */
static bool
is_about_tls(const char *seen)
{
	return strstr(seen, "TLS") || strstr(seen, "gnutls");
}

/* The same while connecting: a URI that is none, or no server there. */
static int
fail_connect(void)
{
	const char *seen = sym_nbd_get_error();
	int errnum = sym_nbd_get_errno();
	enum exit_code otherwise = errnum == EINVAL   ? EXIT_USAGE
				   : errnum == EPROTO ? EXIT_NBD
						      : EXIT_SERVER_UNREACHABLE;

	if (seen && errnum != EINVAL && is_about_tls(seen))
		return fail(EXIT_TLS, errnum, NULL, "%s", seen);
	return fail(exit_code_of(errnum, otherwise), errnum, NULL, "%s",
		    seen ? seen : "no reason given");
}

/* Until the deadline of --timeout; -1: no hurry. */
static int
time_left(const struct options *options, uint64_t started_at)
{
	uint64_t passed = progress_now() - started_at;

	if (!options->timeout_ms)
		return -1;
	return passed >= options->timeout_ms
		       ? 0
		       : (int)(options->timeout_ms - passed);
}

static int
poll_once(const struct options *options, struct nbd_handle *nbd,
	  uint64_t started_at)
{
	int status = sym_nbd_poll(nbd, time_left(options, started_at));

	if (interrupted())
		return fail_interrupted();
	if (status < 0 && sym_nbd_get_errno() != EINTR)
		return sym_nbd_aio_is_created(nbd) == 1
			       ? fail_connect()
			       : direct_fail(nbd, 0, NULL);
	if (status == 0 && time_left(options, started_at) == 0)
		return fail(EXIT_TIMEOUT, ETIMEDOUT, NULL, "no answer in %u ms",
			    options->timeout_ms);
	return EXIT_OK;
}

int
direct_wait(const struct options *options, struct nbd_handle *nbd,
	    const bool *is_done)
{
	uint64_t started_at = progress_now();
	int status = EXIT_OK;

	while (!*is_done && status == EXIT_OK)
		status = poll_once(options, nbd, started_at);
	return status;
}

static int
configure(struct nbd_handle *nbd, bool option_mode, char *const *contexts)
{
	static char base_allocation[] = LIBNBD_CONTEXT_BASE_ALLOCATION;
	static char *const usual[] = { base_allocation, NULL };

	if (sym_nbd_set_opt_mode(nbd, option_mode) < 0)
		return direct_fail(nbd, 0, NULL);
	if (!contexts)
		contexts = usual;
	for (size_t i = 0; contexts[i]; i++)
		if (sym_nbd_add_meta_context(nbd, contexts[i]) < 0)
			return direct_fail(nbd, 0, NULL);
	return EXIT_OK;
}

static int
connect_uri(const struct options *options, struct nbd_handle *nbd,
	    const char *uri)
{
	uint64_t started_at = progress_now();
	int status;

	if (sym_nbd_aio_connect_uri(nbd, uri) < 0)
		return fail_connect();
	while (sym_nbd_aio_is_connecting(nbd) == 1) {
		status = sym_nbd_poll(nbd, time_left(options, started_at));
		if (interrupted())
			return fail_interrupted();
		if (status < 0 && sym_nbd_get_errno() != EINTR)
			return fail_connect();
		if (status == 0 && time_left(options, started_at) == 0)
			return fail(EXIT_TIMEOUT, ETIMEDOUT, NULL,
				    "no connection in %u ms",
				    options->timeout_ms);
	}
	if (sym_nbd_aio_is_negotiating(nbd) == 1 ||
	    sym_nbd_aio_is_ready(nbd) == 1)
		return EXIT_OK;
	return fail_connect();
}

struct nbd_handle *
direct_connect(const struct options *options, const char *uri, bool option_mode,
	       char *const *contexts)
{
	struct nbd_handle *nbd;

	if (direct_library_load() != EXIT_OK)
		return NULL;
	nbd = sym_nbd_create();
	if (!nbd) {
		direct_fail(NULL, 0, NULL);
		return NULL;
	}
	sym_nbd_set_debug(nbd, options->verbose > 1);
	if (configure(nbd, option_mode, contexts) != EXIT_OK ||
	    connect_uri(options, nbd, uri) != EXIT_OK) {
		sym_nbd_close(nbd);
		return NULL;
	}
	return nbd;
}

void
direct_disconnect(struct nbd_handle *nbd)
{
	if (!nbd)
		return;
	/* A server that is gone cannot be left politely. */
	if (sym_nbd_aio_is_negotiating(nbd) == 1)
		sym_nbd_opt_abort(nbd);
	else if (sym_nbd_aio_is_ready(nbd) == 1)
		sym_nbd_shutdown(nbd, 0);
	sym_nbd_close(nbd);
}

static void
set_block_sizes(Nbdclientd__V1__Export *export, struct nbd_handle *nbd)
{
	Nbdclientd__V1__BlockSizes *sizes = malloc(sizeof(*sizes));
	int64_t minimum = sym_nbd_get_block_size(nbd, LIBNBD_SIZE_MINIMUM);
	int64_t preferred = sym_nbd_get_block_size(nbd, LIBNBD_SIZE_PREFERRED);
	int64_t maximum = sym_nbd_get_block_size(nbd, LIBNBD_SIZE_MAXIMUM);

	if (!sizes)
		return;
	nbdclientd__v1__block_sizes__init(sizes);
	sizes->minimum = minimum > 0 ? (uint32_t)minimum : 0;
	sizes->preferred = preferred > 0 ? (uint32_t)preferred : 0;
	sizes->maximum = maximum > 0 ? (uint32_t)maximum : 0;
	export->block_sizes = sizes;
}

static void
set_flags(Nbdclientd__V1__Export *export, struct nbd_handle *nbd)
{
	export->read_only = sym_nbd_is_read_only(nbd) == 1;
	export->rotational = sym_nbd_is_rotational(nbd) == 1;
	export->can_flush = sym_nbd_can_flush(nbd) == 1;
	export->can_fua = sym_nbd_can_fua(nbd) == 1;
	export->can_trim = sym_nbd_can_trim(nbd) == 1;
	export->can_zero = sym_nbd_can_zero(nbd) == 1;
	export->can_fast_zero = sym_nbd_can_fast_zero(nbd) == 1;
	export->can_cache = sym_nbd_can_cache(nbd) == 1;
	export->can_df = sym_nbd_can_df(nbd) == 1;
	export->can_multi_conn = sym_nbd_can_multi_conn(nbd) == 1;
}

Nbdclientd__V1__Export *
direct_export(struct nbd_handle *nbd, const char *name)
{
	static char base_allocation[] = LIBNBD_CONTEXT_BASE_ALLOCATION;
	char *contexts[] = { base_allocation, NULL };
	Nbdclientd__V1__Export *export = export_new();
	int64_t size = sym_nbd_get_size(nbd);

	if (size < 0) {
		direct_fail(nbd, 0, NULL);
		export_free(export);
		return NULL;
	}
	if (!export || !(export->name = strdup(name)))
		goto no_memory;
	export->size = (uint64_t)size;
	set_flags(export, nbd);
	set_block_sizes(export, nbd);
	if (sym_nbd_can_meta_context(nbd, base_allocation) == 1 &&
	    !export_set_contexts(export, contexts))
		goto no_memory;
	return export;

no_memory:
	if (export && !export->name)
		nbdclientd__v1__export__init(export);
	export_free(export);
	fail_errno(ENOMEM, "no memory");
	return NULL;
}

Nbdclientd__V1__ProtocolInfo *
direct_protocol(struct nbd_handle *nbd)
{
	Nbdclientd__V1__ProtocolInfo *info = malloc(sizeof(*info));
	const char *handshake = sym_nbd_get_protocol(nbd);
	char *copy = handshake ? strdup(handshake) : NULL;

	if (!info || !copy) {
		free(info);
		free(copy);
		direct_fail(nbd, 0, NULL);
		return NULL;
	}
	nbdclientd__v1__protocol_info__init(info);
	info->handshake = copy;
	info->tls = sym_nbd_get_tls_negotiated(nbd) == 1;
	info->structured_replies = sym_nbd_get_structured_replies_negotiated(
					   nbd) == 1;
	info->extended_headers = sym_nbd_get_extended_headers_negotiated &&
				 sym_nbd_get_extended_headers_negotiated(nbd) ==
					 1;
	return info;
}
