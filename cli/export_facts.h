/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known of an export, in the message that the daemon sends it in,
 * whoever found it out; how it is printed; and the features that can, is and
 * has ask for.
 */
#pragma once

#include <stdbool.h>

#include "nbdclientd/v1/common.pb-c.h"

struct options;

/* An empty one, NULL without memory. Strings set later are malloc()ed. */
Nbdclientd__V1__Export *export_new(void);
/* A deep copy, NULL without memory. */
Nbdclientd__V1__Export *export_copy(const Nbdclientd__V1__Export *export);
/* NULL is allowed. */
void export_free(Nbdclientd__V1__Export *export);

/* The contexts of EXPORT are ITEMS, which end in NULL: copied. False without
 * memory. */
bool export_set_contexts(Nbdclientd__V1__Export *export, char *const *items);

/* Prints exports as rows of a table, or a single one as facts. PROTOCOL may be
 * NULL. EXIT_OK or the code of a recorded failure. */
int export_print_rows(const struct options *options,
		      Nbdclientd__V1__Export *const *exports, size_t n_exports,
		      bool with_details);
int export_print_facts(const struct options *options,
		       const Nbdclientd__V1__Export *export,
		       const Nbdclientd__V1__ProtocolInfo *protocol);

/*
 * Does EXPORT have FEATURE ("read-only", "trim", "structured-reply" ...)?
 * EXIT_OK: yes, EXIT_NO: no, which is not recorded; or EXIT_USAGE, recorded: no
 * such feature.
 */
int export_has_feature(const Nbdclientd__V1__Export *export,
		       const Nbdclientd__V1__ProtocolInfo *protocol,
		       const char *feature);
