/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is counted of one volume, connection or client as a message. */
#pragma once

#include "nbdclientd/v1/admin.pb-c.h"

struct metrics_subject;

/* The whole message is made by malloc(): protobuf_c_message_free_unpacked()
 * frees it. NULL without memory. */
Nbdclientd__V1__Stats *stats_message_new(const struct metrics_subject *subject);
