/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How volumes are printed: as rows of a table, or one as facts. */
#pragma once

#include <stddef.h>

#include "nbdclientd/v1/volumes.pb-c.h"

struct options;
struct output;

/* For output_print() or output_finish(). */
struct output *volume_rows(const struct options *options,
			   Nbdclientd__V1__Volume *const *volumes,
			   size_t n_volumes);
struct output *volume_facts(const struct options *options,
			    const Nbdclientd__V1__Volume *volume);

/* Is there such a volume, for us? EXIT_OK, or the code of a recorded failure. */
int volume_check(const struct options *options, char *name);
