/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's configuration files. Whatever they hold, reading ends with
 * settings, or with mistakes that say where; reading the same twice gives the
 * same.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/configuration.h"
#include "daemon/config/loopback.h"
#include "daemon/config/parse.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory.h"

/* The names are the linker's. One user and one group are known. */
struct passwd *__wrap_getpwnam(const char *name);
struct group *__wrap_getgrnam(const char *name);

struct passwd *
__wrap_getpwnam(const char *name)
{
	static struct passwd user = { .pw_uid = 1000 };

	return strcmp(name, "user") == 0 ? &user : NULL;
}

struct group *
__wrap_getgrnam(const char *name)
{
	static struct group group = { .gr_gid = 1000 };

	return strcmp(name, "group") == 0 ? &group : NULL;
}

static void
check_outcome(int r, struct string_builder *mistakes)
{
	char *text = string_builder_take(mistakes);

	if (r == -EINVAL && text && !*text && !memory_has_failed())
		fuzz_broken("a mistake that nobody is told");
	if (r == 0 && text && *text)
		fuzz_broken("success, but: %s", text);
	if (r != 0 && r != -EINVAL && (r != -ENOMEM || !memory_has_failed()))
		fuzz_broken("reading says %d", r);
	free(text);
}

static int
read_text(const struct input *text, bool is_volume, void *settings)
{
	struct string_builder mistakes = STRING_BUILDER_INIT;
	struct parse_source source = {
		.name = "fuzz.conf",
		.mistakes = &mistakes,
	};
	int r;

	source.file = fmemopen((void *)(uintptr_t)text->at, text->left, "r");
	if (!source.file)
		return -EINVAL;
	r = is_volume ? parse_volume(&source, settings)
		      : parse_daemon(&source, settings);
	fclose(source.file);
	check_outcome(r, &mistakes);
	return r;
}

static struct volume_settings *
read_volume(const struct input *text)
{
	struct volume_settings *settings = volume_settings_new("volume");

	if (settings && read_text(text, true, settings) < 0) {
		volume_settings_unref(settings);
		return NULL;
	}
	return settings;
}

static void
fuzz_volume(const struct input *text, unsigned failing)
{
	struct volume_settings *settings;
	struct volume_settings *again;

	memory_begin(failing);
	settings = read_volume(text);
	memory_end();
	if (settings && !memory_has_failed()) {
		again = read_volume(text);
		if (!again || !volume_settings_are_equal(settings, again))
			fuzz_broken("the same text gives other settings");
		volume_settings_unref(again);
	}
	volume_settings_unref(settings);
}

static void
fuzz_daemon(const struct input *text, unsigned failing)
{
	struct configuration *configuration;

	memory_begin(failing);
	configuration = configuration_new();
	if (configuration)
		read_text(text, false, &configuration->daemon);
	memory_end();
	configuration_unref(configuration);
}

static void
fuzz_loopback(const struct input *text)
{
	struct sockaddr_storage address;
	socklen_t size;
	char *copy = fuzz_allocate(text->left + 1);

	if (text->left > 0)
		memcpy(copy, text->at, text->left);
	copy[text->left] = '\0';
	if (loopback_read(copy, &address, &size) == 0 && size > sizeof(address))
		fuzz_broken("an address of %u bytes", size);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = input_over(data, size);
	unsigned what = input_byte(&input) % 3;
	unsigned failing = input_byte(&input);

	if (input.left == 0)
		return 0;
	if (what == 0)
		fuzz_volume(&input, failing);
	else if (what == 1)
		fuzz_daemon(&input, failing);
	else
		fuzz_loopback(&input);
	return 0;
}
