/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbd-clientd: from the command line to the running service. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "daemon/config/configuration.h"
#include "daemon/core/log.h"
#include "daemon/options.h"
#include "daemon/service.h"

/* Buffers of reads and writes are allocated and freed all the time: asking the
 * kernel for each would cost a fifth of the throughput. */
static void
tune_allocator(void)
{
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 128 << 20);
}

static int
show_config(const struct options *options)
{
	struct string_builder mistakes = STRING_BUILDER_INIT;
	int r = configuration_show(options->config, options->show_mode,
				   &mistakes);
	CLEANUP_FREE char *text = string_builder_take(&mistakes);

	if (r == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "%s", r == -EINVAL && text ? text : "out of memory\n");
	return EXIT_FAILURE;
}

int
main(int argc, char *argv[])
{
	struct options options;
	struct configuration *configuration;
	int status;

	if (!options_read(&options, argc, argv, &status))
		return status;
	if (options.shows_config)
		return show_config(&options);
	configuration = service_load_configuration(&options);
	if (!configuration)
		return EXIT_FAILURE;
	if (options.only_check) {
		printf("The configuration is good: %zu volumes.\n",
		       configuration->n_volumes);
		configuration_unref(configuration);
		return EXIT_SUCCESS;
	}
	tune_allocator();
	log_open();
	log_set_level(configuration->daemon.log_level);
	status = service_run(&options, configuration);
	configuration_unref(configuration);
	return status;
}
