/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gRPC's messages in the daemon's log. Its errors are ours at most warnings:
 * a client that talks nonsense is an error to gRPC. */
#include "daemon/rpc/log.h"

#include <grpc/support/log.h>
#include <string.h>

#include "daemon/core/client.h"
#include "daemon/core/log.h"

static void
write_line(gpr_log_func_args *line)
{
	int level = LOG_DEBUG;

	switch (line->severity) {
	case GPR_LOG_SEVERITY_DEBUG:
	case GPR_LOG_SEVERITY_INFO:
		level = LOG_DEBUG;
		break;
	case GPR_LOG_SEVERITY_ERROR:
		level = LOG_WARNING;
		break;
	}
	log_write(level, NULL, "gRPC: %s", line->message);
}

void
rpc_log_init(void)
{
	gpr_set_log_function(write_line);
	gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
}

void
rpc_log_refused_peer(int error, const struct client_identity *identity)
{
	log_warning("cannot serve a client (pid %ld, uid %lu): %s",
		    (long)identity->pid, (unsigned long)identity->uid,
		    strerror(-error));
}

void
rpc_log_flooding_peer(const struct client *client, const char *why)
{
	if (client)
		log_warning("client %llu (pid %ld, uid %lu) is disconnected: "
			    "%s",
			    (unsigned long long)client->id, (long)client->pid,
			    (unsigned long)client->uid, why);
	else
		log_warning("a client beyond MaxClients= or "
			    "MaxClientsPerUser= is disconnected: %s",
			    why);
}
