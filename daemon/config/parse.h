/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From INI text to settings. Mistakes do not stop the reading: all of them are
 * reported, one line each, as FILE:LINE: what is wrong.
 */
#pragma once

#include <stdio.h>

#include "common/strings.h"
#include "daemon/config/configuration.h"

/* A value that a file sets, and its place. */
struct setting_seen {
	/* NULL: it is the daemon's. */
	const char *volume;
	const char *key;
	const char *text;
	const char *file;
	unsigned line;
};
typedef void setting_callback(void *user, const struct setting_seen *seen);

/* Where the text comes from, and where mistakes are told. */
struct parse_source {
	FILE *file;
	/* For messages. */
	const char *name;
	struct string_builder *mistakes;
	/* Told of each value; may be NULL. The volume that they are of. */
	setting_callback *on_setting;
	void *user;
	const char *volume;
};

/* 0; -EINVAL with mistakes told; -ENOMEM. Reads one [Daemon] into SETTINGS,
 * on top of what is there. */
int parse_daemon(const struct parse_source *source,
		 struct daemon_settings *settings);

/* The same for one [Volume], which must be complete afterwards. */
int parse_volume(const struct parse_source *source,
		 struct volume_settings *settings);

/* 0 or -ENOMEM: the defaults, into settings that are all zero. */
int parse_daemon_defaults(struct daemon_settings *settings);
int parse_volume_defaults(struct volume_settings *settings);
