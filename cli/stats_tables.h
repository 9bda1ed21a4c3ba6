/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is counted of one volume, connection or client, as three tables. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "nbdclientd/v1/admin.pb-c.h"

struct options;
struct output;

/* The value of the counter of that name; 0 if there is none. */
uint64_t stats_counter(const Nbdclientd__V1__Stats *stats, const char *name);
/* What is counted of the command, and the histogram of that name; or NULL. */
const Nbdclientd__V1__CommandStats *
stats_command(const Nbdclientd__V1__Stats *stats,
	      Nbdclientd__V1__Command command);
const Nbdclientd__V1__Latency *stats_latency(const Nbdclientd__V1__Stats *stats,
					     const char *name);

/* All errors of all commands. */
uint64_t stats_errors(const Nbdclientd__V1__Stats *stats);

/* Appends tables of requests by command, of where their time goes, and of the
 * rest, to OUTPUTS, which has room for STATS_TABLES; how many. */
#define STATS_TABLES 3
size_t stats_tables(const struct options *options,
		    const Nbdclientd__V1__Stats *stats,
		    struct output **outputs);

/* Asks for the statistics of SCOPE: all, of one VOLUME, or of the connection or
 * client ID. NULL with a recorded failure. */
Nbdclientd__V1__GetStatsResponse *stats_ask(const struct options *options,
					    Nbdclientd__V1__StatsScope scope,
					    char *volume, uint64_t id);
