/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of methods as a table. */
#include "proto/methods.h"

#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "grpc/reflection/v1alpha/reflection.pb-c.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "nbdclientd/v1/io.pb-c.h"
#include "nbdclientd/v1/negotiation.pb-c.h"
#include "nbdclientd/v1/volumes.pb-c.h"

const struct rpc_method rpc_methods[RPC_N_METHODS] = {
#define X(id, its_service, its_name, its_kind, its_request, its_response) \
	[RPC_##id] = {                                                    \
		.service = its_service,                                   \
		.name = its_name,                                         \
		.path = "/" its_service "/" its_name,                     \
		.kind = RPC_##its_kind,                                   \
		.request = &its_request##__descriptor,                    \
		.response = &its_response##__descriptor,                  \
	},
	RPC_METHODS(X)
#undef X
};
