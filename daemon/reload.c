/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the configuration, first and again. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "common/cleanup.h"
#include "daemon/config/load.h"
#include "daemon/core/log.h"
#include "daemon/core/loop.h"
#include "daemon/service.h"
#include "daemon/service_private.h"

/* Somebody on another thread asks for a reload. */
struct reload_request {
	struct list link;
	void (*on_done)(void *user, const struct reload_result *result);
	void *user;
};

static struct configuration *
load(const struct options *options, struct string_builder *mistakes)
{
	struct configuration *configuration =
		options->is_demo
			? configuration_demo()
			: configuration_load(options->config, mistakes);

	if (!configuration)
		return NULL;
	if (options->log_level >= 0)
		configuration->daemon.log_level = options->log_level;
	if (options->listen && string_replace(&configuration->daemon.listen,
					      options->listen) < 0) {
		configuration_unref(configuration);
		errno = ENOMEM;
		return NULL;
	}
	return configuration;
}

struct configuration *
service_load_configuration(const struct options *options)
{
	struct string_builder mistakes = STRING_BUILDER_INIT;
	struct configuration *configuration = load(options, &mistakes);
	int saved = errno;
	CLEANUP_FREE char *text = string_builder_take(&mistakes);

	if (!configuration)
		fprintf(stderr, "%s",
			saved == EINVAL && text ? text : "out of memory\n");
	errno = saved;
	return configuration;
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* What was set up at the start stays as it is, and the operator shall know. */
static void
warn_of_restart(struct service *service,
		const struct configuration *configuration)
{
	struct configuration *old = daemon_configuration(service->daemon);
	const struct daemon_settings *a = &old->daemon;
	const struct daemon_settings *b = &configuration->daemon;

	if (!same_text(a->listen, b->listen) ||
	    !same_text(a->runtime_directory, b->runtime_directory) ||
	    a->io_threads != b->io_threads || a->max_calls != b->max_calls ||
	    a->max_requests != b->max_requests ||
	    a->max_bytes != b->max_bytes || a->max_message != b->max_message)
		log_warning("Listen=, RuntimeDirectory=, IoThreads=, "
			    "MaxMessage= and the limits of a client count "
			    "from the next start");
	configuration_unref(old);
}

/* The new listener of metrics, if another one is wanted; nothing is wanted, or
 * the same: NULL. False: it cannot be had, and FAILURE says why. */
static bool
open_metrics(struct service *service, const struct daemon_settings *old,
	     const struct daemon_settings *settings,
	     struct metrics_listener **opened, struct failure *failure)
{
	CLEANUP_FREE char *why = NULL;

	*opened = NULL;
	if (!settings->metrics_listen ||
	    same_text(old->metrics_listen, settings->metrics_listen))
		return true;
	*opened = metrics_listener_new(service->daemon,
				       settings->metrics_listen, &why);
	if (!*opened)
		failure_set(failure, EADDRNOTAVAIL, FAILURE_INVALID,
			    "nothing has changed: %s",
			    why ? why : "out of memory");
	return *opened;
}

/* Before the rest is applied, because it can fail. */
static bool
change_metrics(struct service *service, const struct configuration *new,
	       struct failure *failure)
{
	struct configuration *old = daemon_configuration(service->daemon);
	struct metrics_listener *opened;
	bool is_well = open_metrics(service, &old->daemon, &new->daemon,
				    &opened, failure);

	if (is_well && !same_text(old->daemon.metrics_listen,
				  new->daemon.metrics_listen)) {
		metrics_listener_free(service->metrics);
		service->metrics = opened;
	}
	configuration_unref(old);
	return is_well;
}

static void
apply(struct service *service, struct configuration *configuration,
      struct reload_result *result, struct failure *failure)
{
	static const struct log_subject about = { .event = LOG_EVENT_RELOADED };
	int r;

	if (!change_metrics(service, configuration, failure))
		return;
	warn_of_restart(service, configuration);
	r = daemon_apply(service->daemon, configuration, result);
	if (r < 0)
		failure_set(failure, -r, FAILURE_LIMIT,
			    "the configuration is applied only in part: %s",
			    strerror(-r));
	else
		log_write(LOG_NOTICE, &about,
			  "configuration reloaded: %u volumes added, %u "
			  "changed, %u removed",
			  result->volumes_added, result->volumes_changed,
			  result->volumes_removed);
}

/* A wrong configuration changes nothing. */
static void
reload(struct service *service, struct reload_result *result,
       struct failure *failure)
{
	struct string_builder mistakes = STRING_BUILDER_INIT;
	struct configuration *configuration = load(service->options, &mistakes);
	int saved = errno;
	CLEANUP_FREE char *text = string_builder_take(&mistakes);

	if (configuration) {
		apply(service, configuration, result, failure);
	} else {
		failure_set(failure, saved, FAILURE_INVALID,
			    "the new configuration is wrong, and nothing has "
			    "changed: %s",
			    text ? text : strerror(saved));
	}
	configuration_unref(configuration);
	if (failure->errnum)
		log_error("%s", failure_text(failure));
}

void
reload_now(struct service *service,
	   void (*on_done)(void *user, const struct reload_result *result),
	   void *user)
{
	CLEANUP(failure_done) struct failure failure = { 0 };
	struct reload_result result = { .failure = &failure };

	sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n",
		   clock_now() / 1000);
	if (service->is_draining)
		failure_set(&failure, ESHUTDOWN, FAILURE_BUSY,
			    "the daemon is shutting down");
	else
		reload(service, &result, &failure);
	service_tell_status(service, "READY=1\n");
	if (on_done)
		on_done(user, &result);
}

void
reload_run_asked(struct service *service, struct list *requests)
{
	struct list *link;

	while ((link = list_take_first(requests))) {
		struct reload_request *request = container_of(
			link, struct reload_request, link);

		reload_now(service, request->on_done, request->user);
		free(request);
	}
}

/* daemon_control: any thread. */
void
reload_ask(void *context,
	   void (*on_done)(void *user, const struct reload_result *result),
	   void *user)
{
	struct service *service = context;
	struct reload_request *request = calloc(1, sizeof(*request));

	if (!request) {
		struct failure failure = { .errnum = ENOMEM,
					   .reason = FAILURE_LIMIT };

		on_done(user, &(struct reload_result){ .failure = &failure });
		return;
	}
	request->on_done = on_done;
	request->user = user;
	{
		SCOPED_LOCK(&service->lock);
		list_append(&service->reloads, &request->link);
	}
	service_wake(service);
}
