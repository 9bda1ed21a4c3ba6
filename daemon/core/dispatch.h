/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What target.c, dispatch.c and answers.c share: the way of requests through a target. */
#pragma once

#include "daemon/core/target.h"

/* target->dispatch: hands out what waits, as far as connections have room. */
void dispatch_run(struct message *message);

/* The deadline of REQUEST has passed: it ends, saying why and whether it may
 * have been carried out. */
void dispatch_expire(struct request_target *target, struct request *request);

/* Ends REQUEST, whose failure is filled, without waiting for its parts. */
void dispatch_abandon(struct request_target *target, struct request *request);

/* Sends PART, a new one or one whose connection was lost. */
void dispatch_send(struct request_target *target, struct connection *connection,
		   struct part *part);

/* All of REQUEST is handed out, or no more of it will be. */
void dispatch_set_running(struct request_target *target,
			  struct request *request);
/* The request is through and leaves its list. */
void dispatch_finish(struct request_target *target, struct request *request);

/* In target.c: the request is through; releases, counts, calls on_done. */
void target_finish(struct request_target *target, struct request *request);
/* In target.c: an empty part, or NULL; and back. */
struct part *target_take_part(struct request_target *target);
void target_give_part(struct request_target *target, struct part *part);
