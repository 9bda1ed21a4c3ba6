/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every key of the configuration files: the place where one is added. Columns:
 * name, kind (a value_parse_KIND() of values.h), member, smallest and largest
 * value where the kind has such, and the default as it would stand in a file
 * ("": left empty).
 */
#pragma once

#define SECOND 1000000000ull
#define DAY    (86400 * SECOND)
#define KIB    1024ull
#define MIB    (1024 * KIB)
#define GIB    (1024 * MIB)

/* clang-format off */
#define DAEMON_KEYS(X)                                                                \
	/* Where we listen unless systemd passes a socket. */                         \
	X(Listen,                   path,       listen,               0,     0,         "/run/nbd-clientd/nbd-clientd.sock") \
	/* Sockets of Command= children. Empty: where Listen= is. */                  \
	X(RuntimeDirectory,         path,       runtime_directory,    0,     0,         "")     \
	X(IoThreads,                number,     io_threads,           1,     64,        "2")    \
	X(RequestTimeout,           time,       request_timeout,      SECOND / 100, DAY, "30s") \
	X(ConnectTimeout,           time,       connect_timeout,      SECOND / 100, DAY, "10s") \
	X(DrainTimeout,             time,       drain_timeout,        0,     DAY,       "10s")  \
	X(AdHocUsers,               users,      ad_hoc_users,         0,     0,         "")     \
	X(AdHocTransports,          transports, ad_hoc_transports,    0,     0,         "tcp")  \
	X(LogLevel,                 log_level,  log_level,            0,     0,         "info") \
	X(MaxClients,               number,     max_clients,          1,     100000,    "256")  \
	X(MaxCallsPerClient,        number,     max_calls,            1,     100000,    "256")  \
	X(MaxRequestsPerClient,     number,     max_requests,         1,     1000000,   "4096") \
	X(MaxBytesPerClient,        size,       max_bytes,            64 * MIB, 1024 * GIB, "256M") \
	X(MaxSessionsPerClient,     number,     max_sessions,         0,     10000,     "16")   \
	X(MaxAdHocVolumesPerClient, number,     max_ad_hoc_volumes,   0,     10000,     "16")   \
	/* 0: no request is slow. */                                                   \
	X(SlowRequest,              time,       slow_request,         0,     DAY,       "0")    \
	X(MaxClientsPerUser,        number,     max_clients_of_user,  1,     100000,    "64")   \
	X(MaxSessionsPerUser,       number,     max_sessions_of_user, 0,     10000,     "64")   \
	X(MaxRequestsPerUser,       number,     max_requests_of_user, 1,     10000000,  "16384") \
	X(MaxBytesPerUser,          size,       max_bytes_of_user,    MIB,   1024 * GIB, "1G")  \
	X(MetricsListen,            loopback,   metrics_listen,       0,     0,         "")     \
	X(MaxMessage,               size,       max_message,          64 * KIB, 64 * MIB, "4M")

#define VOLUME_KEYS(X)                                                                \
	X(Uri,                      uris,       uris,                 0,     0,         "")     \
	X(Command,                  command,    command,              0,     0,         "")     \
	X(Connections,              range,      connections_min,      1,     64,        "1-4")  \
	X(InFlight,                 number,     in_flight,            1,     1024,      "64")   \
	X(RequestTimeout,           time,       request_timeout,      SECOND / 100, DAY, "")    \
	X(ConnectTimeout,           time,       connect_timeout,      SECOND / 100, DAY, "")    \
	X(IdleTimeout,              time,       idle_timeout,         SECOND / 100, DAY, "60s") \
	X(SlowRequest,              time,       slow_request,         0,     DAY,       "")     \
	X(ReadOnly,                 boolean,    is_read_only,         0,     0,         "no")   \
	X(SharedStorage,            boolean,    shares_storage,       0,     0,         "no")   \
	X(SingleWriter,             boolean,    is_single_writer,     0,     0,         "yes")  \
	X(Fingerprint,              fingerprint, fingerprint,         1,     64 * KIB,  "")     \
	X(ReturnInterval,           time,       return_interval,      SECOND / 100, DAY, "60s") \
	X(ProbeInterval,            time,       probe_interval,       SECOND / 100, DAY, "30s") \
	X(GiveUpAfter,              time,       give_up_after,        SECOND / 100, 365 * DAY, "") \
	X(Unflushed,                unflushed,  unflushed,            0,     0,         "replay") \
	X(UnflushedLimit,           size,       unflushed_limit,      MIB,   1024 * GIB, "64M") \
	X(AllowUsers,               users,      allow_users,          0,     0,         "")     \
	X(AllowGroups,              groups,     allow_groups,         0,     0,         "")     \
	X(ReadOnlyUsers,            users,      read_only_users,      0,     0,         "")     \
	X(Tls,                      tls,        tls.policy,           0,     0,         "uri")  \
	X(TlsCertificates,          path,       tls.certificates,     0,     0,         "")     \
	X(TlsPskFile,               path,       tls.psk_file,         0,     0,         "")     \
	X(TlsUsername,              text,       tls.username,         0,     0,         "")     \
	X(TlsVerifyPeer,            boolean,    tls.verify_peer,      0,     0,         "yes")
/* clang-format on */
