/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The main thread. Signals and requests from other threads arrive on its
 * sd-event loop and are carried out one after the other: reload, drain, exit.
 */
#include "daemon/service.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/core/log.h"
#include "daemon/core/loop.h"
#include "daemon/rpc/server.h"
#include "daemon/service_private.h"

#define US_PER_S      1000000ull
#define STATUS_PERIOD (5 * US_PER_S)
/* What volumes get for a last flush and their goodbyes, in ns. */
#define FLUSH_TIME 5000000000ull

void
service_tell_status(struct service *service, const char *state)
{
	unsigned n_volumes, n_ready;

	daemon_count_volumes(service->daemon, &n_volumes, &n_ready);
	sd_notifyf(false, "%sSTATUS=%u of %u volumes ready, %u clients\n",
		   state, n_ready, n_volumes, clients_count(service->daemon));
}

void
service_wake(struct service *service)
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
	service_wake(service);
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
	reload_run_asked(service, &reloads);
	if (drain_is_asked)
		drain(service);
	if (is_drained)
		return sd_event_exit(service->event, EXIT_SUCCESS);
	return 0;
}

static void
ask_for_drain(void *context)
{
	struct service *service = context;

	{
		SCOPED_LOCK(&service->lock);
		service->drain_is_asked = true;
	}
	service_wake(service);
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
	reload_now(user, NULL, NULL);
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
		service_tell_status(service, "");
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
		.reload = reload_ask,
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
start_metrics(struct service *service, const char *address)
{
	CLEANUP_FREE char *why = NULL;

	if (!address)
		return 0;
	service->metrics = metrics_listener_new(service->daemon, address, &why);
	if (service->metrics)
		return 0;
	log_error("%s", why ? why : "out of memory");
	return -EADDRNOTAVAIL;
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
	if (r >= 0)
		r = start_metrics(service,
				  configuration->daemon.metrics_listen);
	return r < 0 ? r : add_timers(service);
}

/* Also of a service that started only in part. */
static void
stop(struct service *service)
{
	listener_free(service->listener);
	metrics_listener_free(service->metrics);
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
		service_tell_status(&service, "READY=1\n");
		r = sd_event_loop(service.event);
		if (r < 0)
			log_error("the main loop failed: %s", strerror(-r));
	}
	stop(&service);
	return r < 0 ? EXIT_FAILURE : r;
}
