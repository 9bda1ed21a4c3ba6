/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which files make up the configuration: FILE itself, and beside it
 * conf.d/NAME.conf, which amend it in order of name, and volumes.d/NAME.conf,
 * each of which is the volume NAME.
 */
#pragma once

#include "common/strings.h"
#include "daemon/config/configuration.h"
#include "daemon/config/parse.h"

#define CONFIGURATION_FILE "/etc/nbd-clientd/nbd-clientd.conf"

/*
 * The configuration, all of it read and checked, or NULL with errno: EINVAL
 * with lines of mistakes in MISTAKES, or ENOMEM. FILE NULL: the usual place,
 * where everything may be absent.
 */
struct configuration *configuration_load(const char *file,
					 struct string_builder *mistakes);

/* The same; ON_SETTING hears of each value that a file sets. */
struct configuration *configuration_load_seen(const char *file,
					      struct string_builder *mistakes,
					      setting_callback *on_setting,
					      void *user);

/*
 * What --demo runs: one RAM disk, volume "demo", from an nbdkit child, for
 * whoever may connect. Reads no file. NULL with errno ENOMEM.
 */
struct configuration *configuration_demo(void);
