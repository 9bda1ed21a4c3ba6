/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Origins of values. While the files are read each value that they set is
 * written down with its place; afterwards the keys are gone through in the
 * order of their tables. Files later in order replace what earlier ones set,
 * save for keys that are lists, to which they add.
 */
#include "daemon/config/show.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/config/keys.h"
#include "daemon/config/parse.h"

struct row {
	const char *name;
	const char *kind;
	const char *initial;
};

#define ROW(key, kind, member, min, max, initial) { #key, #kind, initial },

static const struct row daemon_rows[] = { DAEMON_KEYS(ROW){ 0 } };
static const struct row volume_rows[] = { VOLUME_KEYS(ROW){ 0 } };

/* A value that a file sets. */
struct origin {
	/* NULL: of [Daemon]. */
	char *volume;
	char *key;
	char *text;
	char *place;
};

struct origins {
	struct origin *items;
	size_t n;
	bool is_out_of_memory;
};

static void
write_down(void *user, const struct setting_seen *seen)
{
	struct origins *origins = user;
	struct origin *grown = reallocarray(origins->items, origins->n + 1,
					    sizeof(*grown));
	struct origin *origin;

	if (!grown) {
		origins->is_out_of_memory = true;
		return;
	}
	origins->items = grown;
	origin = &grown[origins->n++];
	*origin = (struct origin){
		.volume = seen->volume ? strdup(seen->volume) : NULL,
		.key = strdup(seen->key),
		.text = strdup(seen->text),
	};
	if (asprintf(&origin->place, "%s:%u", seen->file, seen->line) < 0)
		origin->place = NULL;
	if (!origin->key || !origin->text || !origin->place ||
	    (seen->volume && !origin->volume))
		origins->is_out_of_memory = true;
}

static void
origins_done(struct origins *origins)
{
	for (size_t i = 0; i < origins->n; i++) {
		free(origins->items[i].volume);
		free(origins->items[i].key);
		free(origins->items[i].text);
		free(origins->items[i].place);
	}
	free(origins->items);
}

static void
print_line(const char *key, const char *text, const char *place)
{
	int width = printf("%s=%s", key, text);

	printf("%*s # %s\n", width < 39 ? 39 - width : 0, "", place);
}

static bool
is_of(const struct origin *origin, const char *volume, const char *key)
{
	return strcmp(origin->key, key) == 0 &&
	       (volume ? origin->volume && strcmp(origin->volume, volume) == 0
		       : !origin->volume);
}

/* Kinds that add to what is there. */
static bool
is_list(const struct row *row)
{
	static const char *const kinds[] = { "uris", "users", "groups" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(row->kind, kinds[i]) == 0)
			return true;
	return false;
}

/* The first one that counts: later ones replace earlier ones, and empty text
 * empties a list. */
static size_t
find_first(const struct origins *origins, const char *volume,
	   const struct row *row)
{
	size_t first = origins->n;

	for (size_t i = 0; i < origins->n; i++)
		if (is_of(&origins->items[i], volume, row->name) &&
		    (first == origins->n || !is_list(row) ||
		     !*origins->items[i].text))
			first = i;
	return first;
}

static void
print_key(const struct origins *origins, const char *volume,
	  const struct row *row, enum show_mode mode)
{
	size_t first = find_first(origins, volume, row);

	if (first == origins->n && mode != SHOW_SET)
		print_line(row->name, row->initial, "default");
	for (size_t i = first; i < origins->n; i++)
		if (is_of(&origins->items[i], volume, row->name))
			print_line(row->name, origins->items[i].text,
				   origins->items[i].place);
}

static void
print_section(const struct origins *origins, const char *volume,
	      enum show_mode mode)
{
	const struct row *rows = volume ? volume_rows : daemon_rows;

	if (volume)
		printf("\n# volumes.d/%s.conf\n[Volume]\n", volume);
	else
		printf("[Daemon]\n");
	for (const struct row *row = rows; row->name; row++)
		print_key(origins, volume, row, mode);
}

static int
show(const struct configuration *configuration, const struct origins *origins,
     enum show_mode mode)
{
	if (origins->is_out_of_memory)
		return -ENOMEM;
	print_section(origins, NULL, mode);
	for (size_t i = 0; i < configuration->n_volumes; i++)
		print_section(origins, configuration->volumes[i]->name, mode);
	return 0;
}

int
configuration_show(const char *file, enum show_mode mode,
		   struct string_builder *mistakes)
{
	struct origins origins = { 0 };
	struct configuration *configuration;
	int r;

	if (mode == SHOW_DEFAULTS) {
		print_section(&origins, NULL, mode);
		print_section(&origins, "NAME", mode);
		return 0;
	}
	configuration = configuration_load_seen(file, mistakes, write_down,
						&origins);
	r = configuration ? show(configuration, &origins, mode) : -errno;
	if (configuration)
		configuration_unref(configuration);
	origins_done(&origins);
	return r;
}
