/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests as Channel and Negotiate carry them, as requests of the core. */
#pragma once

#include <stdint.h>

#include "daemon/core/request.h"
#include "proto/io_message.h"

/*
 * Fills REQUEST, which is zero, from FROM, whose payload and contexts are
 * taken. 0, or a negative errno with FAILURE: the command is none, its timeout
 * or its length is wrong. REQUEST is released by the caller in any case.
 */
int io_command_fill(struct request *request, struct io_request *from,
		    struct failure *failure);

/* Bytes of payload that the request carries or asks for. */
uint64_t io_command_size(const struct io_request *from);
