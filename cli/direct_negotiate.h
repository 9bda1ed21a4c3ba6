/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* negotiate with --direct: the same steps, done with libnbd. */
#pragma once

#include "nbdclientd/v1/negotiation.pb-c.h"

struct direct_negotiation;
struct options;

/* Connects in option mode; NULL with a recorded failure. */
struct direct_negotiation *
direct_negotiation_open(const struct options *options, const char *uri);

/* Does a step. The answer, which codec_message_free() frees, or NULL with a
 * recorded failure. */
Nbdclientd__V1__NegotiateResponse *
direct_negotiation_step(struct direct_negotiation *negotiation,
			const Nbdclientd__V1__NegotiateRequest *request);

/* NULL is allowed. */
void direct_negotiation_close(struct direct_negotiation *negotiation);
