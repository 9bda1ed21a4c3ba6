/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Do two connections show the same export? */
#pragma once

#include "daemon/core/export.h"

/* What differs, as a word for a message, or NULL: size, flags, block sizes and
 * contexts are the same. */
const char *agreement_difference(const struct export_info *a,
				 const struct export_info *b);
