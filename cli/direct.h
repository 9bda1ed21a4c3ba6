/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * --direct: what the daemon would tell of a server, found out with libnbd. The
 * answers come in the daemon's messages, made on the heap; codec_message_free()
 * frees them. NULL: the failure is recorded.
 */
#pragma once

#include <stdbool.h>

#include "nbdclientd/v1/negotiation.pb-c.h"

struct options;

Nbdclientd__V1__ListExportsResponse *
direct_list(const struct options *options, const char *uri, bool describe);
Nbdclientd__V1__ExportInfoResponse *direct_info(const struct options *options,
						const char *uri);
/* QUERIES ends in NULL. */
Nbdclientd__V1__ListMetaContextsResponse *
direct_contexts(const struct options *options, const char *uri,
		char *const *queries);
