/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every method that the daemon serves, once: client, server and tests expand
 * this list. A test compares it with the .proto files.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

enum rpc_kind {
	/* one request, one response */
	RPC_UNARY,
	/* one request, many responses */
	RPC_SERVER_STREAM,
	/* many of both */
	RPC_BIDI,
};

/* clang-format off */
/* X(id, service, method, kind, C prefix of the request, of the response) */
#define RPC_METHODS(X)                                                         \
	X(VOLUMES_LIST_VOLUMES, "nbdclientd.v1.Volumes", "ListVolumes",        \
	  UNARY, nbdclientd__v1__list_volumes_request,                         \
	  nbdclientd__v1__list_volumes_response)                               \
	X(VOLUMES_GET_VOLUME, "nbdclientd.v1.Volumes", "GetVolume",            \
	  UNARY, nbdclientd__v1__get_volume_request,                           \
	  nbdclientd__v1__volume)                                              \
	X(VOLUMES_OPEN_VOLUME, "nbdclientd.v1.Volumes", "OpenVolume",          \
	  UNARY, nbdclientd__v1__open_volume_request,                          \
	  nbdclientd__v1__volume)                                              \
	X(VOLUMES_CLOSE_VOLUME, "nbdclientd.v1.Volumes", "CloseVolume",        \
	  UNARY, nbdclientd__v1__close_volume_request,                         \
	  nbdclientd__v1__close_volume_response)                               \
	X(VOLUMES_ACCEPT_VOLUME, "nbdclientd.v1.Volumes", "AcceptVolume",      \
	  UNARY, nbdclientd__v1__accept_volume_request,                        \
	  nbdclientd__v1__volume)                                              \
	X(VOLUMES_PAUSE_VOLUME, "nbdclientd.v1.Volumes", "PauseVolume",        \
	  UNARY, nbdclientd__v1__pause_volume_request,                         \
	  nbdclientd__v1__volume)                                              \
	X(VOLUMES_RESUME_VOLUME, "nbdclientd.v1.Volumes", "ResumeVolume",      \
	  UNARY, nbdclientd__v1__resume_volume_request,                        \
	  nbdclientd__v1__volume)                                              \
	X(VOLUMES_RECONNECT_VOLUME, "nbdclientd.v1.Volumes", "ReconnectVolume", \
	  UNARY, nbdclientd__v1__reconnect_volume_request,                     \
	  nbdclientd__v1__volume)                                              \
	X(IO_READ, "nbdclientd.v1.IO", "Read",                                 \
	  UNARY, nbdclientd__v1__read_request,                                 \
	  nbdclientd__v1__read_response)                                       \
	X(IO_WRITE, "nbdclientd.v1.IO", "Write",                               \
	  UNARY, nbdclientd__v1__write_request,                                \
	  nbdclientd__v1__write_response)                                      \
	X(IO_TRIM, "nbdclientd.v1.IO", "Trim",                                 \
	  UNARY, nbdclientd__v1__trim_request,                                 \
	  nbdclientd__v1__trim_response)                                       \
	X(IO_ZERO, "nbdclientd.v1.IO", "Zero",                                 \
	  UNARY, nbdclientd__v1__zero_request,                                 \
	  nbdclientd__v1__zero_response)                                       \
	X(IO_FLUSH, "nbdclientd.v1.IO", "Flush",                               \
	  UNARY, nbdclientd__v1__flush_request,                                \
	  nbdclientd__v1__flush_response)                                      \
	X(IO_CACHE, "nbdclientd.v1.IO", "Cache",                               \
	  UNARY, nbdclientd__v1__cache_request,                                \
	  nbdclientd__v1__cache_response)                                      \
	X(IO_BLOCK_STATUS, "nbdclientd.v1.IO", "BlockStatus",                  \
	  SERVER_STREAM, nbdclientd__v1__block_status_request,                 \
	  nbdclientd__v1__block_status_response)                               \
	X(IO_CHANNEL, "nbdclientd.v1.IO", "Channel",                           \
	  BIDI, nbdclientd__v1__channel_request,                               \
	  nbdclientd__v1__channel_response)                                    \
	X(NEGOTIATION_LIST_EXPORTS, "nbdclientd.v1.Negotiation", "ListExports", \
	  UNARY, nbdclientd__v1__list_exports_request,                         \
	  nbdclientd__v1__list_exports_response)                               \
	X(NEGOTIATION_EXPORT_INFO, "nbdclientd.v1.Negotiation", "ExportInfo",  \
	  UNARY, nbdclientd__v1__export_info_request,                          \
	  nbdclientd__v1__export_info_response)                                \
	X(NEGOTIATION_LIST_META_CONTEXTS, "nbdclientd.v1.Negotiation",         \
	  "ListMetaContexts",                                                  \
	  UNARY, nbdclientd__v1__list_meta_contexts_request,                   \
	  nbdclientd__v1__list_meta_contexts_response)                         \
	X(NEGOTIATION_NEGOTIATE, "nbdclientd.v1.Negotiation", "Negotiate",     \
	  BIDI, nbdclientd__v1__negotiate_request,                             \
	  nbdclientd__v1__negotiate_response)                                  \
	X(ADMIN_GET_STATUS, "nbdclientd.v1.Admin", "GetStatus",                \
	  UNARY, nbdclientd__v1__get_status_request,                           \
	  nbdclientd__v1__get_status_response)                                 \
	X(ADMIN_LIST_CONNECTIONS, "nbdclientd.v1.Admin", "ListConnections",    \
	  UNARY, nbdclientd__v1__list_connections_request,                     \
	  nbdclientd__v1__list_connections_response)                           \
	X(ADMIN_LIST_CLIENTS, "nbdclientd.v1.Admin", "ListClients",            \
	  UNARY, nbdclientd__v1__list_clients_request,                         \
	  nbdclientd__v1__list_clients_response)                               \
	X(ADMIN_RELOAD, "nbdclientd.v1.Admin", "Reload",                       \
	  UNARY, nbdclientd__v1__reload_request,                               \
	  nbdclientd__v1__reload_response)                                     \
	X(ADMIN_DRAIN, "nbdclientd.v1.Admin", "Drain",                         \
	  UNARY, nbdclientd__v1__drain_request,                                \
	  nbdclientd__v1__drain_response)                                      \
	X(ADMIN_GET_METRICS, "nbdclientd.v1.Admin", "GetMetrics",              \
	  UNARY, nbdclientd__v1__get_metrics_request,                          \
	  nbdclientd__v1__get_metrics_response)                                \
	X(ADMIN_GET_STATS, "nbdclientd.v1.Admin", "GetStats",                  \
	  UNARY, nbdclientd__v1__get_stats_request,                            \
	  nbdclientd__v1__get_stats_response)                                  \
	X(ADMIN_EVENTS, "nbdclientd.v1.Admin", "Events",                       \
	  SERVER_STREAM, nbdclientd__v1__events_request,                       \
	  nbdclientd__v1__event)                                               \
	X(ADMIN_KILL_CONNECTION, "nbdclientd.v1.Admin", "KillConnection",      \
	  UNARY, nbdclientd__v1__kill_connection_request,                      \
	  nbdclientd__v1__kill_connection_response)                            \
	X(ADMIN_KILL_CLIENT, "nbdclientd.v1.Admin", "KillClient",              \
	  UNARY, nbdclientd__v1__kill_client_request,                          \
	  nbdclientd__v1__kill_client_response)                                \
	X(ADMIN_SET_LOG_LEVEL, "nbdclientd.v1.Admin", "SetLogLevel",           \
	  UNARY, nbdclientd__v1__set_log_level_request,                        \
	  nbdclientd__v1__set_log_level_response)                              \
	X(HEALTH_CHECK, "grpc.health.v1.Health", "Check",                      \
	  UNARY, grpc__health__v1__health_check_request,                       \
	  grpc__health__v1__health_check_response)                             \
	X(HEALTH_WATCH, "grpc.health.v1.Health", "Watch",                      \
	  SERVER_STREAM, grpc__health__v1__health_check_request,               \
	  grpc__health__v1__health_check_response)                             \
	X(REFLECTION_V1, "grpc.reflection.v1.ServerReflection",                \
	  "ServerReflectionInfo",                                              \
	  BIDI, grpc__reflection__v1__server_reflection_request,               \
	  grpc__reflection__v1__server_reflection_response)                    \
	X(REFLECTION_V1ALPHA, "grpc.reflection.v1alpha.ServerReflection",      \
	  "ServerReflectionInfo",                                              \
	  BIDI, grpc__reflection__v1alpha__server_reflection_request,          \
	  grpc__reflection__v1alpha__server_reflection_response)
/* clang-format on */

enum rpc_method_id {
#define X(id, ...) RPC_##id,
	RPC_METHODS(X)
#undef X
	RPC_N_METHODS
};

struct rpc_method {
	/* "nbdclientd.v1.IO" */
	const char *service;
	/* "Read" */
	const char *name;
	/* "/nbdclientd.v1.IO/Read", as gRPC sends it */
	const char *path;
	enum rpc_kind kind;
	const ProtobufCMessageDescriptor *request;
	const ProtobufCMessageDescriptor *response;
};

/* Indexed by enum rpc_method_id. */
extern const struct rpc_method rpc_methods[RPC_N_METHODS];
