/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The main thread. Signals and requests from other threads arrive on its
 * sd-event loop and are carried out one after the other: reload, drain, exit.
 */
#include "daemon/service.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/list.h"
#include "daemon/config/load.h"
#include "daemon/core/daemon.h"
#include "daemon/core/log.h"
#include "daemon/core/loop.h"
#include "daemon/listener.h"
#include "daemon/rpc/server.h"

#define US_PER_S      1000000ull
#define STATUS_PERIOD (5 * US_PER_S)
/* What volumes get for a last flush and their goodbyes, in ns. */
#define FLUSH_TIME 5000000000ull

/* Somebody on another thread asks for a reload. */
struct reload_request {
	struct list link;
	void (*on_done)(void *user, const struct reload_result *result);
	void *user;
};

struct service {
	const struct options *options;
	sd_event *event;
	struct daemon *daemon;
	struct rpc_server *rpc;
	struct listener *listener;
	sd_event_source *drain_timer;
	uint64_t watchdog_us;
	bool is_draining;

	/* From other threads: written down, and the eventfd says so. */
	int wake_fd;
	pthread_mutex_t lock;
	struct list reloads;
	bool drain_is_asked;
	bool is_drained;
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

static void
tell_status(struct service *service, const char *state)
{
	unsigned n_volumes, n_ready;

	daemon_count_volumes(service->daemon, &n_volumes, &n_ready);
	sd_notifyf(false, "%sSTATUS=%u of %u volumes ready, %u clients\n",
		   state, n_ready, n_volumes, clients_count(service->daemon));
}

static void
apply(struct service *service, struct configuration *configuration,
      struct reload_result *result, struct failure *failure)
{
	static const struct log_subject about = { .event = LOG_EVENT_RELOADED };
	int r = daemon_apply(service->daemon, configuration, result);

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

static void
reload_and_tell(struct service *service,
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
	tell_status(service, "READY=1\n");
	if (on_done)
		on_done(user, &result);
}

static void
wake(struct service *service)
{
	uint64_t one = 1;

	if (write(service->wake_fd, &one, sizeof(one)) < 0)
		log_error("waking the main thread: %s", strerror(errno));
}

/* The volumes are closed; on an I/O thread. */
static void
on_daemon_drained(void *user)
{
	struct service *service = user;

	{
		SCOPED_LOCK(&service->lock);
		service->is_drained = true;
	}
	wake(service);
}

/* The last call has ended. */
static void
on_rpc_drained(void *user)
{
	struct service *service = user;

	sd_event_source_disable_unref(service->drain_timer);
	service->drain_timer = NULL;
	daemon_drain(service->daemon, clock_now() + FLUSH_TIME,
		     on_daemon_drained, service);
}

static int
on_drain_timeout(sd_event_source *source, uint64_t time, void *user)
{
	struct service *service = user;

	(void)source;
	(void)time;
	log_warning("requests were still in flight at DrainTimeout=; they "
		    "are cancelled");
	rpc_server_cancel(service->rpc);
	return 0;
}

static void
drain(struct service *service)
{
	static const struct log_subject about = { .event = LOG_EVENT_DRAINING };
	struct configuration *configuration;
	uint64_t timeout;

	if (service->is_draining)
		return;
	service->is_draining = true;
	configuration = daemon_configuration(service->daemon);
	timeout = configuration->daemon.drain_timeout;
	configuration_unref(configuration);
	log_write(LOG_NOTICE, &about,
		  "draining: no new calls, %" PRIu64 " s for those in flight",
		  timeout / 1000000000);
	sd_notify(false, "STOPPING=1\nSTATUS=finishing what is in flight\n");
	listener_free(service->listener);
	service->listener = NULL;
	if (sd_event_add_time_relative(service->event, &service->drain_timer,
				       CLOCK_MONOTONIC, timeout / 1000, 0,
				       on_drain_timeout, service) < 0)
		log_error("no timer for DrainTimeout=");
	rpc_server_drain(service->rpc, on_rpc_drained, service);
}

static void
run_reloads(struct service *service, struct list *requests)
{
	struct list *link;

	while ((link = list_take_first(requests))) {
		struct reload_request *request = container_of(
			link, struct reload_request, link);

		reload_and_tell(service, request->on_done, request->user);
		free(request);
	}
}

static int
on_wake(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct service *service = user;
	struct list reloads, *link;
	bool drain_is_asked, is_drained;
	uint64_t count;

	(void)source;
	(void)events;
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return -errno;
	list_init(&reloads);
	{
		SCOPED_LOCK(&service->lock);
		while ((link = list_take_first(&service->reloads)))
			list_append(&reloads, link);
		drain_is_asked = service->drain_is_asked;
		is_drained = service->is_drained;
	}
	run_reloads(service, &reloads);
	if (drain_is_asked)
		drain(service);
	if (is_drained)
		return sd_event_exit(service->event, EXIT_SUCCESS);
	return 0;
}

/* daemon_control: any thread. */
static void
ask_for_reload(void *context,
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
	wake(service);
}

static void
ask_for_drain(void *context)
{
	struct service *service = context;

	{
		SCOPED_LOCK(&service->lock);
		service->drain_is_asked = true;
	}
	wake(service);
}

static int
on_terminate(sd_event_source *source, const struct signalfd_siginfo *info,
	     void *user)
{
	struct service *service = user;

	(void)source;
	if (service->is_draining) {
		log_warning("signal %u again: leaving at once",
			    info->ssi_signo);
		/* Children go with us: PR_SET_PDEATHSIG. */
		_exit(EXIT_FAILURE);
	}
	drain(service);
	return 0;
}

static int
on_hangup(sd_event_source *source, const struct signalfd_siginfo *info,
	  void *user)
{
	(void)source;
	(void)info;
	reload_and_tell(user, NULL, NULL);
	return 0;
}

static int
on_rpc(sd_event_source *source, int fd, uint32_t events, void *user)
{
	struct service *service = user;

	(void)source;
	(void)fd;
	(void)events;
	rpc_server_dispatch(service->rpc);
	return 0;
}

static void
on_accept(void *user, int fd, const struct client_identity *identity)
{
	struct service *service = user;

	rpc_server_accept(service->rpc, fd, identity);
}

static int
on_status_timer(sd_event_source *source, uint64_t time, void *user)
{
	struct service *service = user;

	(void)time;
	if (!service->is_draining)
		tell_status(service, "");
	sd_event_source_set_time_relative(source, STATUS_PERIOD);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* systemd is told that we live only while every I/O thread answers. */
static int
on_watchdog_timer(sd_event_source *source, uint64_t time, void *user)
{
	struct service *service = user;

	(void)time;
	if (daemon_is_alive(service->daemon))
		sd_notify(false, "WATCHDOG=1");
	else
		log_error("an I/O thread does not answer");
	sd_event_source_set_time_relative(source, service->watchdog_us / 3);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int
add_timers(struct service *service)
{
	int r = sd_event_add_time_relative(service->event, NULL,
					   CLOCK_MONOTONIC, STATUS_PERIOD, 0,
					   on_status_timer, service);

	if (r < 0 || sd_watchdog_enabled(true, &service->watchdog_us) <= 0)
		return r;
	return sd_event_add_time_relative(service->event, NULL, CLOCK_MONOTONIC,
					  0, 0, on_watchdog_timer, service);
}

static int
add_signals(struct service *service)
{
	static const struct {
		int number;
		sd_event_signal_handler_t handler;
	} signals[] = {
		{ SIGTERM, on_terminate },
		{ SIGINT, on_terminate },
		{ SIGHUP, on_hangup },
	};
	sigset_t set;
	int r = 0;

	/* Before the first thread, so that all of them have it blocked. */
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&set, signals[i].number);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]) && r >= 0;
	     i++)
		r = sd_event_add_signal(service->event, NULL, signals[i].number,
					signals[i].handler, service);
	return r;
}

static int
start_core(struct service *service, struct configuration *configuration)
{
	struct daemon_control control = {
		.reload = ask_for_reload,
		.drain = ask_for_drain,
		.context = service,
	};

	service->daemon = daemon_new(configuration);
	if (!service->daemon)
		return -errno;
	daemon_set_control(service->daemon, &control);
	service->rpc = rpc_server_new(service->daemon);
	if (!service->rpc)
		return -errno;
	return sd_event_add_io(service->event, NULL,
			       rpc_server_get_fd(service->rpc), EPOLLIN, on_rpc,
			       service);
}

/* Clients may queue from here on; they are accepted when all is there. */
static int
start_listening(struct service *service, const char *path)
{
	CLEANUP_FREE char *why = NULL;
	int r = listener_new(&service->listener, service->event, path,
			     on_accept, service, &why);

	if (r < 0 && why)
		log_error("%s", why);
	return r;
}

static int
start(struct service *service, struct configuration *configuration)
{
	int r = sd_event_default(&service->event);

	if (r < 0)
		return r;
	r = add_signals(service);
	if (r < 0)
		return r;
	service->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (service->wake_fd < 0)
		return -errno;
	r = sd_event_add_io(service->event, NULL, service->wake_fd, EPOLLIN,
			    on_wake, service);
	if (r < 0)
		return r;
	/* First of all, because it fails if another daemon is running, whose
	 * servers and sockets must be left alone. */
	r = start_listening(service, configuration->daemon.listen);
	if (r < 0)
		return r;
	r = start_core(service, configuration);
	return r < 0 ? r : add_timers(service);
}

/* Also of a service that started only in part. */
static void
stop(struct service *service)
{
	listener_free(service->listener);
	rpc_server_free(service->rpc);
	if (service->daemon && !service->is_drained)
		daemon_drain(service->daemon, 0, NULL, NULL);
	daemon_free(service->daemon);
	sd_event_source_disable_unref(service->drain_timer);
	if (service->wake_fd >= 0)
		close(service->wake_fd);
	sd_event_unref(service->event);
	pthread_mutex_destroy(&service->lock);
}

int
service_run(const struct options *options, struct configuration *configuration)
{
	struct service service = { .options = options, .wake_fd = -1 };
	int r;

	pthread_mutex_init(&service.lock, NULL);
	list_init(&service.reloads);
	r = start(&service, configuration);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
	} else {
		log_info("serving %zu volumes at %s", configuration->n_volumes,
			 configuration->daemon.listen);
		tell_status(&service, "READY=1\n");
		r = sd_event_loop(service.event);
		if (r < 0)
			log_error("the main loop failed: %s", strerror(-r));
	}
	stop(&service);
	return r < 0 ? EXIT_FAILURE : r;
}
