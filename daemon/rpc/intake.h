/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes from clients, before gRPC sees it. gRPC 1.51 takes calls in for as
 * long as there is something to read, keeps each until somebody asks for it,
 * also when the client has given it up, and does not come back meanwhile: one
 * client could make it hold any amount of memory and let nobody else have a
 * turn. So each connection is watched for what it begins, and one that begins
 * too much ends there.
 */
#pragma once

struct intake;
struct rpc_peer;

/* Watches the socket FD, which is about to become gRPC's and is PEER's. NULL with
 * errno. Belongs to nobody; not to be freed. Main thread. */
struct intake *intake_begin(struct rpc_peer *peer, int fd);

/* gRPC has done with PEER. Any thread. NULL is allowed. */
void intake_end(struct intake *intake, struct rpc_peer *peer);

/* One of the calls that PEER began has arrived. RPC thread. */
void intake_accept(struct intake *intake, const struct rpc_peer *peer);

/* Why PEER's connection has been ended, or NULL. rpc_server_wake() tells of it.
 * Any thread. */
const char *intake_flood(const struct intake *intake,
			 const struct rpc_peer *peer);

/* The RPC thread has done what there was to do, and gRPC may read. RPC
 * thread. */
void intake_turn(void);
