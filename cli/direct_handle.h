/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A libnbd handle for --direct: connected, waited for, its errors turned into
 * failures. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "nbdclientd/v1/common.pb-c.h"

struct nbd_handle;
struct options;

/*
 * Connects to URI: in option mode if that is wanted and the server can, else
 * ready for requests. CONTEXTS, which end in NULL (NULL: base:allocation), are
 * asked for. The handle, or NULL with a recorded failure.
 */
struct nbd_handle *direct_connect(const struct options *options,
				  const char *uri, bool option_mode,
				  char *const *contexts);

/* Leaves the server as the protocol wants it, and closes. NULL is allowed. */
void direct_disconnect(struct nbd_handle *nbd);

/* Runs the handle until *IS_DONE. EXIT_OK, or the code of a recorded failure:
 * the connection is lost, or --timeout is over. */
int direct_wait(const struct options *options, struct nbd_handle *nbd,
		const bool *is_done);

/* Records the error ERRNUM, a positive errno, or libnbd's last one if it is 0.
 * What was seen is FORMAT, or libnbd's message if that is NULL. Its exit
 * code. */
int direct_fail(struct nbd_handle *nbd, int errnum, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What the handle knows of its export, and how it is connected; NULL with a
 * recorded failure. */
Nbdclientd__V1__Export *direct_export(struct nbd_handle *nbd, const char *name);
Nbdclientd__V1__ProtocolInfo *direct_protocol(struct nbd_handle *nbd);

struct string_list;

/* Steps of option mode, one after the other: EXIT_OK, or the code of a recorded
 * failure. What is listed is the caller's. QUERIES ends in NULL. */
int direct_step_info(const struct options *options, struct nbd_handle *nbd);
int direct_step_go(const struct options *options, struct nbd_handle *nbd);
int direct_step_list(const struct options *options, struct nbd_handle *nbd,
		     Nbdclientd__V1__Export ***exports, size_t *n_exports);
int direct_step_contexts(const struct options *options, struct nbd_handle *nbd,
			 char *const *queries, struct string_list *contexts);
