/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the answers of negotiate's steps are printed. */
#pragma once

#include "nbdclientd/v1/negotiation.pb-c.h"

struct options;

/* Prints RESPONSE, the answer to REQUEST. EXIT_OK or the code of a recorded
 * failure: the answer is itself an error. */
int negotiate_print(const struct options *options,
		    const Nbdclientd__V1__NegotiateRequest *request,
		    const Nbdclientd__V1__NegotiateResponse *response);
