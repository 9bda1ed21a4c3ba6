/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Block status over any range: what one command brings is collected per
 * context, cut to what all contexts cover, and handed on in order, so that the
 * next command can go on from there.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "daemon/core/request.h"

struct export_info;
struct part;

/* 0, -EINVAL with request->failure filled if it wants contexts that were not
 * selected or there are none, or -ENOMEM. Before the first command. */
int block_status_start(struct request *request,
		       const struct export_info *export);

/* Forgets what was collected: the command is sent anew. */
void block_status_reset(struct request *request);

/* From the library's callback: N pairs of length and flags. 0 or -1. */
int block_status_collect(struct request *request, const char *context,
			 uint64_t offset, const uint32_t *entries, size_t n);

/* The command is answered: hands on what lies in the range of the request.
 * Where to go on; request->next_offset if the server brought nothing. */
uint64_t block_status_deliver(struct request *request);

/* Releases the collection. NULL-safe. */
void block_status_done(struct request *request);
