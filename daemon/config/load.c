/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds and reads the files of the configuration. */
#include "daemon/config/load.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define SUFFIX ".conf"

static void
cleanup_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

struct loading {
	struct configuration *configuration;
	struct string_builder *mistakes;
	setting_callback *on_setting;
	void *user;
	/* -EINVAL once a mistake was found, which does not stop us; -ENOMEM
	 * does. */
	int result;
};

static void
note(struct loading *loading, int r)
{
	if (r < 0 && loading->result != -ENOMEM)
		loading->result = r;
}

static void
note_unreadable(struct loading *loading, const char *what, const char *path)
{
	string_builder_printf(loading->mistakes, "%s: cannot %s: %s\n", path,
			      what, strerror(errno));
	note(loading, -EINVAL);
}

static void
load_daemon_file(struct loading *loading, const char *path)
{
	CLEANUP(cleanup_fclose) FILE *file = fopen(path, "re");
	struct parse_source source = {
		.file = file,
		.name = path,
		.mistakes = loading->mistakes,
		.on_setting = loading->on_setting,
		.user = loading->user,
	};

	if (!file)
		note_unreadable(loading, "read it", path);
	else
		note(loading,
		     parse_daemon(&source, &loading->configuration->daemon));
}

/* The volume's name as the file's name says it, or NULL with a mistake. */
static char *
volume_name_of(struct loading *loading, const char *path)
{
	const char *base = strrchr(path, '/') + 1;
	char *name = strndup(base, strlen(base) - strlen(SUFFIX));

	if (!name) {
		note(loading, -ENOMEM);
		return NULL;
	}
	if (!volume_name_is_valid(name)) {
		string_builder_printf(loading->mistakes,
				      "%s: '%s' is no name for a volume: 1 to "
				      "64 letters, digits, '_', '.' and '-' "
				      "are accepted\n",
				      path, name);
		note(loading, -EINVAL);
		free(name);
		return NULL;
	}
	return name;
}

static void
load_volume_file(struct loading *loading, const char *path)
{
	CLEANUP_FREE char *name = volume_name_of(loading, path);
	CLEANUP(cleanup_fclose) FILE *file = NULL;
	struct parse_source source = {
		.name = path,
		.mistakes = loading->mistakes,
		.on_setting = loading->on_setting,
		.user = loading->user,
		.volume = name,
	};
	struct volume_settings *settings;

	if (!name)
		return;
	file = fopen(path, "re");
	if (!file) {
		note_unreadable(loading, "read it", path);
		return;
	}
	source.file = file;
	settings = volume_settings_new(name);
	if (!settings) {
		note(loading, -ENOMEM);
		return;
	}
	note(loading, parse_volume(&source, settings));
	note(loading,
	     configuration_add_volume(loading->configuration, settings));
}

static int
is_conf_file(const struct dirent *entry)
{
	return fnmatch("?*" SUFFIX, entry->d_name, FNM_PERIOD) == 0;
}

/* Loads each file of DIRECTORY/NAME, if there is such a directory. */
static void
load_directory(struct loading *loading, const char *directory, const char *name,
	       void (*load)(struct loading *loading, const char *path))
{
	CLEANUP_FREE char *path = NULL;
	struct dirent **entries = NULL;
	int n;

	if (asprintf(&path, "%s/%s", directory, name) < 0) {
		path = NULL;
		note(loading, -ENOMEM);
		return;
	}
	n = scandir(path, &entries, is_conf_file, alphasort);
	if (n < 0 && errno != ENOENT)
		note_unreadable(loading, "list it", path);
	for (int i = 0; i < n; i++) {
		CLEANUP_FREE char *file = NULL;

		if (asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0) {
			file = NULL;
			note(loading, -ENOMEM);
		} else {
			load(loading, file);
		}
		free(entries[i]);
	}
	free(entries);
}

static char *
directory_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	if (!slash)
		return strdup(".");
	return strndup(file, slash == file ? 1 : (size_t)(slash - file));
}

static void
load_all(struct loading *loading, const char *file)
{
	const char *main_file = file ? file : CONFIGURATION_FILE;
	CLEANUP_FREE char *directory = directory_of(main_file);

	if (!directory) {
		note(loading, -ENOMEM);
		return;
	}
	if (file || access(main_file, F_OK) == 0)
		load_daemon_file(loading, main_file);
	load_directory(loading, directory, "conf.d", load_daemon_file);
	load_directory(loading, directory, "volumes.d", load_volume_file);
}

struct configuration *
configuration_load(const char *file, struct string_builder *mistakes)
{
	return configuration_load_seen(file, mistakes, NULL, NULL);
}

struct configuration *
configuration_load_seen(const char *file, struct string_builder *mistakes,
			setting_callback *on_setting, void *user)
{
	struct loading loading = {
		.configuration = configuration_new(),
		.mistakes = mistakes,
		.on_setting = on_setting,
		.user = user,
	};

	if (!loading.configuration)
		return NULL;
	load_all(&loading, file);
	if (loading.result < 0) {
		configuration_unref(loading.configuration);
		errno = -loading.result;
		return NULL;
	}
	return loading.configuration;
}

static const char demo_daemon[] = "[Daemon]\n"
				  "AdHocUsers=*\n"
				  "AdHocTransports=tcp unix\n";
static const char demo_volume[] = "[Volume]\n"
				  "Command=nbdkit --foreground memory 256M\n"
				  "Connections=1-4\n";

static int
parse_demo(struct configuration *configuration, struct string_builder *mistakes)
{
	CLEANUP(cleanup_fclose)
	FILE *daemon_text = fmemopen((void *)(uintptr_t)demo_daemon,
				     sizeof(demo_daemon) - 1, "r");
	CLEANUP(cleanup_fclose)
	FILE *volume_text = fmemopen((void *)(uintptr_t)demo_volume,
				     sizeof(demo_volume) - 1, "r");
	struct parse_source source = {
		.file = daemon_text,
		.name = "demo",
		.mistakes = mistakes,
	};
	struct volume_settings *settings = volume_settings_new("demo");
	int r;

	if (!settings ||
	    configuration_add_volume(configuration, settings) < 0 ||
	    !daemon_text || !volume_text)
		return -ENOMEM;
	r = parse_daemon(&source, &configuration->daemon);
	if (r < 0)
		return r;
	source.file = volume_text;
	return parse_volume(&source, settings);
}

struct configuration *
configuration_demo(void)
{
	struct configuration *configuration = configuration_new();
	struct string_builder mistakes = STRING_BUILDER_INIT;
	int r;

	if (!configuration)
		return NULL;
	r = parse_demo(configuration, &mistakes);
	string_builder_done(&mistakes);
	if (r < 0) {
		configuration_unref(configuration);
		errno = -r;
		return NULL;
	}
	return configuration;
}
