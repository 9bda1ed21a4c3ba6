/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What histograms tell: how long requests took, since the beginning or between
 * two looks. */
#pragma once

#include <stdint.h>

#include "nbdclientd/v1/admin.pb-c.h"

/* Counted in NOW and not yet in BEFORE, which may be NULL; so may NOW. */
struct latency {
	const Nbdclientd__V1__Latency *now;
	const Nbdclientd__V1__Latency *before;
};

uint64_t latency_count(const struct latency *latency);
/* Microseconds; 0 if nothing was counted. */
uint64_t latency_mean(const struct latency *latency);
/* SHARE of the requests, from 0 to 1, took at most so many microseconds: a
 * bucket's requests are taken to lie evenly in it. */
uint64_t latency_quantile(const struct latency *latency, double share);
