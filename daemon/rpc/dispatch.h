/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the path of a new call to the handler of its method. */
#pragma once

struct rpc_accept;
struct rpc_peer;

/* Starts the call in ACCEPT, which is taken: with the handler of its method, or
 * with one that refuses it. RPC thread. */
void rpc_dispatch(struct rpc_peer *peer, struct rpc_accept *accept);
